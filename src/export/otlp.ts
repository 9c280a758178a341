// Exports records as OTLP. Comes in: decorated batches. Goes out: requests of so many spans, or of so long a time.

import type { DecoratedBatch } from "../decorate.ts";
import type { RecordExporter } from "./exporter.ts";
import type { ExporterStats } from "./exporter-stats.ts";
import type { OtlpConfig } from "./otlp-config.ts";
import type { RequestEncoder } from "./request-encoder.ts";
import type { RequestSender } from "./request-sender.ts";

export interface OtlpExporterOptions {
  readonly batching: Pick<OtlpConfig, "max_batch_size" | "max_batch_interval">;
  readonly encoder: RequestEncoder;
  /** Disposed with the exporter. */
  readonly sender: RequestSender;
}

/** An exporter of one signal to one collector, which is connected to when there is first something to send. */
export class OtlpExporter implements RecordExporter {
  readonly name: string;
  readonly failure: Promise<Error> = new Promise(() => {});
  readonly #batchSize: number;
  readonly #batchInterval: number;
  readonly #encoder: RequestEncoder;
  readonly #sender: RequestSender;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor({ batching, encoder, sender }: OtlpExporterOptions) {
    this.name = sender.name;
    this.#batchSize = batching.max_batch_size;
    this.#batchInterval = batching.max_batch_interval;
    this.#encoder = encoder;
    this.#sender = sender;
  }

  accept(batch: DecoratedBatch): void {
    for (let from = 0; from < batch.count; ) {
      const to = Math.min(batch.count, from + this.#batchSize - this.#encoder.spans);
      this.#sender.makeRoom(this.#encoder.spans + to - from);
      this.#encoder.append(batch, from, to);
      from = to;
      if (this.#encoder.spans >= this.#batchSize) this.#seal();
    }
    if (this.#isClosed) this.#seal();
    else if (this.#encoder.spans > 0) this.#timer ??= setTimeout(() => this.#seal(), this.#batchInterval);
  }

  get acknowledged(): number {
    return this.#sender.acknowledged;
  }

  get hasRoom(): boolean {
    return this.#sender.hasRoom;
  }

  async room(): Promise<void> {
    await this.#sender.room();
  }

  async flush(signal: AbortSignal): Promise<boolean> {
    this.#seal();
    return await this.#sender.flush(signal);
  }

  /** What is not a request yet is accepted and waits. */
  stats(): ExporterStats {
    const stats = this.#sender.stats();
    const { spans } = this.#encoder;
    return { ...stats, accepted: stats.accepted + spans, queueSpans: stats.queueSpans + spans };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#sender[Symbol.asyncDispose]();
    // What is pushed to a closed sender is counted as lost.
    this.#seal();
  }

  /** Makes the spans gathered so far a request. */
  #seal(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#encoder.spans > 0) this.#sender.push(this.#encoder.take());
  }
}
