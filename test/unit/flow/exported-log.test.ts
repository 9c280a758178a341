import { describe, expect, test } from "bun:test";
import { EXPORTED, EXPORTED_ENTRY_WORDS, EXPORTED_FLAG } from "../../../src/capture/exported.ts";
import { KEY_WORDS } from "../../../src/capture/record.ts";
import { type ExportedEntries, ExportedLog, restoreSlot } from "../../../src/flow/exported-log.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WORDS, STATE } from "../../../src/flow/slot-layout.ts";
import { FlowSlots } from "../../../src/flow/slots.ts";

function keyOf(number: number): Uint32Array {
  return new Uint32Array(KEY_WORDS).fill(number);
}

/** First word of each entry's key, in order. */
function keysIn({ words, first, count }: ExportedEntries): readonly (number | undefined)[] {
  return Array.from({ length: count }, (_, index) => words[(first + index) * EXPORTED_ENTRY_WORDS]);
}

describe("ExportedLog", () => {
  test("gives entries in order, once their rows are acknowledged and no earlier", () => {
    const slots = new FlowSlots();
    const log = new ExportedLog(131_072);
    for (const number of [1, 2, 3]) log.told(slots, slots.insert(keyOf(number), 0), number);
    expect(keysIn(log.take(0, 10))).toEqual([]);
    expect(keysIn(log.take(2, 1))).toEqual([1]);
    expect(keysIn(log.take(2, 10))).toEqual([2]);
    expect(keysIn(log.take(3, 10))).toEqual([3]);
  });

  test("gives what has begun at once, and says what has ended", () => {
    const slots = new FlowSlots();
    const log = new ExportedLog(131_072);
    const slot = slots.insert(keyOf(7), 0);
    log.begun(slots, slot);
    log.ended(slots, slot, 5);
    expect(keysIn(log.takeBegun())).toEqual([7]);
    const { words, first, count } = log.take(5, 10);
    expect(count).toBe(1);
    const octets = words[first * EXPORTED_ENTRY_WORDS + KEY_WORDS + EXPORTED.octets] ?? 0;
    expect(octets >>> 16).toBe(EXPORTED_FLAG.ended);
  });

  test("keeps every entry while it grows, and beyond its bound takes the oldest for acknowledged", () => {
    const slots = new FlowSlots();
    const log = new ExportedLog(131_072);
    const slot = slots.insert(keyOf(1), 0);
    for (let rows = 1; rows <= 5000; rows++) log.told(slots, slot, rows);
    expect(log.take(2000, 10_000).count).toBe(2000);
    for (let rows = 5001; rows <= 8000; rows++) log.told(slots, slot, rows);
    expect(log.take(8000, 10_000).count).toBe(6000);
    for (let rows = 1; rows <= 131_073; rows++) log.told(slots, slot, rows);
    expect(log.take(8000, 200_000).count).toBe(65_536);
    expect(log.take(131_072, 200_000).count).toBe(65_536);
    expect(log.take(131_073, 200_000).count).toBe(1);
  });

  test("takes the oldest for acknowledged where too many flows have ended, once until those are taken", () => {
    const slots = new FlowSlots();
    const log = new ExportedLog(16);
    const slot = slots.insert(keyOf(1), 0);
    for (let rows = 1; rows <= 11; rows++) log.ended(slots, slot, rows);
    expect(log.take(0, 100).count).toBe(0);
    for (let rows = 12; rows <= 14; rows++) log.ended(slots, slot, rows);
    expect(log.take(0, 100).count).toBe(6);
    for (let rows = 15; rows <= 17; rows++) log.ended(slots, slot, rows);
    expect(log.take(0, 100).count).toBe(0);
    for (let rows = 1; rows <= 100; rows++) log.told(slots, slot, 1000);
    expect(log.take(0, 100).count).toBe(0);
    log.ended(slots, slot, 18);
    expect(log.take(0, 1000).count).toBe(56);
    expect(log.take(1000, 1000).count).toBe(56);
  });

  test("says of a later life that begins only when it did, and whether its flow is taken", () => {
    const slots = new FlowSlots();
    const log = new ExportedLog(131_072);
    const slot = slots.insert(keyOf(7), 0);
    slots.words.set([21, 22], slot * SLOT_WORDS + SLOT.flowStart);
    slots.words[slot * SLOT_WORDS + SLOT.incarnation] = 3;
    slots.numbers.fill(9);
    log.begun(slots, slot);
    log.isOfTaken = true;
    log.begun(slots, slot);
    const { words, first, count } = log.takeBegun();
    const values = Array.from({ length: count }, (_, index) =>
      words.slice(
        (first + index) * EXPORTED_ENTRY_WORDS + KEY_WORDS,
        (first + index + 1) * EXPORTED_ENTRY_WORDS,
      ),
    );
    const { begun, next, ofTaken } = EXPORTED_FLAG;
    for (const [index, flags] of [begun | next, begun | next | ofTaken].entries()) {
      const expected = new Uint32Array(EXPORTED_ENTRY_WORDS - KEY_WORDS);
      expected.set([21, 22, 3], EXPORTED.nextStart);
      expected[EXPORTED.octets] = flags << 16;
      expect(values[index]).toEqual(expected);
    }
  });

  test("tells the packets that the kernel counted of what has ended, not those added to them", () => {
    const slots = new FlowSlots();
    const log = new ExportedLog(131_072);
    const slot = slots.insert(keyOf(7), 0);
    slots.numbers.set([2 ** 33, 12, 1, 1, 1], slot * SLOT_NUMBERS);
    for (const [seen, counted] of [
      [10, 2 ** 33 + 10],
      [15, 2 ** 33 + 15],
    ] as const) {
      slots.words[slot * SLOT_WORDS + SLOT.seen] = seen;
      log.ended(slots, slot, 0);
      const { words, first } = log.take(0, 1);
      const at = first * EXPORTED_ENTRY_WORDS + KEY_WORDS + EXPORTED.packets;
      expect((words[at] ?? 0) + (words[at + 1] ?? 0) * 2 ** 32).toBe(counted);
    }
  });

  test("makes the same slot of an entry again", () => {
    const slots = new FlowSlots();
    const slot = slots.insert(keyOf(9), 0);
    const row = slot * SLOT_WORDS;
    slots.setBase(slot, Float64Array.of(1, 2, 3, 4), 0);
    slots.words.set([11, 12, 13, 14, 15, 16], row);
    slots.words[row + SLOT.state] = STATE.live | (5 << STATE.orientationShift) | (2 << STATE.kindShift);
    slots.numbers.set([10, 2 ** 33, 30, 2 ** 40, 2 ** 50], slot * SLOT_NUMBERS);
    slots.words[row + SLOT.seen] = 10;
    const log = new ExportedLog(131_072);
    log.told(slots, slot, 0);
    const { words } = log.take(0, 1);
    const other = new FlowSlots();
    const restored = restoreSlot(other, words, 0, words, KEY_WORDS);
    expect(other.find(keyOf(9), 0)).toBe(restored);
    const hash = row + SLOT.hash;
    expect(other.words.slice(restored * SLOT_WORDS, restored * SLOT_WORDS + SLOT.hash)).toEqual(
      slots.words.slice(row, hash),
    );
    expect(other.numbers.slice(0, SLOT_NUMBERS)).toEqual(slots.numbers.slice(0, SLOT_NUMBERS));
    expect(other.bases.slice(4, 8)).toEqual(Float64Array.of(1, 2, 3, 4));
  });
});
