// Which slots are views of a conversation that the node translates, and which view of it is told.
// Comes in: entries of translations.ts, slots. Goes out: marks in slots, rows for translation-row.ts.

import { KEY_WORDS, WAY, WAY_WORDS } from "../capture/record.ts";
import { type DirectionContext, RULE } from "./direction.ts";
import { SLOT, SLOT_WORDS, STATE } from "./slot-layout.ts";
import { SlotRows } from "./slot-rows.ts";
import type { FlowSlots } from "./slots.ts";
import { CONTESTED, type Translations, VIEW } from "./translations.ts";

/** What FLOW_STATS has under the key of 12 words at `at`, valid until the next call; undefined where nothing. */
export type FindFlow = (keys: Uint32Array, at: number) => Uint32Array | undefined;

/** Words of a link: the other view's key, then the bits {@link LINK_BIT}. */
export const LINK_WORDS = 13;
export const LINK_BITS = 12;

/**
 * The view that the slot is; ways from the initiator to the responder in its own key, and in the other view's; whether
 * the slot's packets went to several other views, so that none is told.
 */
export const LINK_BIT = { isTranslated: 1, ownWay: 2, otherWay: 4, isParted: 8 } as const;

const TCP = 6;

/** What is known of how a view was seen. */
const SIGHT = { none: 0, outward: 1, workload: 2 } as const;

/** A life that is told elsewhere, or in its own right, whatever else is found out. */
const SETTLED = STATE.translated | STATE.contested;

/** Links of one table's slots. */
export class TranslationLinks {
  /** {@link LINK_WORDS} a row; row 0 is none. Replaced when it grows. */
  words: Uint32Array = new Uint32Array(0);
  /** Lives that are told in their own right, as without conntrack: its zones translate their key in different ways. */
  contested = 0;
  readonly #slots: FlowSlots;
  readonly #known: Translations;
  readonly #context: DirectionContext;
  readonly #findFlow: FindFlow;
  readonly #rows = new SlotRows();

  constructor(slots: FlowSlots, known: Translations, context: DirectionContext, findFlow: FindFlow) {
    this.#slots = slots;
    this.#known = known;
    this.#context = context;
    this.#findFlow = findFlow;
  }

  /** Row of a slot, 0 where it is no view of a translated conversation. */
  rowOf(slot: number): number {
    return this.#rows.rowOf(slot);
  }

