// What every exporter is to the rest of the agent. Comes in: decorated batches. Goes out: bytes to a peer, and counters.
// An exporter never throws into its caller and never waits for its peer inside `accept`.

import type { DecoratedBatch } from "../decorate.ts";
import type { ExporterStats } from "./exporter-stats.ts";

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
