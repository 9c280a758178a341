// The path that a flow takes through this host, as its slot has it. Comes in: slots. Goes out: a path, one reused object.

import type { Path } from "./direction.ts";
import { SLOT, SLOT_WAY } from "./slot-layout.ts";
import type { FlowSlots } from "./slots.ts";

/** Of the slot that was looked at last. */
export class SlotPath implements Path {
  forwardHook = 0;
  reverseHook = 0;
  hasForwardEntered = false;
  hasReverseEntered = false;
  readonly #slots: FlowSlots;

  constructor(slots: FlowSlots) {
    this.#slots = slots;
  }

  /** Sets the path from the hooks of the slot whose words begin at `row`, those of ways without packets left out. */
  lookAt(row: number, orientation: number, isLowSeen: boolean, isHighSeen: boolean): void {
    const { words } = this.#slots;
    const forward = orientation & 1;
    const reverse = 1 - forward;
    const isForwardSeen = forward === 0 ? isLowSeen : isHighSeen;
    const isReverseSeen = forward === 0 ? isHighSeen : isLowSeen;
    this.forwardHook = isForwardSeen ? (words[row + SLOT.hooks + forward] as number) : 0;
    this.reverseHook = isReverseSeen ? (words[row + SLOT.hooks + reverse] as number) : 0;
    this.hasForwardEntered = ((words[row + SLOT.ways + forward] as number) & SLOT_WAY.entered) !== 0;
    this.hasReverseEntered = ((words[row + SLOT.ways + reverse] as number) & SLOT_WAY.entered) !== 0;
  }
}
