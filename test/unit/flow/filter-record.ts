// A record in plain words, as a row, and what a filter says of it: by texts, slowly, without a line of the agent's own.

import type { FilterConfig } from "../../../src/flow/filter-config.ts";
import { RECORD, RECORD_FLAG, RECORD_WORDS, SPAN_KIND } from "../../../src/flow/flow.ts";

/** What the first packet of a way had. */
export interface Measured {
  readonly dscp: readonly [name: string | undefined, number: number];
  readonly ecn: readonly [name: string, number: number];
  readonly ttl: number;
  readonly flowLabel: number;
  readonly icmp: IcmpMessage;
}

export interface IcmpMessage {
  readonly type: readonly [name: string | undefined, number: number];
  readonly code: readonly [name: string | undefined, number: number];
}

/** An address: eight groups of four hexadecimal digits, or dotted. */
export interface End {
  readonly address: string;
  readonly port: number;
}

export interface PlainRecord {
  readonly source: End;
  readonly destination: End;
  readonly transport: readonly [name: string, number: number];
  readonly direction: "forward" | "reverse" | "unknown";
  readonly ifindex: number;
  readonly mac: string | undefined;
  /** By name; undefined: none is known. */
  readonly connectionState: readonly [name: string, number: number] | undefined;
  /** Of each way, by name. */
  readonly tcpFlags: readonly [readonly string[], readonly string[]];
  readonly forward: Measured | undefined;
  readonly reverse: Measured | undefined;
  readonly packets: readonly [number, number];
  readonly bytes: readonly [number, number];
}

const FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
const KINDS = { forward: SPAN_KIND.client, reverse: SPAN_KIND.server, unknown: SPAN_KIND.internal };
const ICMP_PROTOCOLS: readonly number[] = [1, 58];

/** The row at `at` of words that are otherwise noise, so that a wrong offset shows. */
export function rowOf(record: PlainRecord, at: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(at + RECORD_WORDS).fill(0xa5a5a5a5);
  words.fill(0, at);
  const bytes = new Uint8Array(words.buffer, at * 4);
  bytes.set(octetsOf(record.source.address), RECORD.sourceAddress * 4);
  bytes.set(octetsOf(record.destination.address), RECORD.destinationAddress * 4);
  const isIcmp = ICMP_PROTOCOLS.includes(record.transport[1]);
  words[at + RECORD.ports] = record.source.port | (record.destination.port << 16);
  words[at + RECORD.communityPorts] = isIcmp ? 0x80 : (words[at + RECORD.ports] as number);
  const version = record.source.address.includes(".") ? 4 : 6;
  words[at + RECORD.identity] = record.transport[1] | (version << 8) | (KINDS[record.direction] << 16);
  words[at + RECORD.ifindex] = record.ifindex;
  let flags = 0;
  if (record.connectionState !== undefined) {
    flags |= RECORD_FLAG.hasTcp;
    bytes[RECORD.connectionState * 4] = record.connectionState[1];
  }
  if (record.mac !== undefined) {
    flags |= RECORD_FLAG.hasMac;
    bytes.set(
      record.mac.split(":").map((octet) => Number.parseInt(octet, 16)),
      RECORD.sourceMac * 4,
    );
  }
  for (const [way, measured] of [record.forward, record.reverse].entries()) {
    const union = record.tcpFlags[way]?.reduce((bits, name) => bits | (1 << FLAGS.indexOf(name)), 0) ?? 0;
    bytes[RECORD.octets * 4 + way] = union;
    write64(words, at + RECORD.packetsTotal + way * 8, record.packets[way] ?? 0);
    write64(words, at + RECORD.bytesTotal + way * 8, record.bytes[way] ?? 0);
    if (measured === undefined) continue;
    flags |= way === 0 ? RECORD_FLAG.hasForward : RECORD_FLAG.hasReverse;
    bytes[RECORD.octets * 4 + 2 + way] = (measured.dscp[1] << 2) | measured.ecn[1];
    bytes[RECORD.ttl * 4 + way] = measured.ttl;
    words[at + RECORD.flowLabel + way] = measured.flowLabel;
    bytes[RECORD.icmp * 4 + way * 2] = measured.icmp.type[1];
    bytes[RECORD.icmp * 4 + way * 2 + 1] = measured.icmp.code[1];
  }
  words[at + RECORD.flags] = flags;
  return words;
}

