// What the BPF programs keep, written a second time and slowly: one entry a flow, scans, events, taking.

import {
  type CaptureClock,
  DETAILS,
  DETAILS_WORDS,
  ENCAPSULATION,
  EVENT_KIND,
  FLOW_FLAG,
  type FlowEventBatch,
  type FlowSampleBatch,
  KEY_WORDS,
  LAYER,
  LAYER_FLAG,
  LAYER_WORDS,
  type ScanReach,
  SHARED,
  VALUE_WORDS,
  WAY,
  WAY_FLAG,
  WAY_WORDS,
} from "../../../src/capture/record.ts";
import { PRESENT, type TakenFlows } from "../../../src/flow/earlier.ts";

/** 2023-11-14T22:13:20Z as CLOCK_REALTIME − CLOCK_MONOTONIC. */
export const OFFSET_NS = 1_700_000_000_000_000_000n;
export const SECOND = 1e9;
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const ACK = 16;

export interface KeyFields {
  readonly low?: string;
  readonly high?: string;
  readonly lowPort?: number;
  readonly highPort?: number;
  readonly protocol?: number;
  readonly icmpPairing?: number;
}

export interface PacketFields {
  readonly way: 0 | 1;
  readonly at: number;
  readonly packets?: number;
  readonly bytes?: number;
  readonly flags?: number;
  readonly hook?: number;
  readonly hasEntered?: boolean;
  readonly trafficClass?: number;
  readonly ttl?: number;
  readonly label?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
  /** Bytes of the outer packets beyond the next layer's, tunnel then IP in IP; absent: none. */
  readonly overhead?: readonly [tunnel: number, ipip: number];
  /** IP fragments, all of this flow. */
  readonly fragments?: number;
}

/** In the order of the event. */
const TCP_COUNTS = [
  SHARED.responseCount,
  SHARED.responseJitterNs,
  SHARED.retransmits,
  SHARED.outOfOrder,
] as const;

interface Entry {
  readonly key: Uint32Array;
  readonly value: Uint32Array;
  details?: Uint32Array;
}

/** 12 words of a key; addresses are IPv4 text, or 16 bytes as hexadecimal. */
export function keyOf(fields: KeyFields): Uint32Array {
  const bytes = new Uint8Array(48);
  bytes.set(addressBytes(fields.low ?? "10.0.0.1"), 0);
  bytes.set(addressBytes(fields.high ?? "10.0.0.2"), 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(32, fields.lowPort ?? 40000);
  view.setUint16(34, fields.highPort ?? 443);
  bytes[36] = fields.protocol ?? 6;
  bytes[37] = (fields.low ?? "10.0.0.1").includes(".") ? 4 : 6;
  bytes[44] = fields.icmpPairing ?? 0;
  return new Uint32Array(bytes.buffer);
}

export function addressBytes(text: string): Uint8Array {
  if (!text.includes(".")) return Uint8Array.from(Buffer.from(text, "hex"));
  return Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...text.split(".").map(Number)]);
}

export function clockAt(monotonicNs: number, offsetNs: bigint = OFFSET_NS): CaptureClock {
  return {
    monotonicLow: monotonicNs % 2 ** 32,
    monotonicHigh: Math.floor(monotonicNs / 2 ** 32),
    offsetLow: Number(BigInt.asUintN(32, offsetNs)),
    offsetHigh: Number(BigInt.asUintN(32, offsetNs >> 32n)),
  };
}

/** The kernel's maps of one agent. */
export class KernelModel {
  generation = 1;
  readonly entries: Map<string, Entry> = new Map();
  /** Everything accounted, as COUNTER_ACCOUNTED has it. */
  accountedPackets = 0;
  accountedBytes = 0;
  #events: number[] = [];

  /** One packet (or super-packet) at its owner hook. */
  packet(key: Uint32Array, fields: PacketFields): void {
    const name = key.join();
    let entry = this.entries.get(name);
    if (entry === undefined) {
      entry = { key, value: new Uint32Array(VALUE_WORDS) };
      this.entries.set(name, entry);
      entry.value[SHARED.octets] = fields.way;
      this.#event(key, EVENT_KIND.opened, fields, entry.value);
    } else if (this.#isReopening(key, entry.value, fields)) {
      this.#reopen(entry, fields);
    }
    this.#count(entry.value, fields);
    if (fields.overhead !== undefined || fields.fragments !== undefined) this.#countDetails(key, fields);
  }

