// Writes one record row from a slot and a reading, turned to the flow's orientation.

import { ICMP_PAIRING, KEY_WORDS } from "../capture/record.ts";
import { copy64, type WallClock, write64 } from "./clock.ts";
import { icmpCounterpart } from "./community-id.ts";
import { highPort, lowPort, RULE } from "./direction.ts";
import { RECORD, RECORD_FLAG } from "./flow.ts";
import type { Reading } from "./reading.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WAY, SLOT_WORDS, STATE } from "./slot-layout.ts";
import type { FlowSlots } from "./slots.ts";
import { writeTcp } from "./tcp-row.ts";

/** What a row says beside the slot's own words; reused, so mutable. */
export interface Telling {
  slot: number;
  reading: Reading;
  /** SPAN_KIND, 0 where it is not known yet. */
  kind: number;
  /** END_REASON. */
  reason: number;
  /** The record's last packet, CLOCK_MONOTONIC ns. */
  lastNs: number;
  /** As RECORD.samplingRate. */
  samplingRate: number;
  /** The lowest port that clients are given. */
  firstClientPort: number;
}

const ICMP = 1;
const UDP = 17;
const ICMPV6 = 58;

/** Writes the row at `at` of `out`, which is zero there. */
export function writeRecord(
  out: Uint32Array,
  at: number,
  slots: FlowSlots,
  telling: Telling,
  clock: WallClock,
): void {
  const row = telling.slot * SLOT_WORDS;
  const forward = ((slots.words[row + SLOT.state] as number) >>> STATE.orientationShift) & 1;
  writeIdentity(out, at, slots, telling, forward);
  writeTimes(out, at, slots, telling, clock);
  writeCounts(out, at + RECORD.packetsDelta, slots, telling, forward);
  writeCounts(out, at + RECORD.reversePacketsDelta, slots, telling, 1 - forward);
  writeMeasured(out, at, slots.words, row, forward);
  const { reading } = telling;
  const flags = reading.tcpFlags;
  const octets = (out[at + RECORD.octets] as number) & 0xffff0000;
  out[at + RECORD.octets] = octets | (forward === 0 ? flags : ((flags & 0xff) << 8) | (flags >>> 8));
  out[at + RECORD.handshakeNs] = reading.handshakeNs;
  out[at + RECORD.vlanId] = reading.vlanAndMac & 0xffff;
  out[at + RECORD.samplingRate] = telling.samplingRate;
  if (reading.hasTcp) writeTcp(out, at, slots.tcp, telling.slot, reading, forward);
  if (!reading.hasMac || reading.firstWay !== forward) return;
  out[at + RECORD.sourceMac] = (reading.vlanAndMac >>> 16) | (reading.macRest << 16);
  out[at + RECORD.sourceMac + 1] = reading.macRest >>> 16;
  out[at + RECORD.flags] = (out[at + RECORD.flags] as number) | RECORD_FLAG.hasMac;
}

/** Hook of the way that names the record's interface: forward where it has packets, else reverse. */
export function ownerIfindex(forwardHook: number, reverseHook: number): number {
  return (forwardHook === 0 ? reverseHook : forwardHook) >>> 1;
}

function writeIdentity(
  out: Uint32Array,
  at: number,
  slots: FlowSlots,
  telling: Telling,
  forward: number,
): void {
  const { keys } = slots;
  const key = telling.slot * KEY_WORDS;
  for (let i = 0; i < 4; i++) {
    out[at + RECORD.sourceAddress + i] = keys[key + forward * 4 + i] as number;
    out[at + RECORD.destinationAddress + i] = keys[key + (1 - forward) * 4 + i] as number;
  }
  const identity = (keys[key + 9] as number) & 0xffff;
  out[at + RECORD.identity] = identity | (telling.kind << 16) | (telling.reason << 24);
  const low = lowPort(keys, key);
  const high = highPort(keys, key);
  const ports = forward === 0 ? low | (high << 16) : high | (low << 16);
  out[at + RECORD.communityPorts] = ports;
  const protocol = identity & 0xff;
  const state = slots.words[telling.slot * SLOT_WORDS + SLOT.state] as number;
  const rule = (state & STATE.orientationMask) >>> (STATE.orientationShift + 1);
  // A resolver's own choice of port looks like a server's socket: it is one where the other port is a client's.
  const isServer = protocol !== UDP || (ports & 0xffff) >= telling.firstClientPort;
  if (rule < RULE.ports && (rule !== RULE.listener || isServer))
    out[at + RECORD.flags] = RECORD_FLAG.isInitiatorSure;
  if (protocol !== ICMP && protocol !== ICMPV6) {
    out[at + RECORD.ports] = ports;
    return;
  }
  const pairing = (keys[key + 11] as number) & 0xff;
  if (pairing === ICMP_PAIRING.oneWayLow || pairing === ICMP_PAIRING.oneWayHigh) {
    out[at + RECORD.flags] = (out[at + RECORD.flags] as number) | RECORD_FLAG.isOneWay;
  } else if (pairing === ICMP_PAIRING.echo) {
    const isKnown = rule === RULE.icmpRequest || rule === RULE.translation;
    out[at + RECORD.communityPorts] = echoPorts(protocol, isKnown);
  }
}

