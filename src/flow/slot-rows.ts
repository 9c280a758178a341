// Rows for the few slots that need one. Decides nothing; what a row is belongs to whoever asks.

const FIRST_SLOTS = 64;
/** Growth by a quarter: at most that much lies idle. */
const GROWTH = 1.25;

/** Numbers rows from 1; those that are freed are given again. */
export class SlotRows {
  #rowOfSlot: Uint32Array = new Uint32Array(0);
  readonly #free: number[] = [];
  #end = 1;

  /** Bytes held, about. */
  get bytes(): number {
    return this.#rowOfSlot.byteLength + this.#free.length * 8;
  }

  /** Row of a slot, 0 where it has none. */
  rowOf(slot: number): number {
    return slot < this.#rowOfSlot.length ? (this.#rowOfSlot[slot] as number) : 0;
  }

  /** Gives a slot without a row one. */
  open(slot: number): number {
    if (slot >= this.#rowOfSlot.length) {
      const rows = new Uint32Array(
        Math.max(slot + 1, FIRST_SLOTS, Math.ceil(this.#rowOfSlot.length * GROWTH)),
      );
      rows.set(this.#rowOfSlot);
      this.#rowOfSlot = rows;
    }
    const row = this.#free.pop() ?? this.#end++;
    this.#rowOfSlot[slot] = row;
    return row;
  }

  /** Frees the row of a slot, if it has one. */
  close(slot: number): void {
    const row = this.rowOf(slot);
    if (row === 0) return;
    this.#free.push(row);
    this.#rowOfSlot[slot] = 0;
  }
}