  /** Packets seen by another hook and held for it. */
  hold(key: Uint32Array, way: 0 | 1, packets: number, bytes: number, delayMs: number): void {
    const value = this.valueOf(key);
    const at = way * WAY_WORDS;
    value[at + WAY.candidatePackets] = packets;
    write(value, at + WAY.candidateBytes, bytes);
    const other = (value[SHARED.candidateDelayMs] as number) & ~(0xffff << (way * 16));
    value[SHARED.candidateDelayMs] = other | (delayMs << (way * 16));
  }

  setWayFlag(key: Uint32Array, way: 0 | 1, flag: number): void {
    const at = way * WAY_WORDS + WAY.octets;
    const value = this.valueOf(key);
    value[at] = (value[at] as number) | (flag << 24);
  }

  valueOf(key: Uint32Array): Uint32Array {
    const entry = this.entries.get(key.join());
    if (entry === undefined) throw new Error("no such flow");
    return entry.value;
  }

  /** What FLOW_DETAILS has, made where it has nothing. */
  detailsOf(key: Uint32Array): Uint32Array {
    const entry = this.entries.get(key.join());
    if (entry === undefined) throw new Error("no such flow");
    entry.details ??= new Uint32Array(DETAILS_WORDS);
    const flags = FLOW_FLAG.hasDetails << 24;
    entry.value[SHARED.octets] = (entry.value[SHARED.octets] as number) | flags;
    return entry.details;
  }

  /** As the table's option of this name. */
  readonly findDetails = (keys: Uint32Array, at: number): Uint32Array | undefined =>
    this.entries.get(keys.subarray(at, at + KEY_WORDS).join())?.details;

  /** As the table's option of this name. */
  readonly findFlow = (keys: Uint32Array, at: number): Uint32Array | undefined =>
    this.entries.get(keys.subarray(at, at + KEY_WORDS).join())?.value;

  /** Forgets events not drained yet, as a full ring does. */
  loseEvents(): void {
    this.#events = [];
  }

  drain(): FlowEventBatch {
    const words = Uint32Array.from(this.#events);
    this.#events = [];
    return { length: words.byteLength, words };
  }

  /** What a scan of `reach` reads. */
  samples(reach: ScanReach = "all"): FlowSampleBatch {
    const keys = new Uint32Array(this.entries.size * KEY_WORDS);
    const values = new Uint32Array(this.entries.size * VALUE_WORDS);
    const details = new Uint32Array(this.entries.size * DETAILS_WORDS);
    let count = 0;
    for (const { key, value, details: own } of this.entries.values()) {
      if (reach === "news" && !this.#hasNews(value)) continue;
      keys.set(key, count * KEY_WORDS);
      values.set(value, count * VALUE_WORDS);
      // Garbage where the value says that there are none.
      const hasDetails = ((value[SHARED.octets] as number) & (FLOW_FLAG.hasDetails << 24)) !== 0;
      if (own !== undefined) details.set(own, count * DETAILS_WORDS);
      else if (!hasDetails) details.fill(0xdeadbeef, count * DETAILS_WORDS, (count + 1) * DETAILS_WORDS);
      count++;
    }
    return { count, keys, values, details };
  }

  #hasNews(value: Uint32Array): boolean {
    const isNew = [0, WAY_WORDS].some(
      (at) =>
        (value[at + WAY.generation] as number) >= this.generation - 1 ||
        value[at + WAY.candidatePackets] !== 0,
    );
    return isNew || ((value[SHARED.octets] as number) & (FLOW_FLAG.hasDetails << 24)) !== 0;
  }

  /** @param quietSinceNs flows with a packet after it stay; default: none do */
  take(keys: Uint32Array, count: number, quietSinceNs: number = Number.POSITIVE_INFINITY): TakenFlows {
    const details = new Uint32Array(count * DETAILS_WORDS);
    const values = new Uint32Array(count * VALUE_WORDS).fill(0xdeadbeef);
    const present = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      const name = keys.subarray(i * KEY_WORDS, (i + 1) * KEY_WORDS).join();
      const entry = this.entries.get(name);
      if (entry === undefined) continue;
      if ([0, WAY_WORDS].some((at) => read(entry.value, at + WAY.lastSeenNs) > quietSinceNs)) {
        present[i] = PRESENT.stays;
        continue;
      }
      values.set(entry.value, i * VALUE_WORDS);
      if (entry.details !== undefined) details.set(entry.details, i * DETAILS_WORDS);
      present[i] = 1;
      this.entries.delete(name);
    }
    return { keys: keys.slice(0, count * KEY_WORDS), values, details, present, count };
  }

