// Sends what flows add up to as OTLP metrics, once an interval. Comes in: decorated batches. Goes out: requests of data
// points. Sums are cumulative: a request that is lost is made good by the next one.

import type { DecoratedBatch } from "../decorate.ts";
import type { RecordExporter } from "./exporter.ts";
import type { ExporterStats } from "./exporter-stats.ts";
import type { FlowMetricsConfig } from "./flow-metrics-config.ts";
import { FlowSeries, type Series, type SeriesAttribute } from "./flow-series.ts";
import { type EncodeSeries, POINTS_PER_SERIES } from "./otlp-metrics.ts";
import type { RequestSender } from "./request-sender.ts";

export interface FlowMetricsOptions {
  readonly config: Omit<FlowMetricsConfig, "attributes">;
  readonly attributes: readonly SeriesAttribute[];
  /** Most data points in one request. */
  readonly maxPoints: number;
  /** Most bytes of all requests of an interval: what the sender's queue holds. */
  readonly maxBytes: number;
  readonly encode: EncodeSeries;
  /** Disposed with the exporter. */
  readonly sender: RequestSender;
}

/** By which the lengths that a request states of its parts are longer than in an empty one, at most. */
const LENGTHS_BYTES = 32;

/** Its counters are of data points. Nothing waits for it: what it accepts is summed up at once. */
export class FlowMetricsExporter implements RecordExporter {
  readonly name: string;
  readonly failure: Promise<Error> = new Promise(() => {});
  readonly hasRoom = true;
  readonly #series: FlowSeries;
  readonly #expireMs: number;
  readonly #seriesPerRequest: number;
  readonly #encode: EncodeSeries;
  readonly #sender: RequestSender;
  readonly #timer: Timer;
  #records = 0;
  #isChanged = false;

  constructor({ config, attributes, maxPoints, maxBytes, encode, sender }: FlowMetricsOptions) {
    this.name = sender.name;
    this.#expireMs = config.expire;
    this.#seriesPerRequest = Math.max(1, Math.floor(maxPoints / POINTS_PER_SERIES));
    this.#encode = encode;
    this.#series = new FlowSeries(attributes, {
      series: config.max_series,
      bytes: maxBytes,
      measure: (series) => this.#measure(series),
    });
    this.#sender = sender;
    this.#timer = setInterval(() => this.#tell(), config.interval);
  }

  accept(batch: DecoratedBatch): void {
    this.#records += batch.count;
    this.#isChanged ||= batch.count > 0;
    this.#series.add(batch, Date.now());
  }

  /** Records that are summed up: none waits. */
  get acknowledged(): number {
    return this.#records;
  }

  async room(): Promise<void> {}

  async flush(signal: AbortSignal): Promise<boolean> {
    if (this.#isChanged) this.#tell();
    return await this.#sender.flush(signal);
  }

  stats(): ExporterStats {
    return { ...this.#sender.stats(), items: "data_points" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#sender[Symbol.asyncDispose]();
  }

  /** A series' own bytes, behind another, and its share of what stands around all in a request. */
  #measure(series: Series): number {
    const lengthOf = (...some: readonly Series[]): number => this.#encode(some, 0).bytes.length;
    return (
      lengthOf(series, series) - lengthOf(series) + (lengthOf() + LENGTHS_BYTES) / this.#seriesPerRequest
    );
  }

  #tell(): void {
    const now = Date.now();
    let series: Series[] = [];
    for (const one of this.#series.list()) {
      series.push(one);
      if (series.length < this.#seriesPerRequest) continue;
      this.#sender.push(this.#encode(series, now));
      series = [];
    }
    if (series.length > 0) this.#sender.push(this.#encode(series, now));
    this.#isChanged = false;
    // Only now: the last sums of those that go are told.
    this.#series.expire(now - this.#expireMs);
  }
}
