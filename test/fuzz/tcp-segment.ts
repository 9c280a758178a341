// A segment of the TCP fuzzer, and its line in a report.

import { frame, ip } from "../support/packets.ts";
import { TCP_FLAG, tcp } from "../support/segments.ts";

export interface TcpSegment {
  /** 0: from the low end. */
  readonly way: 0 | 1;
  readonly atNs: number;
  /** The header's octet, and its bits. */
  readonly flags: number;
  readonly syn: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  readonly ack: boolean;
  readonly sequence: number;
  readonly acknowledgement: number;
  /** Bytes. */
  readonly payload: number;
}

/** What a segment is made of. */
export type TcpFields = Pick<
  TcpSegment,
  "way" | "atNs" | "flags" | "sequence" | "acknowledgement" | "payload"
>;

const LOW = "10.0.0.1";
const HIGH = "10.0.0.2";
const HIGH_PORT = 80;

export function segmentOf(fields: TcpFields): TcpSegment {
  const has = (flag: number): boolean => (fields.flags & flag) !== 0;
  const { syn, fin, rst, ack } = TCP_FLAG;
  return { ...fields, syn: has(syn), fin: has(fin), rst: has(rst), ack: has(ack) };
}

/** The frame of a segment of the connection whose low end has this port. */
export function frameOf(
  { way, flags, sequence, acknowledgement, payload }: TcpSegment,
  port: number,
): Uint8Array {
  const fields = { flags, sequence, acknowledgement };
  if (way === 0) return frame(ip(LOW, HIGH, tcp([port, HIGH_PORT], fields, payload)));
  return frame(ip(HIGH, LOW, tcp([HIGH_PORT, port], fields, payload)));
}

/** `way, µs after the first, flags, sequence, acknowledgement, bytes`. */
export function formatSegment(segment: TcpSegment, firstNs: number): string {
  const { way, atNs, flags, sequence, acknowledgement, payload } = segment;
  const names = Object.entries(TCP_FLAG).filter(([, bit]) => (flags & bit) !== 0);
  const text = names.map(([name]) => name).join("|") || "none";
  return `${way === 0 ? ">" : "<"} +${(atNs - firstNs) / 1000} ${text} ${sequence} ${acknowledgement} ${payload}`;
}
