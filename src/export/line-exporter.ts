// Writes records as lines. Comes in: batches. Goes out: bytes to an output, in order. One write at a time, the rest queued;
// a line is written, or counted as dropped and said.

import type { DecoratedBatch } from "../decorate.ts";
import type { Logger } from "../lib/log.ts";
import { type RecordExporter, ROOM_PATIENCE_MS } from "./exporter.ts";
import type { DropReason, ExporterStats } from "./exporter-stats.ts";
import { Ledger } from "./ledger.ts";
import type { FormatLines } from "./lines.ts";
import { OutageLog } from "./outage-log.ts";
import { type Chunk, ChunkQueue } from "./queue.ts";

/** Where lines go. */
export interface LineOutput {
  /** Writes all of `lines`. Never rejects. @returns what made it impossible: then nothing of them is there for a reader */
  readonly write: (lines: Uint8Array<ArrayBuffer>) => Promise<Error | undefined>;
  readonly close: () => Promise<void>;
  /** In words, of "cannot write to …". */
  readonly label: string;
  /** Whether nothing can be written any more once a write has failed: see `RecordExporter.failure`. */
  readonly isLostByFailure: boolean;
}

export interface LineExporterOptions {
  /** As metrics and logs say it. */
  readonly name: string;
  readonly format: FormatLines;
  readonly output: LineOutput;
  /** Most records in one write; default: a batch. */
  readonly writeRecords?: number;
  readonly log: Logger;
  /** Most records that wait for a slow output; default {@link QUEUE_RECORDS}. A single batch may be larger. */
  readonly capacity?: number;
}

/** A minute of 500 records a second, about 30 MB. */
const QUEUE_RECORDS = 32_768;

/** An exporter of lines; the output is closed with it. */
export class LineExporter implements RecordExporter {
  readonly name: string;
  readonly failure: Promise<Error>;
  readonly #fail: (cause: Error) => void;
  readonly #format: FormatLines;
  readonly #output: LineOutput;
  readonly #writeRecords: number;
  readonly #log: Logger;
  readonly #outages: OutageLog;
  readonly #queue: ChunkQueue;
  readonly #ledger = new Ledger();
  #spansInFlight = 0;
  #accepted = 0;
  #acknowledged = 0;
  #draining: Promise<void> | undefined;
  /** Why nothing is written any more. */
  #ended: DropReason | undefined;

  constructor(options: LineExporterOptions) {
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.failure = promise;
    this.#fail = resolve;
    this.name = options.name;
    this.#format = options.format;
    this.#output = options.output;
    this.#writeRecords = options.writeRecords ?? Number.POSITIVE_INFINITY;
    this.#log = options.log;
    this.#outages = new OutageLog(options.log, { exporter: options.name });
    this.#queue = new ChunkQueue(options.capacity ?? QUEUE_RECORDS);
  }

  accept(batch: DecoratedBatch): void {
    if (batch.count === 0) return;
    this.#ledger.accept(batch.count);
    if (this.#ended !== undefined) {
      this.#ledger.drop(this.#ended, batch.count);
      return;
    }
    for (let from = 0; from < batch.count; ) {
      const to = Math.min(batch.count, from + this.#writeRecords);
      const chunk = { bytes: this.#format(batch, from, to), spans: to - from, first: this.#accepted };
      this.#accepted += chunk.spans;
      this.#ledger.drop("queue_full", this.#queue.push(chunk));
      from = to;
    }
    this.#draining ??= this.#drain();
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get hasRoom(): boolean {
    return this.#ended !== undefined || !this.#queue.isCrowded;
  }

  async room(): Promise<void> {
    if (!this.hasRoom) await this.#ledger.room(() => !this.hasRoom, ROOM_PATIENCE_MS);
  }

  async flush(signal: AbortSignal): Promise<boolean> {
    return (await this.#ledger.settle(signal)) && this.#ended === undefined;
  }

  stats(): ExporterStats {
    return this.#ledger.stats({
      spans: this.#queue.spans + this.#spansInFlight,
      capacity: this.#queue.capacity,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ledger.drop("shutdown", this.#queue.clear());
    // A file takes what is under way; a pipe without a reader never does.
    if (!this.#output.isLostByFailure) await this.#draining;
    this.#end("shutdown");
    await this.#output.close();
  }

  async #drain(): Promise<void> {
    for (let chunk = this.#queue.shift(); chunk !== undefined; chunk = this.#queue.shift())
      await this.#write(chunk);
    this.#draining = undefined;
  }

  async #write(chunk: Chunk): Promise<void> {
    this.#spansInFlight = chunk.spans;
    const error = await this.#output.write(chunk.bytes);
    this.#ledger.request(error === undefined ? "success" : "failure");
    // What was in flight when the exporter ended is counted already.
    if (this.#ended !== undefined) return;
    if (error !== undefined && this.#output.isLostByFailure) {
      this.#log.error(`cannot write to ${this.#output.label}`, { error: error.message });
      this.#end("output_failed");
      this.#fail(new Error(`Cannot write to ${this.#output.label}`, { cause: error }));
      return;
    }
    this.#spansInFlight = 0;
    this.#acknowledged = (chunk.first ?? 0) + chunk.spans;
    if (error === undefined) {
      this.#outages.end();
      this.#ledger.send(chunk.spans);
    } else {
      this.#outages.fail(error);
      this.#ledger.drop("output_failed", chunk.spans);
    }
  }

  #end(reason: DropReason): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    const spans = this.#queue.clear() + this.#spansInFlight;
    this.#spansInFlight = 0;
    this.#ledger.drop(reason, spans);
  }
}
