// Makes records of slots: freezes the orientation, writes the row, remembers what was told.
// Rows of lives that ended before any scan saw their hooks are held until a scan has, or the flow goes.

import { KEY_WORDS } from "../capture/record.ts";
import type { WallClock } from "./clock.ts";
import { copy64 } from "./clock.ts";
import { type DirectionContext, type Path, spanKind } from "./direction.ts";
import { END_REASON, RECORD, RECORD_WORDS } from "./flow.ts";
import type { Reading } from "./reading.ts";
import { RecordBuffer } from "./record-buffer.ts";
import { ownerIfindex, type Telling, writeRecord } from "./record-row.ts";
import { type FlowSlots, SLOT, SLOT_NUMBERS, SLOT_WAY, SLOT_WORDS, STATE, TOLD } from "./slots.ts";

/** Tells flows; owns the rows that wait to be taken. */
export class Teller {
  readonly records: RecordBuffer = new RecordBuffer();
  /** By IPFIX end reason. */
  readonly recordsByEndReason: number[] = [0, 0, 0, 0, 0, 0];
  packetsTold = 0;
  bytesTold = 0;
  packetsSettled = 0;
  bytesSettled = 0;
  /** Of flows that the filter left out: in neither of the counts above. */
  packetsFiltered = 0;
  bytesFiltered = 0;
  recordsFiltered = 0;
  readonly #slots: FlowSlots;
  readonly #context: DirectionContext;
  readonly #clock: WallClock;
  readonly #path: Path = {
    forwardHook: 0,
    reverseHook: 0,
    hasForwardEntered: false,
    hasReverseEntered: false,
  };
  readonly #telling: Telling;
  #held: Uint32Array = new Uint32Array(0);
  /** Of each held row: slot × 16 + orientation. */
  readonly #heldOwners: number[] = [];

  constructor(slots: FlowSlots, context: DirectionContext, clock: WallClock, reading: Reading) {
    this.#slots = slots;
    this.#context = context;
    this.#clock = clock;
    this.#telling = { slot: 0, reading, kind: 0, reason: 0, lastNs: 0 };
  }

  /** Tells what is new in `reading`, held packets included unless the flow goes on; nothing where nothing is. */
  tell(slot: number, reading: Reading, reason: number, nowNs: number): void {
    const isGoingOn = reason === END_REASON.activeTimeout;
    if (isGoingOn) reading.held.fill(0);
    if (this.#newPackets(slot, reading) === 0) return;
    const telling = this.#telling;
    telling.slot = slot;
    telling.reading = reading;
    telling.reason = reason;
    telling.lastNs = isGoingOn ? reading.lastCountedNs : reading.lastSeenNs;
    this.#freeze(slot, reading);
    if (((this.#slots.words[slot * SLOT_WORDS + SLOT.state] as number) & STATE.hasHooks) === 0)
      this.#hold(slot);
    else this.#write(slot);
    this.#remember(slot, reading, nowNs);
    this.recordsByEndReason[reason] = (this.recordsByEndReason[reason] as number) + 1;
  }

  /** Sends off held rows whose hooks are known by now; at the very end, or for one flow that goes, as they are. */
  sendHeld(isEnd: boolean, onlySlot: number = -1): void {
    const owners = this.#heldOwners;
    let kept = 0;
    for (let i = 0; i < owners.length; i++) {
      const owner = owners[i] as number;
      const slot = Math.floor(owner / 16);
      const isWanted = onlySlot < 0 || slot === onlySlot;
      const state = this.#slots.words[slot * SLOT_WORDS + SLOT.state] as number;
      if (isWanted && (isEnd || (state & STATE.hasHooks) !== 0)) {
        this.#sendHeldRow(i, slot, owner % 16);
        continue;
      }
      this.#held.copyWithin(kept * RECORD_WORDS, i * RECORD_WORDS, (i + 1) * RECORD_WORDS);
      owners[kept++] = owner;
    }
    owners.length = kept;
  }

  /** Packets in `reading` that no record has told, held ones included. */
  #newPackets(slot: number, reading: Reading): number {
    const told = slot * SLOT_NUMBERS + TOLD.packets;
    const { counts, held } = reading;
    const { numbers } = this.#slots;
    const low = (counts[0] as number) + (held[0] as number) - (numbers[told] as number);
    const high = (counts[1] as number) + (held[1] as number) - (numbers[told + 1] as number);
    return Math.max(0, low) + Math.max(0, high);
  }

  /** Decides the span kind for good, unless no hook is known yet. */
  #freeze(slot: number, reading: Reading): void {
    const { words, bases } = this.#slots;
    const row = slot * SLOT_WORDS;
    const state = words[row + SLOT.state] as number;
    const orientation = (state & STATE.orientationMask) >>> STATE.orientationShift;
    const base = (words[row + SLOT.base] as number) * 4;
    const { counts, held } = reading;
    const low = (counts[0] as number) + (held[0] as number) > (bases[base] as number);
    const high = (counts[1] as number) + (held[1] as number) > (bases[base + 1] as number);
    this.#lookAtPath(row, orientation, low, high);
    this.#telling.kind = (state & STATE.kindMask) >>> STATE.kindShift;
    if (this.#telling.kind !== 0 || (state & STATE.hasHooks) === 0) return;
    const kind = spanKind(this.#slots.keys, slot * KEY_WORDS, orientation, this.#path, this.#context);
    this.#telling.kind = kind;
    words[row + SLOT.state] = state | (kind << STATE.kindShift);
  }

  /** Sets the path from the hooks of a slot, those of ways without packets left out. */
  #lookAtPath(row: number, orientation: number, isLowSeen: boolean, isHighSeen: boolean): void {
    const { words } = this.#slots;
    const forward = orientation & 1;
    const reverse = 1 - forward;
    const path = this.#path;
    const isForwardSeen = forward === 0 ? isLowSeen : isHighSeen;
    const isReverseSeen = forward === 0 ? isHighSeen : isLowSeen;
    path.forwardHook = isForwardSeen ? (words[row + SLOT.hooks + forward] as number) : 0;
    path.reverseHook = isReverseSeen ? (words[row + SLOT.hooks + reverse] as number) : 0;
    path.hasForwardEntered = ((words[row + SLOT.ways + forward] as number) & SLOT_WAY.entered) !== 0;
    path.hasReverseEntered = ((words[row + SLOT.ways + reverse] as number) & SLOT_WAY.entered) !== 0;
  }

  #write(slot: number): void {
    const at = this.records.append();
    const out = this.records.words;
    writeRecord(out, at, this.#slots, this.#telling, this.#clock);
    out[at + RECORD.ifindex] = ownerIfindex(this.#path.forwardHook, this.#path.reverseHook);
    this.#noteEnd(slot, out, at);
  }

  #hold(slot: number): void {
    const owners = this.#heldOwners;
    const at = owners.length * RECORD_WORDS;
    if (at + RECORD_WORDS > this.#held.length) {
      const held = new Uint32Array(Math.max(64 * RECORD_WORDS, this.#held.length * 2));
      held.set(this.#held);
      this.#held = held;
    }
    this.#held.fill(0, at, at + RECORD_WORDS);
    writeRecord(this.#held, at, this.#slots, this.#telling, this.#clock);
    const state = slot * SLOT_WORDS + SLOT.state;
    const { words } = this.#slots;
    owners.push(slot * 16 + (((words[state] as number) & STATE.orientationMask) >>> STATE.orientationShift));
    words[state] = (words[state] as number) | STATE.hasHeldRows;
    this.#noteEnd(slot, this.#held, at);
  }

  #sendHeldRow(index: number, slot: number, orientation: number): void {
    const from = index * RECORD_WORDS;
    const at = this.records.append();
    const out = this.records.words;
    for (let i = 0; i < RECORD_WORDS; i++) out[at + i] = this.#held[from + i] as number;
    const state = slot * SLOT_WORDS + SLOT.state;
    const { words, keys } = this.#slots;
    words[state] = (words[state] as number) & ~STATE.hasHeldRows;
    const isForwardSeen =
      ((out[at + RECORD.packetsTotal] as number) | (out[at + RECORD.packetsTotal + 1] as number)) !== 0;
    const reverse = at + RECORD.reversePacketsTotal;
    const isReverseSeen = ((out[reverse] as number) | (out[reverse + 1] as number)) !== 0;
    const isTurned = (orientation & 1) === 1;
    this.#lookAtPath(
      slot * SLOT_WORDS,
      orientation,
      isTurned ? isReverseSeen : isForwardSeen,
      isTurned ? isForwardSeen : isReverseSeen,
    );
    const kind = spanKind(keys, slot * KEY_WORDS, orientation, this.#path, this.#context);
    out[at + RECORD.identity] = (out[at + RECORD.identity] as number) | (kind << 16);
    out[at + RECORD.ifindex] = ownerIfindex(this.#path.forwardHook, this.#path.reverseHook);
  }

  /** The next record begins after this one's end. */
  #noteEnd(slot: number, out: Uint32Array, at: number): void {
    copy64(this.#slots.words, slot * SLOT_WORDS + SLOT.recordStart, out, at + RECORD.endNs);
  }

  #remember(slot: number, reading: Reading, nowNs: number): void {
    const { words, numbers } = this.#slots;
    const row = slot * SLOT_WORDS;
    const told = slot * SLOT_NUMBERS;
    words[row + SLOT.recordNumber] = (words[row + SLOT.recordNumber] as number) + 1;
    words[row + SLOT.state] = (words[row + SLOT.state] as number) & ~(STATE.freshMask | STATE.hasStart);
    for (let i = 0; i < 4; i++) {
      const held = reading.held[i] as number;
      const count = Math.max((reading.counts[i] as number) + held, numbers[told + i] as number);
      const delta = count - (numbers[told + i] as number);
      numbers[told + i] = count;
      if (i < 2) {
        this.packetsTold += delta;
        this.packetsSettled += held;
      } else {
        this.bytesTold += delta;
        this.bytesSettled += held;
      }
    }
    numbers[told + TOLD.timeNs] = nowNs;
  }
}
