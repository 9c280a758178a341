// The capture thread's end of the export thread. Comes in: record batches and counters. Goes out: messages, with
// buffers transferred. Bounded: a thread that falls too far behind costs records, counted, never memory or capture.

import type { Config } from "./config/schema.ts";
import type { FlowRecordBatch } from "./flow/flow.ts";
import type { FinishedMessage, FromExport, InterfacesMessage, StatsMessage, ToExport } from "./messages.ts";

/** Records on their way to the export thread; beyond it they are refused. About 60 MB. */
const MOST_OUTSTANDING = 262_144;

/** A running export thread. */
export class ExportThread {
  readonly #worker: Worker;
  readonly #onFailure: (reason: string) => void;
  readonly #started: PromiseWithResolvers<string | undefined> = Promise.withResolvers();
  readonly #finished: PromiseWithResolvers<boolean> = Promise.withResolvers();
  #room: PromiseWithResolvers<void> | undefined;
  #sent = 0;
  #accepted = 0;
  #refused = 0;

  /** @param onFailure told once or more where the thread or an exporter cannot go on. */
  constructor(config: Config, mode: "run" | "replay", onFailure: (reason: string) => void) {
    this.#onFailure = onFailure;
    this.#worker = new Worker(new URL("./export-worker.ts", import.meta.url).href);
    this.#worker.onmessage = ({ data }: MessageEvent<FromExport>): void => this.#receive(data);
    this.#worker.onerror = (event): void => this.#fail(`The export thread stopped: ${event.message}`);
    this.#post({ kind: "start", config, mode });
  }

  /** Records handed over, and refused because the thread was too far behind. */
  get counts(): { readonly sent: number; readonly refused: number } {
    return { sent: this.#sent, refused: this.#refused };
  }

  /** Resolves when the thread is ready. @throws Error with the line to print where it cannot start. */
  async started(): Promise<void> {
    const error = await this.#started.promise;
    if (error !== undefined) throw new Error(error);
  }

  /** Hands a batch over; its buffer is gone afterwards. */
  send(batch: FlowRecordBatch): void {
    if (this.#sent - this.#accepted + batch.count > MOST_OUTSTANDING) {
      this.#refused += batch.count;
      return;
    }
    this.#sent += batch.count;
    const { buffer } = batch.words;
    this.#worker.postMessage({ kind: "records", count: batch.count, buffer }, [buffer]);
  }

  /** {@link send}, and waits until the thread has taken it, or `signal` aborts. */
  async deliver(batch: FlowRecordBatch, signal: AbortSignal): Promise<void> {
    this.send(batch);
    const leave = (): void => this.#room?.resolve();
    signal.addEventListener("abort", leave);
    while (this.#accepted < this.#sent && !signal.aborted) {
      this.#room ??= Promise.withResolvers();
      await this.#room.promise;
    }
    signal.removeEventListener("abort", leave);
  }

  /** Tells what the export side needs to know beside the records. */
  tell(message: InterfacesMessage | StatsMessage): void {
    this.#post(message);
  }

  /** Flushes within `timeoutMs`; false where something was left. The thread is gone afterwards. */
  async finish(timeoutMs: number): Promise<boolean> {
    this.#post({ kind: "finish", timeoutMs });
    const grace = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => grace.resolve(false), timeoutMs + 1000);
    const isComplete = await Promise.race([this.#finished.promise, grace.promise]);
    clearTimeout(timer);
    this.terminate();
    return isComplete;
  }

  /** Ends the thread at once. */
  terminate(): void {
    this.#worker.terminate();
  }

  #post(message: ToExport): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromExport): void {
    switch (message.kind) {
      case "started":
        this.#started.resolve(message.error);
        return;
      case "accepted":
        this.#accepted += message.count;
        this.#room?.resolve();
        this.#room = undefined;
        return;
      case "finished":
        this.#finish(message);
        return;
      case "failed":
        this.#fail(message.error);
        return;
      default:
        message satisfies never;
    }
  }

  #finish({ isComplete }: FinishedMessage): void {
    this.#finished.resolve(isComplete);
  }

  #fail(reason: string): void {
    this.#started.resolve(reason);
    this.#finished.resolve(false);
    this.#room?.resolve();
    this.#accepted = this.#sent;
    this.#onFailure(reason);
  }
}
