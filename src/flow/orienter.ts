// Turns slots by what values and events show, until their first record freezes them.

import { EVENT_KIND, KEY_WORDS, SHARED } from "../capture/record.ts";
import { type DirectionContext, orient, type Sighting } from "./direction.ts";
import { EVENT_WORD, type Reading } from "./reading.ts";
import { SLOT, SLOT_WORDS, STATE } from "./slot-layout.ts";
import type { FlowSlots } from "./slots.ts";

const SYN = 2;
const ACK = 16;

/** Orients the flows of one table. */
export class Orienter {
  readonly #slots: FlowSlots;
  readonly #context: DirectionContext;
  readonly #sighting: Sighting = {
    initiator: 0,
    firstWay: 0,
    seenWays: 0,
    icmp: 0,
    lowHook: 0,
    highHook: 0,
  };

  #scan = -1;
  #revision = 0;
  #hasNews = false;

  constructor(slots: FlowSlots, context: DirectionContext) {
    this.#slots = slots;
    this.#context = context;
  }

  /** Whether what the node knows has changed since the scan before this one: flows are worth being asked about again. */
  hasNews(scan: number): boolean {
    if (scan === this.#scan) return this.#hasNews;
    this.#scan = scan;
    const { revision } = this.#context;
    this.#hasNews = revision !== this.#revision;
    this.#revision = revision;
    return this.#hasNews;
  }

  /** Orients by a value at `value`, of which `reading` has the counts. */
  byValue(slot: number, reading: Reading, values: Uint32Array, value: number): void {
    const { counts } = reading;
    const { words, bases } = this.#slots;
    const base = (words[slot * SLOT_WORDS + SLOT.base] as number) * 4;
    const octets = values[value + SHARED.octets] as number;
    const initiator = (octets >>> 8) & 0xff;
    const sighting = this.#sighting;
    sighting.firstWay = octets & 1;
    sighting.initiator = initiator > 2 ? 0 : initiator;
    sighting.seenWays = (counts[0] as number) > (bases[base] as number) ? 1 : 0;
    if ((counts[1] as number) > (bases[base + 1] as number)) sighting.seenWays |= 2;
    sighting.icmp = values[value + SHARED.icmp] as number;
    sighting.lowHook = words[slot * SLOT_WORDS + SLOT.hooks] as number;
    sighting.highHook = words[slot * SLOT_WORDS + SLOT.hooks + 1] as number;
    this.#turn(slot);
  }

  /** Orients by the packet of an event at `at`, so that what the node knows is asked while it is true. */
  byPacket(slot: number, words: Uint32Array, at: number): void {
    const octets = words[at + EVENT_WORD.octets] as number;
    const way = (octets >>> 8) & 1;
    const flags = (octets >>> (16 + way * 8)) & 0xff;
    const sighting = this.#sighting;
    sighting.firstWay = way;
    sighting.initiator = 0;
    if ((octets & 0xff) === EVENT_KIND.reopened) sighting.initiator = way + 1;
    else if ((flags & SYN) !== 0) sighting.initiator = (flags & ACK) === 0 ? way + 1 : 2 - way;
    sighting.seenWays = 1 << way;
    sighting.icmp = 0;
    sighting.lowHook = 0;
    sighting.highHook = 0;
    this.#turn(slot);
  }

  /** A stronger rule turns a flow over, a weaker one never. */
  #turn(slot: number): void {
    const { words, keys } = this.#slots;
    const row = slot * SLOT_WORDS + SLOT.state;
    const state = words[row] as number;
    const rule = (state & STATE.orientationMask) >>> (STATE.orientationShift + 1);
    const found = orient(keys, slot * KEY_WORDS, this.#sighting, this.#context);
    if (rule !== 0 && found >>> 1 >= rule) return;
    words[row] = (state & ~STATE.orientationMask) | (found << STATE.orientationShift);
  }
}
