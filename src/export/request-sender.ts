// Sends encoded requests to one collector. Comes in: requests. Goes out: attempts, side by side, and counters. What could
// not be sent waits in a bounded queue and is tried again until it succeeds, is too old, or newer requests need its room.

import type { Logger } from "../lib/log.ts";
import { Breaker } from "./breaker.ts";
import { ROOM_PATIENCE_MS } from "./exporter.ts";
import type { ExporterStats } from "./exporter-stats.ts";
import { Ledger } from "./ledger.ts";
import type { OtlpConfig } from "./otlp-config.ts";
import { OutageLog } from "./outage-log.ts";
import { type Chunk, ChunkQueue } from "./queue.ts";
import { RefusalLog } from "./refusal-log.ts";
import type { EncodedRequest, SplitRequest } from "./request-encoder.ts";
import type { SendOutcome, Transport } from "./send-outcome.ts";
import { warnOfUnverified } from "./unverified-warning.ts";

/** The part of [export.otlp] that bounds what waits and what is tried. */
export type SenderLimits = Pick<
  OtlpConfig,
  "max_queue_size" | "max_queue_bytes" | "max_concurrent_exports" | "retry"
>;

/** One attempt that is over. Times in ms since 1970. */
export interface SendAttempt {
  readonly exporter: string;
  readonly beganMs: number;
  readonly endedMs: number;
  readonly spans: number;
  readonly bytes: number;
  readonly outcome: SendOutcome;
}

export interface SenderOptions {
  /** As metrics and logs say it. */
  readonly name: string;
  readonly limits: SenderLimits;
  /** Disposed with the sender. */
  readonly transport: Transport;
  /** Of requests that the collector finds too large. */
  readonly split: SplitRequest;
  readonly log: Logger;
  /** Told of each attempt. */
  readonly observe?: ((attempt: SendAttempt) => void) | undefined;
}

/**
 * A collector's queue. At any moment pushed = sent + dropped + what waits or is under way; the requests under way (at
 * most `max_concurrent_exports`) come on top of the queue's bounds.
 */
export class RequestSender implements AsyncDisposable {
  readonly name: string;
  readonly #limits: SenderLimits;
  readonly #transport: Transport;
  readonly #split: SplitRequest;
  readonly #observe: SenderOptions["observe"];
  readonly #queue: ChunkQueue;
  readonly #breaker: Breaker;
  readonly #outages: OutageLog;
  readonly #refusals: RefusalLog;
  readonly #ledger = new Ledger();
  readonly #inFlight = new Set<Chunk>();
  readonly #closing = new AbortController();
  #spansInFlight = 0;
  #bytesInFlight = 0;
  #pushed = 0;
  #retries = 0;
  #timer: Timer | undefined;
  #warning: Disposable | undefined;

  constructor({ name, limits, transport, split, log, observe }: SenderOptions) {
    this.name = name;
    this.#limits = limits;
    this.#transport = transport;
    this.#split = split;
    this.#observe = observe;
    this.#queue = new ChunkQueue(limits.max_queue_size, limits.max_queue_bytes);
    this.#breaker = new Breaker(limits.retry);
    const fields = { exporter: name, host: transport.host };
    this.#outages = new OutageLog(log, fields);
    this.#refusals = new RefusalLog(log, { exporter: name });
    if (transport.isUnverified) this.#warning = warnOfUnverified(log, fields);
  }

