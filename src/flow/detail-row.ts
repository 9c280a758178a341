// Writes one detail row of a record, turned to the flow's orientation.

import { DETAILS, DETAILS_FLAG, DETAILS_WORDS, LAYER, LAYER_FLAG, LAYER_WORDS } from "../capture/record.ts";
import { write64 } from "./clock.ts";
import { DETAIL_NUMBER, DETAIL_NUMBERS, type FlowDetails } from "./details.ts";
import { RECORD_DETAIL, RECORD_DETAIL_FLAG, RECORD_LAYER, RECORD_LAYER_WORDS } from "./flow.ts";

const FRAGMENTS = 4;

/**
 * Writes the row at `at` of `out`, which is zero there.
 * @param forward way that leads from source to destination
 */
export function writeDetail(
  out: Uint32Array,
  at: number,
  details: FlowDetails,
  row: number,
  forward: number,
): void {
  const { words } = details;
  const from = row * DETAILS_WORDS;
  const numbers = row * DETAIL_NUMBERS;
  for (let layer = 0; layer < 2; layer++) {
    const to = at + RECORD_DETAIL.tunnel + layer * RECORD_LAYER_WORDS;
    writeLayer(out, to, words, from + DETAILS.tunnel + layer * LAYER_WORDS, forward);
    writeOverhead(out, to, details.numbers, numbers + layer * 2, forward);
  }
  writeMac(out, at, words, from + DETAILS.tunnelMac, forward);
  out[at + RECORD_DETAIL.espSpi] = ofForward(words, from + DETAILS.espSpi, forward);
  out[at + RECORD_DETAIL.ahSpi] = ofForward(words, from + DETAILS.ahSpi, forward);
  out[at + RECORD_DETAIL.senderIndex] = words[from + DETAILS.wireguardIndex + forward] as number;
  out[at + RECORD_DETAIL.receiverIndex] = words[from + DETAILS.wireguardIndex + 1 - forward] as number;
  write64(out, at + RECORD_DETAIL.fragmentsDelta, deltaOf(details.numbers, numbers + FRAGMENTS));
}

/** As forward packets have it; where none was seen, as answers to the reverse ones would. */
function writeLayer(out: Uint32Array, at: number, words: Uint32Array, layer: number, forward: number): void {
  const octets = words[layer + LAYER.octets] as number;
  const flags = octets >>> 24;
  // Kept of a life before: not this one's.
  if ((flags & (LAYER_FLAG.seen * 3)) === 0) return;
  const hasId = (flags & (LAYER_FLAG.hasId * 3)) === 0 ? 0 : 1;
  out[at + RECORD_LAYER.octets] = (octets & 0xffffff) | (hasId << 24);
  const isSeen = (flags & (LAYER_FLAG.seen << forward)) !== 0;
  const seen = isSeen ? forward : 1 - forward;
  const source = layer + (isSeen ? LAYER.source : LAYER.destination) + seen * 4;
  const destination = layer + (isSeen ? LAYER.destination : LAYER.source) + seen * 4;
  for (let i = 0; i < 4; i++) {
    out[at + RECORD_LAYER.sourceAddress + i] = words[source + i] as number;
    out[at + RECORD_LAYER.destinationAddress + i] = words[destination + i] as number;
  }
  const ports = words[layer + LAYER.ports + seen] as number;
  out[at + RECORD_LAYER.ports] = isSeen ? hostPorts(ports) : swapHalves(hostPorts(ports));
  const way = (flags & (LAYER_FLAG.hasId << forward)) === 0 ? 1 - forward : forward;
  out[at + RECORD_LAYER.id] = words[layer + LAYER.id + way] as number;
  out[at + RECORD_LAYER.ahSpi] = ofForward(words, layer + LAYER.ahSpi, forward);
}

/** Two ports in host order of a word with two big-endian ones. */
function hostPorts(ports: number): number {
  return swapOctets(ports & 0xffff) | (swapOctets(ports >>> 16) << 16);
}

function swapHalves(word: number): number {
  return (word >>> 16) | (word << 16);
}

function swapOctets(port: number): number {
  return (port >>> 8) | ((port & 0xff) << 8);
}

/** Deltas and totals of one layer; `numbers` begins with its counts, low → high first. */
function writeOverhead(
  out: Uint32Array,
  at: number,
  numbers: Float64Array,
  layer: number,
  forward: number,
): void {
  for (let side = 0; side < 2; side++) {
    const count = layer + (side === 0 ? forward : 1 - forward);
    const field = at + (side === 0 ? RECORD_LAYER.bytesDelta : RECORD_LAYER.reverseBytesDelta);
    const delta = deltaOf(numbers, count);
    const told = numbers[count + DETAIL_NUMBER.told] as number;
    write64(out, field, delta);
    write64(out, field + 2, told + delta - (numbers[count + DETAIL_NUMBER.base] as number));
  }
}

/** What was seen of a count and not told. A read that raced with a packet may be behind what was told. */
function deltaOf(numbers: Float64Array, count: number): number {
  const seen = numbers[count + DETAIL_NUMBER.seen] as number;
  return Math.max(0, seen - (numbers[count + DETAIL_NUMBER.told] as number));
}

/** The MAC is told only where it is the source's: seen on a forward packet. */
function writeMac(out: Uint32Array, at: number, words: Uint32Array, mac: number, forward: number): void {
  const first = words[mac] as number;
  const rest = words[mac + 1] as number;
  const seen = (rest >>> 16) & 0xff;
  if ((seen & DETAILS_FLAG.wireguard) !== 0) out[at + RECORD_DETAIL.flags] = RECORD_DETAIL_FLAG.isWireguard;
  const isAddress = (first | (rest & 0xffff)) !== 0;
  if (!isAddress || (seen & (DETAILS_FLAG.hasMacLow << forward)) === 0) return;
  out[at + RECORD_DETAIL.tunnelMac] = first;
  out[at + RECORD_DETAIL.tunnelMac + 1] = rest & 0xffff;
  out[at + RECORD_DETAIL.flags] = (out[at + RECORD_DETAIL.flags] as number) | RECORD_DETAIL_FLAG.hasTunnelMac;
}

/** Of two values by way, forward's, else reverse's. */
function ofForward(words: Uint32Array, at: number, forward: number): number {
  return (words[at + forward] as number) || (words[at + 1 - forward] as number);
}
