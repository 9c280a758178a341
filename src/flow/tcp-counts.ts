// What the flow table keeps of TCP flows that were sent anything again, late, or an answer: counts read and counts told.
// Comes in: readings. Goes out: what a record adds, for tcp-row.ts.

import { EXPORTED } from "../capture/exported.ts";
import { number64 } from "../capture/record.ts";
import type { Reading } from "./reading.ts";
import { SlotRows } from "./slot-rows.ts";

/**
 * Offsets in a row of doubles. `seen`: retransmits by way, then out of order by way, since the life began; `told`:
 * likewise, by the last record; responses and their sum as the last record knew them.
 */
const NUMBER = { seen: 0, told: 4, responseCount: 8, responseSumNs: 9 } as const;
const NUMBERS = 10;
const WORD = 4294967296;
const FIRST_ROWS = 16;
/** Growth by a quarter: at most that much lies idle. */
const GROWTH = 1.25;

/** A 16-bit count that went back by less than this was read while a new life began; it did not go on by so many. */
const MOST_BACK = 0x1000;

/** Rows of the slots that have any such counts; the arrays are replaced when they grow. */
export class TcpCounts {
  readonly #rows = new SlotRows();
  #numbers: Float64Array = new Float64Array(0);

  /** Bytes held. */
  get bytes(): number {
    return this.#numbers.byteLength + this.#rows.bytes;
  }

  /** Takes in a reading of a slot's flow, one of the kernel's. */
  note(slot: number, reading: Reading): void {
    const { retransmits, outOfOrder } = reading;
    // First, for the many that have nothing to tell (bench/table.ts).
    if ((retransmits | outOfOrder | reading.responseCount) === 0) return;
    const row = this.#rows.rowOf(slot) || this.#open(slot);
    this.#raise(row, 0, retransmits & 0xffff);
    this.#raise(row, 1, retransmits >>> 16);
    this.#raise(row, 2, outOfOrder & 0xffff);
    this.#raise(row, 3, outOfOrder >>> 16);
  }

  /** Packets of `way` that were retransmits since the last record. */
  retransmits(slot: number, way: number): number {
    return this.#delta(slot, way);
  }

  /** Packets of `way` that were out of order since the last record. */
  outOfOrder(slot: number, way: number): number {
    return this.#delta(slot, 2 + way);
  }

  /** Responses in `reading` that no record has told. */
  responses({ responseCount }: Reading, slot: number): number {
    return Math.max(0, responseCount - this.#told(slot, NUMBER.responseCount));
  }

  /** The sum of their latencies, ns. */
  responseSumNs({ responseSumNs }: Reading, slot: number): number {
    return Math.max(0, responseSumNs - this.#told(slot, NUMBER.responseSumNs));
  }

  /** What was seen is told now. */
  remember(slot: number, reading: Reading): void {
    const row = this.#rows.rowOf(slot);
    if (row === 0) return;
    const at = row * NUMBERS;
    this.#numbers.copyWithin(at + NUMBER.told, at + NUMBER.seen, at + NUMBER.told);
    if (!reading.hasTcp || reading.responseCount === 0) return;
    this.#numbers[at + NUMBER.responseCount] = reading.responseCount;
    this.#numbers[at + NUMBER.responseSumNs] = reading.responseSumNs;
  }

  /** Writes what was told of a slot's flow to the entry of FLOW_EXPORTED at `at`. */
  save(slot: number, out: Uint32Array, at: number): void {
    const row = this.#rows.rowOf(slot);
    if (row === 0) return;
    const told = (count: number): number =>
      (this.#numbers[row * NUMBERS + NUMBER.told + count] as number) & 0xffff;
    out[at + EXPORTED.retransmits] = told(0) | (told(1) << 16);
    out[at + EXPORTED.outOfOrder] = told(2) | (told(3) << 16);
    out[at + EXPORTED.responseCount] = this.#told(slot, NUMBER.responseCount);
    const sumNs = this.#told(slot, NUMBER.responseSumNs);
    out[at + EXPORTED.responseSumNs] = sumNs;
    out[at + EXPORTED.responseSumNs + 1] = sumNs / WORD;
  }

  /** Takes over what {@link save} wrote; of more than 65,535 packets only the lower bits matter. */
  restore(slot: number, values: Uint32Array, at: number): void {
    const counts = [values[at + EXPORTED.retransmits] as number, values[at + EXPORTED.outOfOrder] as number];
    const responses = values[at + EXPORTED.responseCount] as number;
    if (responses === 0 && counts.every((count) => count === 0)) return;
    const row = this.#open(slot) * NUMBERS;
    for (let i = 0; i < 4; i++) {
      const told = ((counts[i >>> 1] as number) >>> ((i & 1) * 16)) & 0xffff;
      this.#numbers[row + NUMBER.seen + i] = told;
      this.#numbers[row + NUMBER.told + i] = told;
    }
    this.#numbers[row + NUMBER.responseCount] = responses;
    this.#numbers[row + NUMBER.responseSumNs] = number64(values, at + EXPORTED.responseSumNs);
  }

  /** Forgets a slot: its flow has gone, or a new life begins, whose counts begin at zero. */
  close(slot: number): void {
    this.#rows.close(slot);
  }

  #delta(slot: number, count: number): number {
    const row = this.#rows.rowOf(slot);
    if (row === 0) return 0;
    const at = row * NUMBERS + count;
    return (this.#numbers[at + NUMBER.seen] as number) - (this.#numbers[at + NUMBER.told] as number);
  }

  #told(slot: number, number: number): number {
    const row = this.#rows.rowOf(slot);
    return row === 0 ? 0 : (this.#numbers[row * NUMBERS + number] as number);
  }

  #raise(row: number, count: number, low16: number): void {
    const at = row * NUMBERS + NUMBER.seen + count;
    const seen = this.#numbers[at] as number;
    const more = (low16 - seen) & 0xffff;
    if (more < 0x10000 - MOST_BACK) this.#numbers[at] = seen + more;
  }

  #open(slot: number): number {
    const row = this.#rows.open(slot);
    const end = (row + 1) * NUMBERS;
    if (end > this.#numbers.length) {
      const rows = Math.max(FIRST_ROWS, Math.ceil((row + 1) * GROWTH));
      const numbers = new Float64Array(rows * NUMBERS);
      numbers.set(this.#numbers);
      this.#numbers = numbers;
    }
    this.#numbers.fill(0, end - NUMBERS, end);
    return row;
  }
}
