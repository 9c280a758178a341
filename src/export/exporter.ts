// What every exporter is to the rest of the agent. Comes in: decorated batches. Goes out: bytes to a peer, and counters.
// An exporter never throws into its caller and never waits for its peer inside `accept`.

import type { DecoratedBatch } from "../decorate.ts";
import type { BreakerState } from "./breaker.ts";

/**
 * An exporter's counters: spans, cumulative since it was made unless said otherwise.
 * At any moment: accepted = sent + the sum of dropped + queueSpans.
 */
export interface ExporterStats {
  readonly accepted: number;
  /** Spans the peer acknowledged (stdout: the kernel took their bytes). */
  readonly sent: number;
  /** Spans discarded, by reason. A reason that never happened may be missing. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  /** Spans accepted and not yet sent or dropped, those in flight included; a gauge. */
  readonly queueSpans: number;
  /** Most spans the queue holds before it drops the oldest. */
  readonly queueCapacity: number;
  /** Requests (stdout: writes) by outcome. */
  readonly requests: Readonly<Record<RequestOutcome, number>>;
  /** Of an exporter that sends to a collector. */
  readonly peer?: PeerStats;
}

/** Counters of the way to a collector. */
export interface PeerStats {
  /** Of the requests that wait or are under way, before compression; a gauge. */
  readonly queueBytes: number;
  /** Most bytes that wait before the oldest are dropped. */
  readonly queueByteCapacity: number;
  /** Attempts for requests that had failed before. */
  readonly retries: number;
  readonly breaker: BreakerState;
}

export const DROP_REASONS = [
  "queue_full",
  "rejected",
  "too_large",
  "unreachable",
  "timeout",
  "unavailable",
  "output_failed",
  "shutdown",
] as const;

/**
 * Why spans were discarded: the queue was full; the peer answered and refused them, or one alone as too large; it could
 * not be reached, did not answer in time or took nothing for as long as it was tried; the output cannot be written; the
 * exporter was closed before they were sent.
 */
export type DropReason = (typeof DROP_REASONS)[number];

export type RequestOutcome = "success" | "failure";

/** Longest wait for room: above the time a healthy peer needs for a batch, below what would hold up the statistics. */
export const ROOM_PATIENCE_MS = 100;

/** One destination of records. Made ready; `Symbol.asyncDispose` ends it without a further flush. */
export interface RecordExporter extends AsyncDisposable {
  /** As metrics and logs say it: `otlp`, `stdout`. */
  readonly name: string;
  /**
   * Resolves with the cause when the exporter can never send again (standard output cannot be written) and the agent
   * should stop; never rejects, and never settles while there is hope.
   */
  readonly failure: Promise<Error>;
  /** Spans, counted from the first that was accepted, that are sent or dropped, none in between waiting. */
  readonly acknowledged: number;
  /** Encodes and queues a batch. The batch is not kept: its buffers may be reused after the call. Never throws. */
  accept(batch: DecoratedBatch): void;
  /** Whether the queue is not crowded, or no wait would change that. */
  readonly hasRoom: boolean;
  /**
   * Waits, at most {@link ROOM_PATIENCE_MS} and only while the peer takes what is sent, until the queue is no
   * longer crowded: a burst then waits before `accept` instead of pushing the oldest out of the queue. Never rejects.
   */
  room(): Promise<void>;
  /**
   * Sends everything accepted so far.
   * @returns whether all of it was sent; false once `signal` aborts, or where spans were dropped meanwhile
   */
  flush(signal: AbortSignal): Promise<boolean>;
  stats(): ExporterStats;
}
