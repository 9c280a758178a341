// Exports records as OTLP over HTTP: encodes, batches, queues as bytes, sends. Never waits for the collector in `accept`.
// What could not be sent goes back to the head of the queue and is tried again, one request at a time, until it
// succeeds, is too old, or newer spans need its room.

import type { DecoratedBatch } from "../decorate.ts";
import type { Logger } from "../lib/log.ts";
import type { OtlpConfig } from "./config.ts";
import { type ExporterStats, type RecordExporter, ROOM_PATIENCE_MS } from "./exporter.ts";
import { Ledger } from "./ledger.ts";
import { OtlpEncoder } from "./otlp-encode.ts";
import { createOtlpTransport, type SendOutcome, type SendRequest } from "./otlp-transport.ts";
import { type Chunk, ChunkQueue } from "./queue.ts";
import type { ResourceAttributes } from "./resource.ts";

/** Pauses between attempts while the collector cannot be reached, and when to give a request up. */
export interface RetryOptions {
  readonly initialMs: number;
  readonly factor: number;
  readonly maximumMs: number;
  /** From a request's first failure on. */
  readonly elapsedMs: number;
}

export interface OtlpExporterOptions {
  readonly config: OtlpConfig;
  readonly resource: ResourceAttributes;
  /** Of the build. */
  readonly version: string;
  readonly log: Logger;
  /** Default: 1 s, growing by 1.5 up to 30 s, given up after 5 min. */
  readonly retry?: RetryOptions;
}

const RETRY: RetryOptions = { initialMs: 1000, factor: 1.5, maximumMs: 30_000, elapsedMs: 300_000 };

/** Pauses differ by up to this part of them, so that a fleet does not come back as one. */
const JITTER = 0.2;

/** The OTLP/HTTP exporter, with protobuf bodies. It connects when it first has something to send. */
export function createOtlpExporter(options: OtlpExporterOptions): RecordExporter {
  return new OtlpExporter(options, createOtlpTransport(options.config, options.version));
}

class OtlpExporter implements RecordExporter {
  readonly name = "otlp";
  readonly failure: Promise<Error> = new Promise(() => {});
  readonly #config: OtlpConfig;
  readonly #log: Logger;
  readonly #retry: RetryOptions;
  /** Of the collector, for the log: an endpoint may have a password in it. */
  readonly #host: string;
  readonly #sendRequest: SendRequest;
  readonly #encoder: OtlpEncoder;
  readonly #queue: ChunkQueue;
  readonly #ledger = new Ledger();
  #requestsInFlight = 0;
  #spansInFlight = 0;
  readonly #inFlight = new Set<Chunk>();
  /** Spans ever made part of a request. */
  #sealed = 0;
  /** Attempts that failed since the last success. */
  #failures = 0;
  /** No attempt before this, `performance.now()`. */
  #resumeAt = 0;
  #batchTimer: Timer | undefined;
  #retryTimer: Timer | undefined;
  #isClosed = false;

  constructor(options: OtlpExporterOptions, sendRequest: SendRequest) {
    this.#config = options.config;
    this.#log = options.log;
    this.#retry = options.retry ?? RETRY;
    this.#host = new URL(options.config.endpoint).host;
    this.#sendRequest = sendRequest;
    this.#encoder = new OtlpEncoder(options.resource, options.version);
    this.#queue = new ChunkQueue(options.config.max_queue_size);
  }

