// A bounded queue of encoded chunks, counted in spans and in bytes. It never refuses the new: the oldest go, and are counted.

/** Bytes ready to be sent, and how many spans they hold. */
export interface Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly spans: number;
  /** Spans accepted before it, where the exporter counts them. */
  readonly first?: number;
  /** When sending it first failed, `performance.now()`; absent while it has not. */
  readonly failedAt?: number;
  /** How often sending it failed; absent while it has not. */
  readonly attempts?: number;
  /** Not to be taken before this, `performance.now()`; absent where it may be at once. */
  readonly dueAt?: number;
}

/** Of the capacity: what waits beyond it had better wait as rows, which are a quarter of the size and used again. */
const CROWDED_SHARE = 1 / 8;

/** First in, first out of what is due; a single chunk may be larger than the capacities, and is then kept alone. */
export class ChunkQueue {
  /** Spans. */
  readonly capacity: number;
  readonly byteCapacity: number;
  #chunks: (Chunk | undefined)[] = [];
  #head = 0;
  #spans = 0;
  #bytes = 0;

  /** @param capacity spans */
  constructor(capacity: number, byteCapacity: number = Number.POSITIVE_INFINITY) {
    this.capacity = capacity;
    this.byteCapacity = byteCapacity;
  }

  /** Spans held. */
  get spans(): number {
    return this.#spans;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When the next chunk may be taken, `performance.now()`; infinite where nothing waits. */
  get nextDue(): number {
    let next = Number.POSITIVE_INFINITY;
    for (let i = this.#head; i < this.#chunks.length && next > 0; i++) {
      next = Math.min(next, this.#chunks[i]?.dueAt ?? 0);
    }
    return next;
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
    return this.#spans > this.capacity * CROWDED_SHARE || this.#bytes > this.byteCapacity * CROWDED_SHARE;
  }

  /** Appends `chunk`. @returns the spans dropped to make room for it */
  push(chunk: Chunk): number {
    const dropped = this.makeRoom(chunk.spans, chunk.bytes.length);
    this.#chunks.push(chunk);
    this.#count(chunk, 1);
    return dropped;
  }

  /** Puts back a chunk that was taken: the oldest. @returns its spans if there is no room for it */
  unshift(chunk: Chunk): number {
    if (this.#spans > 0 && !this.#hasRoomFor(chunk.spans, chunk.bytes.length)) return chunk.spans;
    if (this.#head > 0) this.#chunks[--this.#head] = chunk;
    else this.#chunks.unshift(chunk);
    this.#count(chunk, 1);
    return 0;
  }

  /** Drops oldest chunks until so much more fits, or nothing is left. @returns the spans dropped */
  makeRoom(spans: number, bytes: number): number {
    let dropped = 0;
    while (!this.#hasRoomFor(spans, bytes)) {
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
    this.#count(chunk, -1);
    // Half of the array is spent: moving the rest is then paid for by the shifts before it.
    if (this.#head * 2 >= this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
    return chunk;
  }

  /** Takes the oldest chunk that is due at `now`. Those that are not are few: their sending failed. */
  take(now: number): Chunk | undefined {
    for (let i = this.#head; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i];
      if (chunk === undefined || (chunk.dueAt ?? 0) > now) continue;
      if (i === this.#head) return this.shift();
      this.#chunks.splice(i, 1);
      this.#count(chunk, -1);
      return chunk;
    }
    return undefined;
  }

  /** Drops everything. @returns the spans dropped */
  clear(): number {
    const dropped = this.#spans;
    this.#chunks = [];
    this.#head = 0;
    this.#spans = 0;
    this.#bytes = 0;
    return dropped;
  }

  #hasRoomFor(spans: number, bytes: number): boolean {
    return this.#spans + spans <= this.capacity && this.#bytes + bytes <= this.byteCapacity;
  }

  #count(chunk: Chunk, sign: 1 | -1): void {
    this.#spans += sign * chunk.spans;
    this.#bytes += sign * chunk.bytes.length;
  }
}
