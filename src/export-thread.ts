// The capture thread's end of the export thread. Comes in: record batches and counters. Goes out: messages, with
// buffers transferred, and back. Bounded: a thread that falls behind is sent no more until it answers.

import type { KernelCounter } from "./capture/stats.ts";
import type { Config } from "./config/schema.ts";
import type { FlowRecordBatch } from "./flow/flow.ts";
import type { RecordChunk } from "./flow/record-chunks.ts";
import type {
  AcceptedMessage,
  AddressesMessage,
  FinishedMessage,
  FromExport,
  InterfacesMessage,
  ListenersMessage,
  OperationMessage,
  StatsMessage,
  ToExport,
} from "./messages.ts";

/**
 * Batches on their way to the export thread; more wait in the table, in whole chunks, where they cost the other
 * thread's collector nothing. 4 MB, and more than is exported between two turns of the capture loop.
 */
const MOST_OUTSTANDING = 16;

/** A running export thread. */
export class ExportThread {
  readonly #worker: Worker;
  readonly #onFailure: (reason: string) => void;
  readonly #started: PromiseWithResolvers<string | undefined> = Promise.withResolvers();
  readonly #finished: PromiseWithResolvers<boolean> = Promise.withResolvers();
  /** Told of the thread's next answer, and of its end. */
  #wake: () => void = () => {};
  #isGone = false;
  #outstanding = 0;
  #sent = 0;
  #refused = 0;
  #sentBatches = 0;
  #acknowledgedBatches = 0;
  #shown: readonly KernelCounter[] | undefined;
  readonly #spent: RecordChunk[] = [];

  /** @param onFailure told once or more where the thread or an exporter cannot go on. */
  constructor(config: Config, mode: "run" | "replay", onFailure: (reason: string) => void) {
    this.#onFailure = onFailure;
    this.#worker = new Worker(new URL("./export-worker.ts", import.meta.url).href);
    this.#worker.onmessage = ({ data }: MessageEvent<FromExport>): void => this.#receive(data);
    this.#worker.onerror = (event): void => this.#end(`The export thread stopped: ${event.message}`);
    this.#post({ kind: "start", config, mode });
  }

  /** Records handed over, and refused because there was no room. */
  get counts(): { readonly sent: number; readonly refused: number } {
    return { sent: this.#sent, refused: this.#refused };
  }

  /** Batches handed over. */
  get sentBatches(): number {
    return this.#sentBatches;
  }

  /** Of those, counted from the first, what every exporter is done with. */
  get acknowledgedBatches(): number {
    return this.#acknowledgedBatches;
  }

  /** The last counters that were shown since the last call. */
  takeShown(): readonly KernelCounter[] | undefined {
    const shown = this.#shown;
    this.#shown = undefined;
    return shown;
  }

  /** Resolves when the thread is ready. @throws Error with the line to print where it cannot start. */
  async started(): Promise<void> {
    const error = await this.#started.promise;
    if (error !== undefined) throw new Error(error);
  }

  /** Whether {@link send} takes a batch now. */
  get hasRoom(): boolean {
    return this.#outstanding < MOST_OUTSTANDING;
  }

  /** Hands a batch over; its buffers are gone afterwards. Without room it is refused. */
  send(batch: FlowRecordBatch): void {
    if (!this.hasRoom) {
      this.#refused += batch.count;
      return;
    }
    this.#outstanding++;
    this.#sentBatches++;
    this.#sent += batch.count;
    const { count, words, details } = batch;
    const { buffer } = words;
    if (details.length === 0) this.#post({ kind: "records", count, buffer, details: undefined }, [buffer]);
    else this.#post({ kind: "records", count, buffer, details: details.buffer }, [buffer, details.buffer]);
  }

  /** {@link send} once there is room, and waits until the thread has taken it, is gone, or `signal` aborts. */
  async deliver(batch: FlowRecordBatch, signal: AbortSignal): Promise<void> {
    const isWaiting = (most: number): boolean => this.#outstanding > most && !this.#isGone && !signal.aborted;
    while (isWaiting(MOST_OUTSTANDING - 1)) await this.#answered(signal);
    this.send(batch);
    while (isWaiting(0)) await this.#answered(signal);
  }

  /** Buffers that came back, one batch's at a time; undefined where there are none. */
  takeSpent(): RecordChunk | undefined {
    return this.#spent.pop();
  }

  /** Tells what the export side needs to know beside the records. */
  tell(
    message: InterfacesMessage | AddressesMessage | ListenersMessage | StatsMessage | OperationMessage,
  ): void {
    this.#post(message);
  }

  /**
   * Flushes within `timeoutMs`; false where something was left. The thread is gone afterwards.
   * @param beganMs when the end began, in ms since 1970
   */
  async finish(timeoutMs: number, beganMs: number = Date.now()): Promise<boolean> {
    this.#post({ kind: "finish", timeoutMs, beganMs });
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

  async #answered(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const leave = (): void => resolve();
    signal.addEventListener("abort", leave, { once: true });
    await promise;
    signal.removeEventListener("abort", leave);
  }

  #post(message: ToExport, transferred: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transferred);
  }

  #receive(message: FromExport): void {
    switch (message.kind) {
      case "started":
        this.#started.resolve(message.error);
        return;
      case "accepted":
        this.#takeBack(message);
        return;
      case "acknowledged":
        this.#acknowledgedBatches = message.batches;
        return;
      case "shown":
        this.#shown = message.counted;
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

  #takeBack({ buffer, details }: AcceptedMessage): void {
    this.#outstanding--;
    if (this.#spent.length < MOST_OUTSTANDING)
      this.#spent.push({
        words: new Uint32Array(buffer),
        details: new Uint32Array(details ?? new ArrayBuffer(0)),
      });
    this.#wake();
  }

  #finish({ isComplete }: FinishedMessage): void {
    this.#finished.resolve(isComplete);
  }

  /** The thread goes on: other exporters may have spans to send, and a finish is answered. */
  #fail(reason: string): void {
    this.#started.resolve(reason);
    this.#onFailure(reason);
  }

  /** Nothing answers any more. */
  #end(reason: string): void {
    this.#isGone = true;
    this.#finished.resolve(false);
    this.#wake();
    this.#fail(reason);
  }
}
