// Which record batches every exporter is done with. Comes in: spans accepted and acknowledged. Goes out: a number of
// batches, told whenever it rises. On the export thread.

import type { RecordExporter } from "./export/exporter.ts";

const TELL_MS = 50;

/** The part of an exporter that is watched. */
export type Acknowledging = Pick<RecordExporter, "acknowledged">;

/** Watches the exporters: a batch is done with when the slowest of them has sent or dropped it. */
export class Acknowledgement implements Disposable {
  readonly #exporters: readonly Acknowledging[];
  readonly #tell: (batches: number) => void;
  readonly #timer: Timer;
  /** Spans up to the end of each batch that is not acknowledged. */
  readonly #ends: number[] = [];
  #spans = 0;
  #batches = 0;

  /**
   * @param exporters all of which get each batch
   * @param tell told how many batches, counted from the first, are done with
   */
  constructor(exporters: readonly Acknowledging[], tell: (batches: number) => void) {
    this.#exporters = exporters;
    this.#tell = tell;
    this.#timer = setInterval(() => this.look(), TELL_MS);
  }

  /** A batch was handed to the exporters. */
  accept(spans: number): void {
    this.#spans += spans;
    this.#ends.push(this.#spans);
  }

  /** Looks whether there is news, and tells it. */
  look(): void {
    let spans = this.#spans;
    for (const { acknowledged } of this.#exporters) spans = Math.min(spans, acknowledged);
    const before = this.#batches;
    while (this.#ends.length > 0 && (this.#ends[0] as number) <= spans) {
      this.#ends.shift();
      this.#batches++;
    }
    if (this.#batches > before) this.#tell(this.#batches);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
