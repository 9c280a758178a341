// Writes records to standard output as lines. Comes in: batches. Goes out: bytes on a file descriptor, in order.
// Written with back-pressure: one write at a time, the rest queued; a line is written, or counted as dropped and said.

import { write } from "node:fs";
import type { DecoratedBatch } from "../decorate.ts";
import type { Logger } from "../lib/log.ts";
import { type RecordExporter, ROOM_PATIENCE_MS } from "./exporter.ts";
import type { DropReason, ExporterStats } from "./exporter-stats.ts";
import { Ledger } from "./ledger.ts";
import type { FormatLines } from "./lines.ts";
import { type Chunk, ChunkQueue } from "./queue.ts";

export interface StdoutExporterOptions {
  readonly format: FormatLines;
  readonly log: Logger;
  /** Default 1. */
  readonly fileDescriptor?: number;
  /** Most records that wait for a slow reader; default {@link QUEUE_RECORDS}. A single batch may be larger. */
  readonly capacity?: number;
}

/** A minute of 500 records a second, about 30 MB. */
const QUEUE_RECORDS = 32_768;

/** Pause before a full non-blocking pipe is tried again. */
const FULL_PIPE_PAUSE_MS = 10;

/** The exporter of `[export.stdout]`. Any error but a full pipe ends it: see `failure`. */
export function createStdoutExporter(options: StdoutExporterOptions): RecordExporter {
  return new StdoutExporter(options);
}

class StdoutExporter implements RecordExporter {
  readonly name = "stdout";
  readonly failure: Promise<Error>;
  readonly #fail: (cause: Error) => void;
  readonly #format: FormatLines;
  readonly #log: Logger;
  readonly #fileDescriptor: number;
  readonly #queue: ChunkQueue;
  readonly #ledger = new Ledger();
  #spansInFlight = 0;
  #accepted = 0;
  #acknowledged = 0;
  #isWriting = false;
  /** Why nothing is written any more. */
  #ended: DropReason | undefined;

  constructor(options: StdoutExporterOptions) {
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.failure = promise;
    this.#fail = resolve;
    this.#format = options.format;
    this.#log = options.log;
    this.#fileDescriptor = options.fileDescriptor ?? 1;
    this.#queue = new ChunkQueue(options.capacity ?? QUEUE_RECORDS);
  }

  accept(batch: DecoratedBatch): void {
    if (batch.count === 0) return;
    this.#ledger.accept(batch.count);
    if (this.#ended !== undefined) {
      this.#ledger.drop(this.#ended, batch.count);
      return;
    }
    const chunk = { bytes: this.#format(batch, 0, batch.count), spans: batch.count, first: this.#accepted };
    this.#accepted += batch.count;
    this.#ledger.drop("queue_full", this.#queue.push(chunk));
    if (!this.#isWriting) void this.#drain();
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
    this.#end("shutdown");
  }

  async #drain(): Promise<void> {
    this.#isWriting = true;
    for (let chunk = this.#queue.shift(); chunk !== undefined; chunk = this.#queue.shift())
      await this.#write(chunk);
    this.#isWriting = false;
  }

  async #write(chunk: Chunk): Promise<void> {
    this.#spansInFlight = chunk.spans;
    const error = await writeAll(this.#fileDescriptor, chunk.bytes);
    this.#ledger.request(error === undefined ? "success" : "failure");
    // What was in flight when the exporter ended is counted already.
    if (this.#ended !== undefined) return;
    if (error === undefined) {
      this.#spansInFlight = 0;
      this.#acknowledged = (chunk.first ?? 0) + chunk.spans;
      this.#ledger.send(chunk.spans);
      return;
    }
    this.#log.error("cannot write to standard output", { error: error.message });
    this.#end("output_failed");
    this.#fail(new Error("Cannot write to standard output", { cause: error }));
  }

  #end(reason: DropReason): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    const spans = this.#queue.clear() + this.#spansInFlight;
    this.#spansInFlight = 0;
    this.#ledger.drop(reason, spans);
  }
}

/** Writes every byte, however often it takes. @returns what made it impossible */
async function writeAll(fileDescriptor: number, bytes: Uint8Array): Promise<Error | undefined> {
  for (let offset = 0; offset < bytes.length; ) {
    const outcome = await writeSome(fileDescriptor, bytes.subarray(offset));
    if (typeof outcome === "number") offset += outcome;
    else if (outcome.code === "EAGAIN") await Bun.sleep(FULL_PIPE_PAUSE_MS);
    else if (outcome.code !== "EINTR") return outcome;
  }
  return undefined;
}

async function writeSome(fileDescriptor: number, bytes: Uint8Array): Promise<number | NodeJS.ErrnoException> {
  const { promise, resolve } = Promise.withResolvers<number | NodeJS.ErrnoException>();
  write(fileDescriptor, bytes, (error, written) => resolve(error ?? written));
  return await promise;
}
