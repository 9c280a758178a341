// Drives a table over a kernel model as the agent does, and reads its records.

import { DETAILS_WORDS, KEY_WORDS, VALUE_WORDS } from "../../../src/capture/record.ts";
import type { DirectionContext } from "../../../src/flow/direction.ts";
import {
  RECORD,
  RECORD_DETAIL,
  RECORD_DETAIL_FLAG,
  RECORD_DETAIL_WORDS,
  RECORD_FLAG,
  RECORD_LAYER,
  RECORD_WORDS,
} from "../../../src/flow/flow.ts";
import type { FlowTimeouts } from "../../../src/flow/lifecycle.ts";
import { FlowTable, type FlowTableOptions } from "../../../src/flow/table.ts";
import { clockAt, type KernelModel, OFFSET_NS, SECOND } from "./kernel-model.ts";

export const TIMEOUTS: FlowTimeouts = {
  tcpNs: 20 * SECOND,
  udpNs: 60 * SECOND,
  icmpNs: 10 * SECOND,
  genericNs: 30 * SECOND,
  tcpFinNs: 5 * SECOND,
  tcpRstNs: 3 * SECOND,
  maxRecordIntervalNs: 60 * SECOND,
};

/** Interface 1 is a workload's, every other one outward; nobody listens. */
export const CONTEXT: DirectionContext = {
  isListening: () => false,
  isLocalAddress: () => false,
  roleOf: (ifindex) => (ifindex === 1 ? "workload" : "outward"),
  localPortRange: [32768, 60999],
  revision: 0,
};

export interface RecordFields {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly communityPorts: readonly [number, number];
  readonly kind: number;
  readonly reason: number;
  /** Since the model's monotonic zero. */
  readonly start: number;
  readonly end: number;
  readonly flowStart: number;
  readonly number: number;
  readonly ifindex: number;
  /** packets, bytes, reverse packets, reverse bytes. */
  readonly delta: readonly number[];
  readonly total: readonly number[];
  readonly tcpFlags: readonly [number, number];
  readonly trafficClass: readonly [number, number];
  readonly ttl: readonly [number, number];
  readonly labels: readonly [number, number];
  readonly icmp: readonly number[];
  readonly hasForward: boolean;
  readonly hasReverse: boolean;
  readonly hasMac: boolean;
  readonly isOneWay: boolean;
  readonly isInitiatorSure: boolean;
  readonly handshake: number;
  readonly vlan: number;
  readonly mac: string;
  readonly samplingRate: number;
  readonly detail: DetailFields | undefined;
  readonly tcp: TcpFields | undefined;
}

/** Forward, then reverse. */
export interface TcpFields {
  /** CONNECTION_STATE. */
  readonly state: number;
  readonly responseNs: number | undefined;
  readonly jitterNs: number | undefined;
  readonly retransmits: readonly [number, number];
  readonly outOfOrder: readonly [number, number];
}

export interface DetailFields {
  readonly tunnel: LayerFields;
  readonly ipip: LayerFields;
  /** "": not told. */
  readonly tunnelMac: string;
  readonly isWireguard: boolean;
  readonly espSpi: number;
  readonly ahSpi: number;
  readonly indices: readonly [sender: number, receiver: number];
  readonly fragments: number;
  /** `source port → destination port` of the other view; undefined: the conversation is not known to be translated. */
  readonly nat: string | undefined;
  readonly tracesNat: boolean;
}

export interface LayerFields {
  readonly encapsulation: number;
  readonly ipVersion: number;
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly ports: readonly [number, number];
  readonly id: number | undefined;
  readonly ahSpi: number;
  /** Overhead, reverse overhead. */
  readonly delta: readonly number[];
  readonly total: readonly number[];
}

export function newTable(
  changes: Omit<Partial<FlowTableOptions>, "timeouts" | "context"> & {
    readonly timeouts?: Partial<FlowTimeouts>;
    readonly context?: Partial<DirectionContext>;
  } = {},
): FlowTable {
  return new FlowTable({
    capacity: 4,
    seed: 7,
    ...changes,
    timeouts: { ...TIMEOUTS, ...changes.timeouts },
    context: { ...CONTEXT, ...changes.context },
  });
}

