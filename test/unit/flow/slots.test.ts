import { expect, test } from "bun:test";
import { SLOT, SLOT_WORDS } from "../../../src/flow/slot-layout.ts";
import { FlowSlots } from "../../../src/flow/slots.ts";
import { keyOf } from "./kernel-model.ts";

test("FlowSlots takes the base of a removed slot again, and gives a new slot none", () => {
  const slots = new FlowSlots(4, 1);
  const { bytes } = slots;
  for (let i = 0; i < 1000; i++) {
    const slot = slots.insert(keyOf({ lowPort: i }), 0);
    const base = slot * SLOT_WORDS + SLOT.base;
    expect(slots.words[base]).toBe(0);
    slots.setBase(slot, Float64Array.of(9, 9, i, i + 1, i + 2, i + 3), 2);
    slots.setBase(slot, Float64Array.of(i, i + 1, i + 2, i + 3), 0);
    const row = (slots.words[base] as number) * 4;
    expect([...slots.bases.subarray(row, row + 4)]).toEqual([i, i + 1, i + 2, i + 3]);
    slots.remove(slot);
  }
  expect([...slots.bases.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
  expect(slots.bytes).toBe(bytes);
});

test("FlowSlots takes at most 162 bytes a flow beside its spare room", () => {
  const slots = new FlowSlots(3072, 1);
  for (let i = 0; i < 3072; i++) slots.insert(keyOf({ lowPort: i }), 0);
  expect(slots.bytes / 3072).toBeLessThanOrEqual(162);
});
