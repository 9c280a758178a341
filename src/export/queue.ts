// A bounded queue of encoded chunks, counted in spans. It never refuses the new: the oldest go, and are counted.

/** Bytes ready to be sent, and how many spans they hold. */
export interface Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly spans: number;
  /** Spans accepted before it, where the exporter counts them. */
  readonly first?: number;
  /** When sending it first failed, `performance.now()`; absent while it has not. */
  readonly failedAt?: number;
}

/** Of the capacity: what waits beyond it had better wait as rows, which are a quarter of the size and used again. */
const CROWDED_SHARE = 1 / 8;

/** First in, first out; holds at most `capacity` spans, except that one chunk larger than that is kept alone. */
export class ChunkQueue {
  readonly capacity: number;
  #chunks: (Chunk | undefined)[] = [];
  #head = 0;
  #spans = 0;

  /** @param capacity spans */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Spans held. */
  get spans(): number {
    return this.#spans;
  }

  /** The least {@link Chunk.first}; undefined where nothing waits. A chunk that was put back may be behind later ones. */
  get first(): number | undefined {
    let least: number | undefined;
    for (let i = this.#head; i < this.#chunks.length; i++) {
      const first = this.#chunks[i]?.first;
      if (first !== undefined && (least === undefined || first < least)) least = first;
    }
    return least;
  }

  /** Whether so much waits that a peer who takes it is better waited for. */
  get isCrowded(): boolean {
    return this.#spans > this.capacity * CROWDED_SHARE;
  }

  /** Appends `chunk`. @returns the spans dropped to make room for it */
  push(chunk: Chunk): number {
    const dropped = this.makeRoom(chunk.spans);
    this.#chunks.push(chunk);
    this.#spans += chunk.spans;
    return dropped;
  }

  /** Puts back a chunk that {@link ChunkQueue.shift} took: the oldest. @returns its spans if there is no room for it */
  unshift(chunk: Chunk): number {
    if (this.#spans > 0 && this.#spans + chunk.spans > this.capacity) return chunk.spans;
    if (this.#head > 0) this.#chunks[--this.#head] = chunk;
    else this.#chunks.unshift(chunk);
    this.#spans += chunk.spans;
    return 0;
  }

  /** Drops oldest chunks until `spans` more fit, or nothing is left. @returns the spans dropped */
  makeRoom(spans: number): number {
    let dropped = 0;
    while (this.#spans + spans > this.capacity) {
      const oldest = this.shift();
      if (oldest === undefined) break;
      dropped += oldest.spans;
    }
    return dropped;
  }

  /** Takes the oldest chunk. */
  shift(): Chunk | undefined {
    const chunk = this.#chunks[this.#head];
    if (chunk === undefined) return undefined;
    this.#chunks[this.#head++] = undefined;
    this.#spans -= chunk.spans;
    // Half of the array is spent: moving the rest is then paid for by the shifts before it.
    if (this.#head * 2 >= this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
    return chunk;
  }

  /** Drops everything. @returns the spans dropped */
  clear(): number {
    const dropped = this.#spans;
    this.#chunks = [];
    this.#head = 0;
    this.#spans = 0;
    return dropped;
  }
}