/** One scan as the agent makes it: events, slices of two, removal, records. */
export function scan(
  table: FlowTable,
  kernel: KernelModel,
  atNs: number,
  offsetNs: bigint = OFFSET_NS,
): RecordFields[] {
  return scanWith(table, kernel, atNs, { offsetNs });
}

export interface ScanOptions {
  readonly offsetNs?: bigint;
  readonly isFinal?: boolean;
  /** Runs between the look and the removal. */
  readonly beforeTake?: () => void;
}

export function scanWith(
  table: FlowTable,
  kernel: KernelModel,
  atNs: number,
  options: ScanOptions,
): RecordFields[] {
  const clock = clockAt(atNs, options.offsetNs);
  table.addEvents(kernel.drain(), clock);
  kernel.generation++;
  if (options.isFinal === true) table.beginFinalScan(clock);
  else table.beginScan(clock);
  const samples = kernel.samples(table.reach);
  for (let i = 0; i < samples.count; i += 2) {
    const count = Math.min(2, samples.count - i);
    table.addSlice({
      count,
      keys: samples.keys.slice(i * KEY_WORDS),
      values: samples.values.slice(i * VALUE_WORDS),
      details: samples.details.slice(i * DETAILS_WORDS),
    });
  }
  table.endScan(kernel.entries.size);
  options.beforeTake?.();
  const ended = table.takeEndedKeys();
  const taken = kernel.take(ended.keys, ended.count, table.reach === "news" ? atNs : undefined);
  table.settle(taken);
  return takeAll(table, options.offsetNs);
}

export function takeAll(table: FlowTable, offsetNs: bigint = OFFSET_NS): RecordFields[] {
  const rows: RecordFields[] = [];
  for (let batch = table.takeRecords(); batch !== undefined; batch = table.takeRecords()) {
    for (let i = 0; i < batch.count; i++)
      rows.push(fieldsOf(batch.words, i * RECORD_WORDS, offsetNs, batch.details));
  }
  return rows;
}

export function fieldsOf(
  words: Uint32Array,
  at: number,
  offsetNs: bigint,
  details: Uint32Array = new Uint32Array(0),
): RecordFields {
  const word = (field: number): number => words[at + field] as number;
  const count = (field: number): number => word(field) + word(field + 1) * 2 ** 32;
  const time = (field: number): number =>
    Number((BigInt(word(field + 1)) << 32n) + BigInt(word(field)) - offsetNs);
  const byte = (field: number, i: number): number => (word(field) >>> (8 * i)) & 0xff;
  const flag = (bit: number): boolean => (word(RECORD.flags) & bit) !== 0;
  const counts = (field: number): number[] => [0, 2, 8, 10].map((i) => count(field + i));
  return {
    source: address(words, at + RECORD.sourceAddress),
    destination: address(words, at + RECORD.destinationAddress),
    sourcePort: word(RECORD.ports) & 0xffff,
    destinationPort: word(RECORD.ports) >>> 16,
    communityPorts: [word(RECORD.communityPorts) & 0xffff, word(RECORD.communityPorts) >>> 16],
    kind: byte(RECORD.identity, 2),
    reason: byte(RECORD.identity, 3),
    start: time(RECORD.startNs),
    end: time(RECORD.endNs),
    flowStart: time(RECORD.flowStartNs),
    number: word(RECORD.recordNumber),
    ifindex: word(RECORD.ifindex),
    delta: counts(RECORD.packetsDelta),
    total: counts(RECORD.packetsTotal),
    tcpFlags: [byte(RECORD.octets, 0), byte(RECORD.octets, 1)],
    trafficClass: [byte(RECORD.octets, 2), byte(RECORD.octets, 3)],
    ttl: [byte(RECORD.ttl, 0), byte(RECORD.ttl, 1)],
    labels: [word(RECORD.flowLabel), word(RECORD.reverseFlowLabel)],
    icmp: [0, 1, 2, 3].map((i) => byte(RECORD.icmp, i)),
    hasForward: flag(RECORD_FLAG.hasForward),
    hasReverse: flag(RECORD_FLAG.hasReverse),
    hasMac: flag(RECORD_FLAG.hasMac),
    isOneWay: flag(RECORD_FLAG.isOneWay),
    isInitiatorSure: flag(RECORD_FLAG.isInitiatorSure),
    handshake: word(RECORD.handshakeNs),
    vlan: word(RECORD.vlanId),
    mac: macOf(words, at + RECORD.sourceMac),
    samplingRate: word(RECORD.samplingRate),
    detail: word(RECORD.detail) === 0 ? undefined : detailOf(details, word(RECORD.detail) - 1),
    tcp: flag(RECORD_FLAG.hasTcp) ? tcpOf(words, at) : undefined,
  };
}

