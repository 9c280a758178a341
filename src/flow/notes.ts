// What a slot keeps of each way beside its counts: owner hook, TCP flags, the first packet since the last record.

import { number64, SHARED, WAY, WAY_FLAG, WAY_WORDS } from "../capture/record.ts";
import { EVENT_WORD, NEVER_NS, type Reading } from "./reading.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WAY, SLOT_WORDS, STATE } from "./slot-layout.ts";
import type { FlowSlots } from "./slots.ts";

/**
 * Notes both ways of the value at `value`, of which `reading` has the counts.
 * @returns when the first packet since the last record was seen (CLOCK_MONOTONIC ns), NEVER_NS where none is new
 */
export function notePackets(
  slots: FlowSlots,
  slot: number,
  reading: Reading,
  values: Uint32Array,
  value: number,
): number {
  const { words, numbers } = slots;
  const row = slot * SLOT_WORDS;
  const base = (words[row + SLOT.base] as number) * 4;
  let firstNs = NEVER_NS;
  for (let way = 0; way < 2; way++) {
    const packets = reading.counts[way] as number;
    if (packets <= (slots.bases[base + way] as number)) continue;
    noteWay(words, row, values, value, way);
    const fresh = 1 << (STATE.freshShift + way);
    const state = words[row + SLOT.state] as number;
    if ((state & fresh) !== 0 || packets <= (numbers[slot * SLOT_NUMBERS + way] as number)) continue;
    words[row + SLOT.state] = state | fresh;
    const start = value + way * WAY_WORDS;
    const octets = ((values[start + WAY.octets] as number) >>> 8) & 0xffff;
    noteFirst(words, row, way, octets, values[start + WAY.firstFlowLabel] as number);
    noteIcmp(words, row, values, value, way);
    firstNs = Math.min(firstNs, reading.firstSeenNs[way] as number);
  }
  return firstNs;
}

/**
 * Notes both ways of the life whose end the reopened event at `at` tells, of which `reading` has the counts. What a scan
 * has noted of the first packet since the last record stays.
 * @returns as {@link notePackets}
 */
export function noteReopened(
  slots: FlowSlots,
  slot: number,
  reading: Reading,
  event: Uint32Array,
  at: number,
): number {
  const { words, numbers } = slots;
  const row = slot * SLOT_WORDS;
  const measured = event[at + EVENT_WORD.firstOctets] as number;
  let firstNs = NEVER_NS;
  for (let way = 0; way < 2; way++) {
    if ((reading.counts[way] as number) <= (numbers[slot * SLOT_NUMBERS + way] as number)) continue;
    firstNs = Math.min(firstNs, number64(event, at + EVENT_WORD.firstSeen + way * 2));
    const fresh = 1 << (STATE.freshShift + way);
    const state = words[row + SLOT.state] as number;
    if ((state & fresh) !== 0) continue;
    words[row + SLOT.state] = state | fresh;
    const trafficClass = (measured >>> (way * 8)) & 0xff;
    const ttl = (measured >>> (16 + way * 8)) & 0xff;
    const label = event[at + EVENT_WORD.firstFlowLabel + way] as number;
    noteFirst(words, row, way, trafficClass | (ttl << 8), label);
  }
  return firstNs;
}

function noteWay(words: Uint32Array, row: number, values: Uint32Array, value: number, way: number): void {
  const start = value + way * WAY_WORDS;
  const octets = values[start + WAY.octets] as number;
  const entered = ((octets >>> 24) & WAY_FLAG.entered) !== 0 ? SLOT_WAY.entered : 0;
  const label = (words[row + SLOT.ways + way] as number) & SLOT_WAY.labelMask;
  words[row + SLOT.ways + way] = label | ((octets & 0xff) << SLOT_WAY.flagsShift) | entered;
  words[row + SLOT.hooks + way] = values[start + WAY.ownerHook] as number;
}

/** @param octets traffic class and TTL */
function noteFirst(words: Uint32Array, row: number, way: number, octets: number, flowLabel: number): void {
  const own = 0xffff << (way * 16);
  words[row + SLOT.octets] = ((words[row + SLOT.octets] as number) & ~own) | (octets << (way * 16));
  const label = flowLabel & SLOT_WAY.labelMask;
  words[row + SLOT.ways + way] = ((words[row + SLOT.ways + way] as number) & ~SLOT_WAY.labelMask) | label;
}

function noteIcmp(words: Uint32Array, row: number, values: Uint32Array, value: number, way: number): void {
  const mask = 0x00ff00ff << (way * 8);
  const icmp = values[value + SHARED.icmp] as number;
  words[row + SLOT.icmp] = ((words[row + SLOT.icmp] as number) & ~mask) | (icmp & mask);
}
