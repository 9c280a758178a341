// When lives and records begin, written to their slots.

import { copy64, type WallClock } from "./clock.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WORDS, STATE, TOLD } from "./slot-layout.ts";
import type { FlowSlots } from "./slots.ts";

/** Beginnings of the flows of one table. Times are CLOCK_MONOTONIC in ns. */
export class Starts {
  readonly #slots: FlowSlots;
  readonly #clock: WallClock;
  readonly #start = new Uint32Array(2);
  /** By slot: what an agent before has begun to tell, and may have told, of a life not acknowledged. */
  readonly #resumed: Map<number, { readonly incarnation: number; readonly start: Uint32Array }> = new Map();

  constructor(slots: FlowSlots, clock: WallClock) {
    this.#slots = slots;
    this.#clock = clock;
  }

  /** A life begins, and its first record. */
  begin(slot: number, startNs: number): void {
    const { words, numbers } = this.#slots;
    const row = slot * SLOT_WORDS;
    this.#clock.convert(startNs, words, row + SLOT.flowStart);
    this.#clock.convert(startNs, words, row + SLOT.recordStart);
    words[row + SLOT.state] = (words[row + SLOT.state] as number) | STATE.hasStart;
    numbers[slot * SLOT_NUMBERS + TOLD.timeNs] = startNs;
  }

  /** A later life begins: where it was told before, at the moment that was told, as ids are derived from it. */
  beginLater(slot: number, incarnation: number, startNs: number): void {
    this.begin(slot, startNs);
    const resumed = this.#resumed.get(slot);
    if (resumed?.incarnation !== incarnation) return;
    const { words } = this.#slots;
    copy64(words, slot * SLOT_WORDS + SLOT.flowStart, resumed.start, 0);
    copy64(words, slot * SLOT_WORDS + SLOT.recordStart, resumed.start, 0);
    this.#resumed.delete(slot);
  }

  /** Takes note of a life that an agent before has begun to tell: UnixNanos at `at`. */
  resume(slot: number, incarnation: number, words: Uint32Array, at: number): void {
    this.#resumed.set(slot, { incarnation, start: words.slice(at, at + 2) });
  }

  /** A slot is free again. */
  forget(slot: number): void {
    if (this.#resumed.size > 0) this.#resumed.delete(slot);
  }

  /** Packets of two processors, or of a capture, may be told out of their order: the earliest begins the flow. */
  lower(slot: number, startNs: number): void {
    const { words, numbers } = this.#slots;
    const row = slot * SLOT_WORDS;
    const isFirstRecord = words[row + SLOT.recordNumber] === 0 && words[row + SLOT.incarnation] === 0;
    if (isFirstRecord && startNs < (numbers[slot * SLOT_NUMBERS + TOLD.timeNs] as number))
      this.begin(slot, startNs);
  }

  /** The open record begins at its first packet, but never before the previous one's end. */
  beginRecord(slot: number, firstNs: number): void {
    const { words } = this.#slots;
    const row = slot * SLOT_WORDS;
    const state = words[row + SLOT.state] as number;
    if ((state & STATE.hasStart) !== 0) {
      this.lower(slot, firstNs);
      return;
    }
    this.#clock.convert(firstNs, this.#start, 0);
    this.#clock.startRecord(this.#start, 0, words, row);
    copy64(words, row + SLOT.recordStart, this.#start, 0);
    words[row + SLOT.state] = state | STATE.hasStart;
  }
}