  #isReopening(key: Uint32Array, value: Uint32Array, fields: PacketFields): boolean {
    const flags = fields.flags ?? 0;
    if (((key[9] as number) & 0xff) !== 6 || (flags & SYN) === 0 || (flags & ACK) !== 0) return false;
    const low = (value[WAY.octets] as number) & 0xff;
    const high = (value[WAY_WORDS + WAY.octets] as number) & 0xff;
    return (low & high & FIN) !== 0 || ((low | high) & RST) !== 0;
  }

  #reopen({ key, value, details }: Entry, fields: PacketFields): void {
    value[SHARED.incarnation] = (value[SHARED.incarnation] as number) + 1;
    for (let way = 0; way < 2; way++) {
      for (let i = 0; i < 2; i++) {
        value[SHARED.basePackets + way * 2 + i] = value[way * WAY_WORDS + WAY.packets + i] as number;
        value[SHARED.baseBytes + way * 2 + i] = value[way * WAY_WORDS + WAY.bytes + i] as number;
      }
    }
    if (details !== undefined) {
      details.copyWithin(DETAILS.baseOverheadBytes, DETAILS.overheadBytes, DETAILS.overheadBytes + 8);
      details.copyWithin(DETAILS.baseFragments, DETAILS.fragments, DETAILS.fragments + 2);
      for (let layer = 0; layer < 2; layer++) {
        const octets = DETAILS.tunnel + layer * LAYER_WORDS + LAYER.octets;
        const flags = ((details[octets] as number) >>> 24) << LAYER_FLAG.oldLifeShift;
        details[octets] = ((details[octets] as number) & 0xffffff) | (flags << 24);
      }
    }
    this.#event(key, EVENT_KIND.reopened, fields, value, details);
    for (let way = 0; way < 2; way++) {
      const at = way * WAY_WORDS;
      for (const field of [
        WAY.octets,
        WAY.generation,
        WAY.ownerHook,
        WAY.candidateHook,
        WAY.candidatePackets,
      ]) {
        value[at + field] = 0;
      }
      write(value, at + WAY.candidateBytes, 0);
    }
    write(value, SHARED.synNs, 0);
    value[SHARED.handshakeNs] = 0;
    write(value, SHARED.responseSumNs, 0);
    for (const field of TCP_COUNTS) value[field] = 0;
    value[SHARED.octets] = fields.way | (details === undefined ? 0 : FLOW_FLAG.hasDetails << 24);
  }

  #count(value: Uint32Array, fields: PacketFields): void {
    const at = fields.way * WAY_WORDS;
    const packets = fields.packets ?? 1;
    const bytes = fields.bytes ?? packets * 100;
    write(value, at + WAY.packets, read(value, at + WAY.packets) + packets);
    write(value, at + WAY.bytes, read(value, at + WAY.bytes) + bytes);
    this.accountedPackets += packets;
    this.accountedBytes += bytes;
    const wasHolding = value[at + WAY.candidatePackets] !== 0;
    value[at + WAY.candidatePackets] = 0;
    write(value, at + WAY.candidateBytes, 0);
    const octets = (value[at + WAY.octets] as number) | (wasHolding ? WAY_FLAG.interleaved << 24 : 0);
    value[at + WAY.octets] = octets | (fields.flags ?? 0) | (fields.hasEntered === true ? 2 << 24 : 0);
    if (value[at + WAY.generation] !== this.generation) this.#restartFirst(value, at, fields);
    write(value, at + WAY.lastSeenNs, Math.max(read(value, at + WAY.lastSeenNs), fields.at));
    if (value[at + WAY.ownerHook] === 0) value[at + WAY.ownerHook] = fields.hook ?? 2 << 1;
    const flags = fields.flags ?? 0;
    if ((flags & SYN) !== 0 && ((value[SHARED.octets] as number) & 0xff00) === 0) {
      const initiator = (flags & ACK) === 0 ? fields.way + 1 : 2 - fields.way;
      value[SHARED.octets] = (value[SHARED.octets] as number) | (initiator << 8);
      if ((flags & ACK) === 0) write(value, SHARED.synNs, fields.at);
    }
  }

  #countDetails(key: Uint32Array, { way, overhead, fragments }: PacketFields): void {
    const details = this.detailsOf(key);
    write(details, DETAILS.fragments, read(details, DETAILS.fragments) + (fragments ?? 0));
    overhead?.forEach((bytes, layer) => {
      const at = DETAILS.overheadBytes + layer * 4 + way * 2;
      write(details, at, read(details, at) + bytes);
      const octets = layer * LAYER_WORDS + LAYER.octets;
      const kind = layer === 0 ? ENCAPSULATION.vxlan : ENCAPSULATION.ipip;
      details[octets] = (details[octets] as number) | kind | (LAYER_FLAG.seen << (24 + way));
    });
  }

  #restartFirst(value: Uint32Array, at: number, fields: PacketFields): void {
    value[at + WAY.generation] = this.generation;
    write(value, at + WAY.firstSeenNs, fields.at);
    const kept = (value[at + WAY.octets] as number) & 0xff0000ff;
    value[at + WAY.octets] = kept | ((fields.trafficClass ?? 0) << 8) | ((fields.ttl ?? 64) << 16);
    value[at + WAY.firstFlowLabel] = fields.label ?? 0;
    const shift = fields.way * 8;
    const icmp = (value[SHARED.icmp] as number) & ~(0x00ff00ff << shift);
    value[SHARED.icmp] = icmp | ((fields.icmpType ?? 0) << shift) | ((fields.icmpCode ?? 0) << (16 + shift));
  }

  #event(
    key: Uint32Array,
    kind: number,
    fields: PacketFields,
    value: Uint32Array,
    details: Uint32Array = new Uint32Array(DETAILS_WORDS),
  ): void {
    const isReopened = kind === EVENT_KIND.reopened;
    const words = new Uint32Array(isReopened ? 64 : 16);
    words.set(key);
    write(words, 12, fields.at);
    let low = fields.way === 0 ? (fields.flags ?? 0) : 0;
    let high = fields.way === 1 ? (fields.flags ?? 0) : 0;
    if (isReopened) {
      low = (value[WAY.octets] as number) & 0xff;
      high = (value[WAY_WORDS + WAY.octets] as number) & 0xff;
      words[15] = value[SHARED.incarnation] as number;
      words.set(value.subarray(SHARED.basePackets, SHARED.basePackets + 8), 16);
      for (let way = 0; way < 2; way++) {
        words.set(
          value.subarray(way * WAY_WORDS + WAY.firstSeenNs, way * WAY_WORDS + WAY.firstSeenNs + 2),
          24 + way * 2,
        );
        words.set(
          value.subarray(way * WAY_WORDS + WAY.lastSeenNs, way * WAY_WORDS + WAY.lastSeenNs + 2),
          28 + way * 2,
        );
        words[43 + way] = value[way * WAY_WORDS + WAY.firstFlowLabel] as number;
        const measured = (value[way * WAY_WORDS + WAY.octets] as number) >>> 8;
        words[45] = (words[45] as number) | (spread(measured & 0xffff) << (way * 8));
      }
      words.set(details.subarray(DETAILS.baseOverheadBytes, DETAILS.baseOverheadBytes + 8), 32);
      words.set(details.subarray(DETAILS.baseFragments, DETAILS.baseFragments + 2), 40);
      words[42] = value[SHARED.handshakeNs] as number;
      words.set(value.subarray(SHARED.vlanAndMac, SHARED.vlanAndMac + 2), 46);
      words.set(value.subarray(SHARED.responseSumNs, SHARED.responseSumNs + 2), 48);
      TCP_COUNTS.forEach((field, index) => {
        words[50 + index] = value[field] as number;
      });
      words[54] = ((value[SHARED.octets] as number) >>> 16) & 0xff;
    }
    words[14] = kind | (fields.way << 8) | (low << 16) | (high << 24);
    this.#events.push(words.byteLength, 0, ...words);
  }
}

/** Traffic class and TTL as the lowest octets of two halves. */
function spread(octets: number): number {
  return (octets & 0xff) | ((octets >>> 8) << 16);
}

function read(words: Uint32Array, at: number): number {
  return (words[at] as number) + (words[at + 1] as number) * 2 ** 32;
}

function write(words: Uint32Array, at: number, value: number): void {
  words[at] = value % 2 ** 32;
  words[at + 1] = Math.floor(value / 2 ** 32);
}
