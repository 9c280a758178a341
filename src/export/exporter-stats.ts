// What an exporter counts, as plain data: telemetry reads it.

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
  readonly requests: Readonly<Record<"success" | "failure", number>>;
  /** Set where data points of sums are counted in place of spans: one that is dropped is told again by the next. */
  readonly items?: "data_points";
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
  /** Whether any certificate of the collector is taken. */
  readonly isUnverified: boolean;
}

export const BREAKER_STATES = ["closed", "open", "half_open"] as const;

/** closed: requests go out. open: none does until the pause is over. half_open: one may, and decides. */
export type BreakerState = (typeof BREAKER_STATES)[number];

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