function tcpOf(words: Uint32Array, at: number): TcpFields {
  const word = (field: number): number => words[at + field] as number;
  const has = (flag: number): boolean => (word(RECORD.flags) & flag) !== 0;
  const responseNs = word(RECORD.responseNs) + word(RECORD.responseNs + 1) * 2 ** 32;
  return {
    state: word(RECORD.connectionState),
    responseNs: has(RECORD_FLAG.hasResponse) ? responseNs : undefined,
    jitterNs: has(RECORD_FLAG.hasJitter) ? word(RECORD.responseJitterNs) : undefined,
    retransmits: [word(RECORD.retransmitsDelta), word(RECORD.reverseRetransmitsDelta)],
    outOfOrder: [word(RECORD.outOfOrderDelta), word(RECORD.reverseOutOfOrderDelta)],
  };
}

function detailOf(words: Uint32Array, row: number): DetailFields {
  const at = row * RECORD_DETAIL_WORDS;
  const word = (field: number): number => words[at + field] as number;
  const flags = word(RECORD_DETAIL.flags);
  const hasMac = (flags & RECORD_DETAIL_FLAG.hasTunnelMac) !== 0;
  return {
    tunnel: layerOf(words, at + RECORD_DETAIL.tunnel),
    ipip: layerOf(words, at + RECORD_DETAIL.ipip),
    tunnelMac: hasMac ? macOf(words, at + RECORD_DETAIL.tunnelMac) : "",
    isWireguard: (flags & RECORD_DETAIL_FLAG.isWireguard) !== 0,
    espSpi: word(RECORD_DETAIL.espSpi),
    ahSpi: word(RECORD_DETAIL.ahSpi),
    indices: [word(RECORD_DETAIL.senderIndex), word(RECORD_DETAIL.receiverIndex)],
    fragments: word(RECORD_DETAIL.fragmentsDelta) + word(RECORD_DETAIL.fragmentsDelta + 1) * 2 ** 32,
    nat: (flags & RECORD_DETAIL_FLAG.hasNat) === 0 ? undefined : natOf(words, at),
    tracesNat: (flags & RECORD_DETAIL_FLAG.tracesNat) !== 0,
  };
}

function natOf(words: Uint32Array, at: number): string {
  const ports = words[at + RECORD_DETAIL.natPorts] as number;
  const source = `${address(words, at + RECORD_DETAIL.natSource)} ${ports & 0xffff}`;
  return `${source} → ${address(words, at + RECORD_DETAIL.natDestination)} ${ports >>> 16}`;
}

function layerOf(words: Uint32Array, at: number): LayerFields {
  const word = (field: number): number => words[at + field] as number;
  const count = (field: number): number => word(field) + word(field + 1) * 2 ** 32;
  const octets = word(RECORD_LAYER.octets);
  return {
    encapsulation: octets & 0xff,
    ipVersion: (octets >>> 8) & 0xff,
    protocol: (octets >>> 16) & 0xff,
    source: address(words, at + RECORD_LAYER.sourceAddress),
    destination: address(words, at + RECORD_LAYER.destinationAddress),
    ports: [word(RECORD_LAYER.ports) & 0xffff, word(RECORD_LAYER.ports) >>> 16],
    id: octets >>> 24 === 0 ? undefined : word(RECORD_LAYER.id),
    ahSpi: word(RECORD_LAYER.ahSpi),
    delta: [count(RECORD_LAYER.bytesDelta), count(RECORD_LAYER.reverseBytesDelta)],
    total: [count(RECORD_LAYER.bytesTotal), count(RECORD_LAYER.reverseBytesTotal)],
  };
}

function macOf(words: Uint32Array, at: number): string {
  return Buffer.from(new Uint8Array(words.slice(at, at + 2).buffer, 0, 6)).toString("hex");
}

function address(words: Uint32Array, at: number): string {
  const bytes = new Uint8Array(words.slice(at, at + 4).buffer);
  return bytes[10] === 255 ? bytes.slice(12).join(".") : Buffer.from(bytes).toString("hex");
}