  /** Spans, counted from the first that was pushed, that are sent or dropped, none in between waiting. */
  get acknowledged(): number {
    let least = Math.min(this.#pushed, this.#queue.first ?? this.#pushed);
    for (const { first = least } of this.#inFlight) least = Math.min(least, first);
    return least;
  }

  /** A collector that takes what it is sent will make room; one that fails will not, and the oldest have to go. */
  get hasRoom(): boolean {
    return this.#isClosed || this.#breaker.isFailing || !this.#queue.isCrowded;
  }

  /** Waits, at most {@link ROOM_PATIENCE_MS}, until {@link hasRoom}. */
  async room(): Promise<void> {
    if (!this.hasRoom) await this.#ledger.room(() => !this.hasRoom, ROOM_PATIENCE_MS);
  }

  /** Drops the oldest, counted, until so many spans more fit. */
  makeRoom(spans: number): void {
    this.#ledger.drop("queue_full", this.#queue.makeRoom(spans, 0));
  }

  /** Takes a request; the oldest make room for it. Never throws and never waits. */
  push(request: EncodedRequest): void {
    this.#ledger.accept(request.spans);
    const chunk: Chunk = { ...request, first: this.#pushed };
    this.#pushed += request.spans;
    if (this.#isClosed) this.#ledger.drop("shutdown", request.spans);
    else {
      this.#ledger.drop("queue_full", this.#queue.push(chunk));
      this.#pump();
    }
  }

  /**
   * Sends everything that waits, at once.
   * @returns whether all of it was sent; false once `signal` aborts, or where spans were dropped meanwhile
   */
  async flush(signal: AbortSignal): Promise<boolean> {
    this.#breaker.hasten();
    this.#pump(Number.POSITIVE_INFINITY);
    return await this.#ledger.settle(signal);
  }

  stats(): ExporterStats {
    const { spans, bytes, capacity, byteCapacity } = this.#queue;
    return {
      ...this.#ledger.stats({ spans: spans + this.#spansInFlight, capacity }),
      peer: {
        queueBytes: bytes + this.#bytesInFlight,
        queueByteCapacity: byteCapacity,
        retries: this.#retries,
        breaker: this.#breaker.state(performance.now()),
        isUnverified: this.#transport.isUnverified,
      },
    };
  }

  /** Gives up what is under way and what waits; both are counted. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#closing.abort();
    clearTimeout(this.#timer);
    this.#warning?.[Symbol.dispose]();
    const spans = this.#queue.clear() + this.#spansInFlight;
    this.#spansInFlight = 0;
    this.#bytesInFlight = 0;
    this.#ledger.drop("shutdown", spans);
    this.#transport[Symbol.dispose]();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #pump(now: number = performance.now()): void {
    while (this.#isFree && now >= this.#breaker.resumeAt) {
      const chunk = this.#queue.take(now);
      if (chunk === undefined) break;
      void this.#send(chunk);
    }
    this.#wakeWhenDue();
  }

  get #isFree(): boolean {
    return this.#inFlight.size < this.#breaker.limit(this.#limits.max_concurrent_exports);
  }

  /** What waits and is not due yet is looked at when it is; the next answer does so too. */
  #wakeWhenDue(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#queue.spans === 0 || !this.#isFree) return;
    const pause = Math.max(this.#breaker.resumeAt, this.#queue.nextDue) - performance.now();
    // Timers count in whole milliseconds and may be early by a part of one.
    this.#timer = setTimeout(() => this.#pump(), Math.max(0, Math.ceil(pause)) + 1);
  }

  async #send(chunk: Chunk): Promise<void> {
    const { spans, bytes } = chunk;
    this.#spansInFlight += spans;
    this.#bytesInFlight += bytes.length;
    this.#inFlight.add(chunk);
    if (chunk.attempts !== undefined) this.#retries++;
    const beganMs = Date.now();
    const outcome = await this.#transport.send(bytes, this.#closing.signal);
    this.#inFlight.delete(chunk);
    this.#observe?.({
      exporter: this.name,
      beganMs,
      endedMs: Date.now(),
      spans,
      bytes: bytes.length,
      outcome,
    });
    this.#ledger.request(outcome.status === "sent" ? "success" : "failure");
    // What was in flight when the sender closed is counted already.
    if (this.#isClosed) return;
    this.#spansInFlight -= spans;
    this.#bytesInFlight -= bytes.length;
    this.#settle(chunk, outcome);
    this.#pump();
  }

  #settle(chunk: Chunk, outcome: SendOutcome): void {
    switch (outcome.status) {
      case "sent":
        this.#succeed();
        this.#settleSent(chunk.spans, outcome);
        return;
      case "rejected":
        // It answers: what it refuses says nothing of the next request.
        this.#succeed();
        this.#refusals.warn("collector refused a request", chunk.spans, outcome.cause.message);
        this.#ledger.drop("rejected", chunk.spans);
        return;
      case "too_large":
        this.#succeed();
        this.#settleTooLarge(chunk, outcome.cause);
        return;
      case "retry":
        this.#retryLater(chunk, outcome);
        return;
      default:
        outcome satisfies never;
    }
  }

  #succeed(): void {
    this.#breaker.succeed();
    this.#outages.end();
  }

  #settleSent(spans: number, outcome: Extract<SendOutcome, { status: "sent" }>): void {
    const rejected = Math.min(outcome.rejected, spans);
    if (rejected > 0) this.#refusals.warn("collector refused spans", rejected, outcome.message ?? "");
    else if (outcome.message !== undefined) this.#refusals.warn("collector warns", 0, outcome.message);
    this.#ledger.drop("rejected", rejected);
    this.#ledger.send(spans - rejected);
  }

  #settleTooLarge(chunk: Chunk, cause: Error): void {
    const halves = this.#split(chunk);
    if (halves === undefined) {
      this.#refusals.warn("collector refused a request as too large", chunk.spans, cause.message);
      this.#ledger.drop("too_large", chunk.spans);
      return;
    }
    const { first = 0 } = chunk;
    const [left, right] = halves;
    this.#putBack({ ...chunk, ...right, first: first + left.spans });
    this.#putBack({ ...chunk, ...left });
  }

  #retryLater(chunk: Chunk, outcome: Extract<SendOutcome, { status: "retry" }>): void {
    const now = performance.now();
    this.#outages.fail(outcome.cause);
    this.#breaker.fail(now, outcome.retryAfterMs);
    const { failedAt = now, attempts = 0 } = chunk;
    if (now - failedAt >= this.#limits.retry.elapsed) this.#ledger.drop(outcome.reason, chunk.spans);
    else {
      const dueAt = now + this.#breaker.pauseMs(attempts + 1);
      this.#putBack({ ...chunk, failedAt, attempts: attempts + 1, dueAt });
    }
  }

  /** What was taken is older than what waits: without room it goes. */
  #putBack(chunk: Chunk): void {
    this.#ledger.drop("queue_full", this.#queue.unshift(chunk));
  }
}