  /** Whether the trace of a slot's flow is that of the translated tuple, which is the other view's. */
  tracesTranslation(slot: number): boolean {
    return (this.#stateOf(slot) & STATE.tracesTranslation) !== 0;
  }

  /** A life begins: what was known of the one before is not its own. */
  begin(slot: number): void {
    this.#rows.close(slot);
    this.#meet(slot);
  }

  /** An entry arrived: the slots of both its keys are views of it. */
  arrive(entry: number): void {
    for (let view = 0; view < 2; view++) {
      const slot = this.#slots.find(this.#known.words, this.#known.keyAt(entry, view));
      if (slot >= 0) this.#meet(slot);
    }
  }

  /** A slot is free again. */
  close(slot: number): void {
    this.#rows.close(slot);
  }

  /**
   * Decides about a life with its first record, once: true where the conversation is told by its other view. The one
   * that is told already; else the one that alone was seen at a workload's interface; else the original.
   */
  isToldElsewhere(slot: number): boolean {
    const state = this.#stateOf(slot);
    if ((state & STATE.translated) !== 0) return true;
    if (this.#slots.words[slot * SLOT_WORDS + SLOT.recordNumber] !== 0) return false;
    // Keys with a VLAN or a tunnel are not found where the entry arrives.
    if (this.rowOf(slot) === 0 || this.#isContested(slot)) this.#meet(slot);
    const row = this.rowOf(slot);
    if (row === 0) return (this.#stateOf(slot) & STATE.translated) !== 0;
    const own = (this.words[row * LINK_WORDS + LINK_BITS] as number) & LINK_BIT.isTranslated;
    const told = this.#choose(slot, row, own);
    this.#settle(slot, row, own, told);
    return told !== own;
  }

  /** Brings to a slot what is known of its key by now. */
  #meet(slot: number): void {
    const found = this.#known.find(this.#slots.keys, slot * KEY_WORDS);
    if (found === CONTESTED) this.#contest(slot);
    else if (found >= 0 && (this.#stateOf(slot) & STATE.contested) === 0)
      this.#link(slot, found >>> 1, found & 1);
  }

  #isContested(slot: number): boolean {
    return this.#known.hasShared && this.#known.find(this.#slots.keys, slot * KEY_WORDS) === CONTESTED;
  }

  /** What was told already stays so. */
  #contest(slot: number): void {
    if (this.#slots.words[slot * SLOT_WORDS + SLOT.recordNumber] !== 0) return;
    if ((this.#stateOf(slot) & SETTLED) !== 0) return;
    this.#rows.close(slot);
    this.#mark(slot, STATE.contested);
    this.contested++;
  }

  /** The view that is to be told. */
  #choose(slot: number, row: number, own: number): number {
    const other = 1 - own;
    const entry = this.#entryOf(slot, row);
    const decided = entry < 0 ? -1 : this.#known.toldOf(entry);
    if (decided >= 0) return decided;
    const peer = this.#slots.find(this.words, row * LINK_WORDS);
    if (peer >= 0 && (this.#stateOf(peer) & SETTLED) !== 0) return own;
    if (peer >= 0 && this.#slots.words[peer * SLOT_WORDS + SLOT.recordNumber] !== 0) return other;
    const otherSight = this.#sightOf(peer, this.words, row * LINK_WORDS);
    if (otherSight === SIGHT.none) return own;
    const ownSight = this.#sightOf(slot, this.#slots.keys, slot * KEY_WORDS);
    if (ownSight === otherSight) return VIEW.original;
    return ownSight === SIGHT.workload ? own : other;
  }

  #settle(slot: number, row: number, own: number, told: number): void {
    const entry = this.#entryOf(slot, row);
    if (entry >= 0) this.#known.setTold(entry, told);
    if (told !== own) {
      this.#mark(slot, STATE.translated);
      return;
    }
    if (own === VIEW.original) this.#mark(slot, STATE.tracesTranslation);
    const peer = this.#slots.find(this.words, row * LINK_WORDS);
    if (peer < 0 || this.#slots.words[peer * SLOT_WORDS + SLOT.recordNumber] !== 0) return;
    if ((this.#stateOf(peer) & SETTLED) !== 0) return;
    const back = this.rowOf(peer);
    if (back !== 0 && this.#isKey(this.words, back * LINK_WORDS, this.#slots.keys, slot * KEY_WORDS))
      this.#mark(peer, STATE.translated);
  }

  /** The entry that a slot's link is of, −1 where it is gone, or its key has another one by now. */
  #entryOf(slot: number, row: number): number {
    const found = this.#known.find(this.#slots.keys, slot * KEY_WORDS);
    if (found < 0) return -1;
    const other = this.#known.keyAt(found >>> 1, 1 - (found & 1));
    return this.#isKey(this.#known.words, other, this.words, row * LINK_WORDS) ? found >>> 1 : -1;
  }

  #link(slot: number, entry: number, view: number): void {
    const isOpen = this.#slots.words[slot * SLOT_WORDS + SLOT.recordNumber] === 0;
    const other = this.#known.keyAt(entry, 1 - view);
    if (this.#hasLeft(slot, other, isOpen)) {
      const bits = this.rowOf(slot) * LINK_WORDS + LINK_BITS;
      this.words[bits] = (this.words[bits] as number) | LINK_BIT.isParted;
      return;
    }
    const ownWay = this.#known.wayOf(entry, view);
    // What was told the other way round stays so, and cannot be told as conntrack has it.
    if (!isOpen && (this.rowOf(slot) !== 0 || this.#wayOf(slot) !== ownWay)) return;
    const row = this.rowOf(slot) || this.#open(slot);
    const at = row * LINK_WORDS;
    for (let i = 0; i < KEY_WORDS; i++) this.words[at + i] = this.#known.words[other + i] as number;
    const ways =
      (ownWay === 1 ? LINK_BIT.ownWay : 0) |
      (this.#known.wayOf(entry, 1 - view) === 1 ? LINK_BIT.otherWay : 0);
    this.words[at + LINK_BITS] = view | ways;
    if (!isOpen) return;
    const told = this.#known.toldOf(entry);
    const state = slot * SLOT_WORDS + SLOT.state;
    const { words } = this.#slots;
    words[state] = (words[state] as number) & ~STATE.translated;
    if (told >= 0 && told !== view) this.#mark(slot, STATE.translated);
    this.#orient(slot, ownWay);
  }

  /**
   * Whether packets of a slot's life went to another view before than to that of the key at `other`. A life that no scan
   * has met may have begun with this one; so may every one of TCP, whose next connection is a life of its own.
   */
  #hasLeft(slot: number, other: number, isOpen: boolean): boolean {
    const row = this.rowOf(slot);
    if (row === 0 || this.#isKey(this.words, row * LINK_WORDS, this.#known.words, other)) return false;
    const isTcp = ((this.#slots.keys[slot * KEY_WORDS + 9] as number) & 0xff) === TCP;
    return !isOpen || (!isTcp && (this.#stateOf(slot) & STATE.hasHooks) !== 0);
  }

  /** Who sent the packet that made the entry is the initiator; a handshake that was seen says the same, or better. */
  #orient(slot: number, way: number): void {
    const { words } = this.#slots;
    const at = slot * SLOT_WORDS + SLOT.state;
    const state = words[at] as number;
    const rule = (state & STATE.orientationMask) >>> (STATE.orientationShift + 1);
    if ((state & STATE.kindMask) !== 0 || rule === RULE.handshake) return;
    const orientation = (RULE.translation << 1) | way;
    words[at] = (state & ~STATE.orientationMask) | (orientation << STATE.orientationShift);
  }

  #open(slot: number): number {
    const row = this.#rows.open(slot);
    if ((row + 1) * LINK_WORDS > this.words.length) {
      const words = new Uint32Array(Math.max(64, row * 2) * LINK_WORDS);
      words.set(this.words);
      this.words = words;
    }
    return row;
  }

  /** By the hooks that count a flow: the slot's, else those that the kernel's table has by now. */
  #sightOf(slot: number, keys: Uint32Array, key: number): number {
    const { words } = this.#slots;
    if (slot >= 0 && (this.#stateOf(slot) & STATE.hasHooks) !== 0) {
      const hooks = slot * SLOT_WORDS + SLOT.hooks;
      return this.#sightAt(words[hooks] as number, words[hooks + 1] as number);
    }
    const value = this.#findFlow(keys, key);
    if (value === undefined) return slot < 0 ? SIGHT.none : SIGHT.outward;
    const low = value[WAY.ownerHook] as number;
    return this.#sightAt(low, value[WAY_WORDS + WAY.ownerHook] as number);
  }

  #sightAt(lowHook: number, highHook: number): number {
    const isWorkload = this.#isWorkload(lowHook) || this.#isWorkload(highHook);
    return isWorkload ? SIGHT.workload : SIGHT.outward;
  }

  #isWorkload(hook: number): boolean {
    return hook !== 0 && this.#context.roleOf(hook >>> 1) === "workload";
  }

  #isKey(keys: Uint32Array, at: number, others: Uint32Array, otherAt: number): boolean {
    for (let i = 0; i < KEY_WORDS; i++) if (keys[at + i] !== others[otherAt + i]) return false;
    return true;
  }

  /** The way from source to destination, as the slot is told. */
  #wayOf(slot: number): number {
    return (this.#stateOf(slot) >>> STATE.orientationShift) & 1;
  }

  #stateOf(slot: number): number {
    return this.#slots.words[slot * SLOT_WORDS + SLOT.state] as number;
  }

  #mark(slot: number, bit: number): void {
    this.#slots.words[slot * SLOT_WORDS + SLOT.state] = this.#stateOf(slot) | bit;
  }
}