/** Source side | destination side << 16 of an echo exchange, by who asked. */
function echoPorts(protocol: number, isSourceAsking: boolean): number {
  const request = protocol === ICMP ? 8 : 128;
  const reply = icmpCounterpart(protocol, request);
  return isSourceAsking ? request | (reply << 16) : reply | (request << 16);
}

function writeTimes(
  out: Uint32Array,
  at: number,
  slots: FlowSlots,
  telling: Telling,
  clock: WallClock,
): void {
  const { words } = slots;
  const row = telling.slot * SLOT_WORDS;
  const start = at + RECORD.startNs;
  copy64(out, start, words, row + SLOT.recordStart);
  if (((words[row + SLOT.state] as number) & STATE.hasStart) === 0) clock.startRecord(out, start, words, row);
  clock.convert(telling.lastNs, out, at + RECORD.endNs);
  clock.endRecord(out, start, words, row);
  copy64(out, at + RECORD.flowStartNs, words, row + SLOT.flowStart);
  out[at + RECORD.recordNumber] = words[row + SLOT.recordNumber] as number;
}

/** Deltas and totals of one way, at the first of its four 64-bit fields. */
function writeCounts(out: Uint32Array, at: number, slots: FlowSlots, telling: Telling, way: number): void {
  const { counts, held } = telling.reading;
  const told = telling.slot * SLOT_NUMBERS;
  const base = (slots.words[telling.slot * SLOT_WORDS + SLOT.base] as number) * 4;
  for (let field = 0; field < 2; field++) {
    const i = field * 2 + way;
    const count = (counts[i] as number) + (held[i] as number);
    write64(out, at + field * 2, Math.max(0, count - (slots.numbers[told + i] as number)));
    write64(out, at + 4 + field * 2, Math.max(0, count - (slots.bases[base + i] as number)));
  }
}

/** What the first packet of each way in this record carried, where it was seen. */
function writeMeasured(out: Uint32Array, at: number, words: Uint32Array, row: number, forward: number): void {
  const fresh = (words[row + SLOT.state] as number) >>> STATE.freshShift;
  const octets = words[row + SLOT.octets] as number;
  const icmp = words[row + SLOT.icmp] as number;
  let flags = out[at + RECORD.flags] as number;
  for (let side = 0; side < 2; side++) {
    const way = side === 0 ? forward : 1 - forward;
    if (((fresh >>> way) & 1) === 0) continue;
    flags |= side === 0 ? RECORD_FLAG.hasForward : RECORD_FLAG.hasReverse;
    const own = octets >>> (way * 16);
    out[at + RECORD.octets] = (out[at + RECORD.octets] as number) | ((own & 0xff) << (16 + side * 8));
    out[at + RECORD.ttl] = (out[at + RECORD.ttl] as number) | (((own >>> 8) & 0xff) << (side * 8));
    out[at + RECORD.flowLabel + side] = (words[row + SLOT.ways + way] as number) & SLOT_WAY.labelMask;
    const message = ((icmp >>> (way * 8)) & 0xff) | (((icmp >>> (16 + way * 8)) & 0xff) << 8);
    out[at + RECORD.icmp] = (out[at + RECORD.icmp] as number) | (message << (side * 16));
  }
  out[at + RECORD.flags] = flags;
}