  accept(batch: DecoratedBatch): void {
    this.#ledger.accept(batch.count);
    if (this.#isClosed) {
      this.#ledger.drop("shutdown", batch.count);
      return;
    }
    for (let from = 0; from < batch.count; ) {
      const to = Math.min(batch.count, from + this.#config.max_batch_size - this.#encoder.spans);
      this.#ledger.drop("queue_full", this.#queue.makeRoom(this.#encoder.spans + to - from));
      this.#encoder.append(batch, from, to);
      from = to;
      if (this.#encoder.spans >= this.#config.max_batch_size) this.#seal();
    }
    if (this.#encoder.spans > 0)
      this.#batchTimer ??= setTimeout(() => this.#seal(), this.#config.max_batch_interval);
  }

  get acknowledged(): number {
    let least = Math.min(this.#sealed, this.#queue.first ?? this.#sealed);
    for (const { first = least } of this.#inFlight) least = Math.min(least, first);
    return least;
  }

  async room(): Promise<void> {
    if (!this.#isPressed()) return;
    await this.#ledger.room(() => this.#isPressed(), ROOM_PATIENCE_MS);
  }

  async flush(signal: AbortSignal): Promise<boolean> {
    this.#resumeAt = 0;
    this.#seal();
    return await this.#ledger.settle(signal);
  }

  stats(): ExporterStats {
    const spans = this.#encoder.spans + this.#queue.spans + this.#spansInFlight;
    return this.#ledger.stats({ spans, capacity: this.#queue.capacity });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#batchTimer);
    clearTimeout(this.#retryTimer);
    const spans = this.#encoder.take().spans + this.#queue.clear() + this.#spansInFlight;
    this.#spansInFlight = 0;
    this.#ledger.drop("shutdown", spans);
  }

  /** A collector that takes what it is sent will make room; one that fails will not, and the oldest have to go. */
  #isPressed(): boolean {
    return !this.#isClosed && this.#failures === 0 && this.#queue.isCrowded;
  }

  /** Makes the spans gathered so far a request, and sends what may be sent. */
  #seal(): void {
    clearTimeout(this.#batchTimer);
    this.#batchTimer = undefined;
    if (this.#encoder.spans > 0) {
      const chunk = { ...this.#encoder.take(), first: this.#sealed };
      this.#sealed += chunk.spans;
      this.#ledger.drop("queue_full", this.#queue.push(chunk));
    }
    this.#pump();
  }

  #pump(): void {
    const limit = this.#failures > 0 ? 1 : this.#config.max_concurrent_exports;
    while (this.#requestsInFlight < limit && performance.now() >= this.#resumeAt) {
      const chunk = this.#queue.shift();
      if (chunk === undefined) return;
      void this.#send(chunk);
    }
  }

  async #send(chunk: Chunk): Promise<void> {
    this.#requestsInFlight++;
    this.#spansInFlight += chunk.spans;
    this.#inFlight.add(chunk);
    const outcome = await this.#sendRequest(chunk.bytes);
    this.#requestsInFlight--;
    this.#ledger.request(outcome.status === "sent" ? "success" : "failure");
    // What was in flight when the exporter closed is counted already.
    if (this.#isClosed) return;
    this.#spansInFlight -= chunk.spans;
    if (outcome.status === "sent") this.#recover();
    this.#inFlight.delete(chunk);
    this.#settle(chunk, outcome);
    this.#pump();
  }

  #settle(chunk: Chunk, outcome: SendOutcome): void {
    if (outcome.status === "sent") {
      const rejected = Math.min(outcome.rejected, chunk.spans);
      if (rejected > 0)
        this.#log.warn("collector refused spans", { spans: rejected, error: outcome.message });
      this.#ledger.drop("rejected", rejected);
      this.#ledger.send(chunk.spans - rejected);
      return;
    }
    if (outcome.status === "rejected") {
      this.#log.warn("collector refused a request", { spans: chunk.spans, error: outcome.cause.message });
      this.#ledger.drop("rejected", chunk.spans);
      return;
    }
    const failedAt = chunk.failedAt ?? performance.now();
    this.#backOff(outcome.cause);
    if (performance.now() - failedAt >= this.#retry.elapsedMs) this.#ledger.drop(outcome.status, chunk.spans);
    else this.#ledger.drop("queue_full", this.#queue.unshift({ ...chunk, failedAt }));
  }

  /** Requests that fail side by side lengthen the pause once. */
  #backOff(cause: Error): void {
    if (performance.now() < this.#resumeAt) return;
    if (this.#failures === 0) this.#log.warn("cannot export", { host: this.#host, error: cause.message });
    const { initialMs, factor, maximumMs } = this.#retry;
    const pause =
      Math.min(initialMs * factor ** this.#failures, maximumMs) * (1 + JITTER * (Math.random() * 2 - 1));
    this.#failures++;
    this.#resumeAt = performance.now() + pause;
    clearTimeout(this.#retryTimer);
    // Timers count in whole milliseconds and may be early by a part of one.
    this.#retryTimer = setTimeout(() => this.#pump(), Math.ceil(pause) + 1);
  }

  #recover(): void {
    if (this.#failures > 0) this.#log.info("exporting again", { host: this.#host });
    this.#failures = 0;
    this.#resumeAt = 0;
  }
}