/** Whether the record is told: every dimension by the texts of its attributes. */
export function acceptsPlainly(
  config: FilterConfig,
  record: PlainRecord,
  interfaceName: (ifindex: number) => string | undefined,
): boolean {
  const { network, flow } = config;
  const { mac, packets, bytes } = record;
  const first = record.forward ?? record.reverse;
  const isIcmp = ICMP_PROTOCOLS.includes(record.transport[1]);
  const isIpv6 = record.source.address.includes(":");
  const name = interfaceName(record.ifindex);
  return (
    acceptsEnds(config, record) &&
    passes(network.interface_name, some(name), isGlobOf) &&
    passes(network.interface_index, some(record.ifindex || undefined), isNumberIn) &&
    passes(network.interface_mac, some(mac), isSame) &&
    passes(flow.direction, [record.direction], isSame) &&
    passes(flow.connection_state, some(record.connectionState?.[0]), isSame) &&
    passes(flow.tcp_flags_tags, record.tcpFlags.flat(), isSame) &&
    passes(flow.ip_dscp_name, some(first?.dscp[0]), isSame) &&
    passes(flow.ip_ecn_name, some(first?.ecn[0]), isSame) &&
    passes(flow.ip_ttl, some(first?.ttl), isNumberIn) &&
    passes(flow.ip_flow_label, some(isIpv6 ? first?.flowLabel : undefined), isNumberIn) &&
    passes(flow.icmp_type_name, some(isIcmp ? first?.icmp.type[0] : undefined), isSame) &&
    passes(flow.icmp_code_name, some(isIcmp ? first?.icmp.code[0] : undefined), isSame) &&
    packets[0] + packets[1] >= flow.min_packets &&
    bytes[0] + bytes[1] >= flow.min_bytes
  );
}

/** The dimensions that the kernel knows, as the record is oriented. */
export function acceptsEnds(
  { source, destination, network }: FilterConfig,
  record: Pick<PlainRecord, "source" | "destination" | "transport">,
): boolean {
  return (
    passes(source.address, [record.source.address], isInside) &&
    passes(destination.address, [record.destination.address], isInside) &&
    passes(source.port, [record.source.port], isNumberIn) &&
    passes(destination.port, [record.destination.port], isNumberIn) &&
    passes(network.transport, [...record.transport], isSame) &&
    passes(network.type, [record.source.address.includes(":") ? "ipv6" : "ipv4"], isSame)
  );
}

type Entry = string | number;

function passes(
  { match, not_match }: { readonly match: readonly Entry[]; readonly not_match: readonly Entry[] },
  values: readonly Entry[],
  is: (value: Entry, entry: Entry) => boolean,
): boolean {
  const isIn = (entries: readonly Entry[]): boolean =>
    entries.some((entry) => values.some((value) => is(value, entry)));
  return !isIn(not_match) && (match.length === 0 || isIn(match));
}

function some<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}

function isSame(value: Entry, entry: Entry): boolean {
  return String(value).toLowerCase() === String(entry).toLowerCase();
}

function isNumberIn(value: Entry, entry: Entry): boolean {
  const [least, most] = String(entry).split("-").map(Number);
  return Number(value) >= Number(least) && Number(value) <= Number(most ?? least);
}

/** Only `*` at the end, which is all that the test writes. */
function isGlobOf(value: Entry, entry: Entry): boolean {
  const pattern = String(entry);
  return pattern.endsWith("*") ? String(value).startsWith(pattern.slice(0, -1)) : value === pattern;
}

/** Bit by bit, of one family. */
function isInside(value: Entry, entry: Entry): boolean {
  const [network = "", length] = String(entry).split("/");
  if (network.includes(":") !== String(value).includes(":")) return false;
  const [address, prefix] = [bitsOf(String(value)), bitsOf(network)];
  const bits = length === undefined ? prefix.length : Number(length);
  return address.slice(0, bits) === prefix.slice(0, bits);
}

function bitsOf(address: string): string {
  return address.includes(":")
    ? address
        .split(":")
        .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0"))
        .join("")
    : address
        .split(".")
        .map((octet) => Number(octet).toString(2).padStart(8, "0"))
        .join("");
}

/** 16 bytes, IPv4 mapped. */
export function octetsOf(address: string): readonly number[] {
  const bits = bitsOf(address)
    .padStart(address.includes(":") ? 128 : 48, "1")
    .padStart(128, "0");
  return Array.from({ length: 16 }, (_, i) => Number.parseInt(bits.slice(i * 8, i * 8 + 8), 2));
}

function write64(words: Uint32Array, at: number, value: number): void {
  words[at] = value >>> 0;
  words[at + 1] = Math.floor(value / 2 ** 32);
}
