// Which record batches the first exporter is done with. Comes in: spans accepted and acknowledged. Goes out: a number of
// batches, told whenever it rises. On the export thread.

const TELL_MS = 50;

/** Watches one exporter. */
export class Acknowledgement implements Disposable {
  readonly #acknowledgedSpans: () => number;
  readonly #tell: (batches: number) => void;
  readonly #timer: Timer;
  /** Spans up to the end of each batch that is not acknowledged. */
  readonly #ends: number[] = [];
  #spans = 0;
  #batches = 0;

  /**
   * @param acknowledgedSpans of the exporter, see RecordExporter.acknowledged
   * @param tell told how many batches, counted from the first, are done with
   */
  constructor(acknowledgedSpans: () => number, tell: (batches: number) => void) {
    this.#acknowledgedSpans = acknowledgedSpans;
    this.#tell = tell;
    this.#timer = setInterval(() => this.look(), TELL_MS);
  }

  /** A batch was handed to the exporter. */
  accept(spans: number): void {
    this.#spans += spans;
    this.#ends.push(this.#spans);
  }

  /** Looks whether there is news, and tells it. */
  look(): void {
    const spans = this.#acknowledgedSpans();
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
