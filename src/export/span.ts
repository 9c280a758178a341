// What a span says outside its attributes, name and kind, and what they share with them. Ids and times are read where they are written.

import { RECORD, SPAN_KIND } from "../flow/flow.ts";
import { protocolName } from "../flow/names.ts";
import { formatIpv4, formatIpv6, writeIpv4 } from "../lib/address.ts";
import type { RecordRow } from "./row.ts";

/** `network.type` by IP version. */
export function networkType(ipVersion: number): "ipv4" | "ipv6" {
  return ipVersion === 4 ? "ipv4" : "ipv6";
}

/** The text of an address in packets of that IP version; 16 octets are read from `offset`. */
export function formatAddress(octets: Uint8Array, offset: number, ipVersion: number): string {
  return ipVersion === 4 ? formatIpv4(octets, offset) : formatIpv6(octets, offset);
}

/** Writes the text of the record's address at `word` as ASCII at `at`. @returns its length */
export function writeAddress(row: RecordRow, word: number, octets: Uint8Array, at: number): number {
  const offset = row.octetOffset(word);
  if (row.ipVersion === 4) return writeIpv4(row.octets, offset, octets, at);
  const text = formatIpv6(row.octets, offset);
  for (let i = 0; i < text.length; i++) octets[at + i] = text.charCodeAt(i);
  return text.length;
}

/** `10.0.0.1:443`, `[2001:db8::1]:443`, and without the port where the protocol has none. */
export function formatEndpoint(row: RecordRow, end: "source" | "destination"): string {
  const word = end === "source" ? RECORD.sourceAddress : RECORD.destinationAddress;
  const address = formatAddress(row.octets, row.octetOffset(word), row.ipVersion);
  const ports = row.word(RECORD.ports);
  if (ports === 0) return address;
  const port = end === "source" ? ports & 0xffff : ports >>> 16;
  return row.ipVersion === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}

/** The span's name: `flow_<network.type>_<network.transport>`. */
export function spanName(row: RecordRow): string {
  const names = row.ipVersion === 4 ? IPV4_NAMES : IPV6_NAMES;
  return names[row.protocol] ?? "";
}

/** The span's kind as ndjson says it. */
export function spanKindName(row: RecordRow): "CLIENT" | "SERVER" | "INTERNAL" {
  if (row.spanKind === SPAN_KIND.client) return "CLIENT";
  return row.spanKind === SPAN_KIND.server ? "SERVER" : "INTERNAL";
}

const IPV4_NAMES = names("ipv4");
const IPV6_NAMES = names("ipv6");

function names(type: string): readonly string[] {
  return Array.from({ length: 256 }, (_, protocol) => `flow_${type}_${protocolName(protocol)}`);
}
