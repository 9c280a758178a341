// Memory that parsing leaves behind. Comes in: how much was parsed. The collector by itself lets several times as much wait,
// and what is kept then lies scattered among what is not: pages that are never given back (bench/kubernetes.ts).

/** What is parsed between two collections. */
const UNCOLLECTED_BYTES = 2 * 1024 * 1024;

/** Collects after so much was parsed; one for all watches. */
export class Waste {
  #bytes = 0;

  /** Notes JSON that was parsed and thrown away, but for little of it. */
  note(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < UNCOLLECTED_BYTES) return;
    this.#bytes = 0;
    Bun.gc(true);
  }
}
