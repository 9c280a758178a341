// A flow table for this host: timeouts from the config, direction from its interfaces and sockets.

import type { Role } from "./capture/links.ts";
import type { Listeners } from "./capture/listeners.ts";
import { DEFAULT_PORT_RANGE } from "./capture/namespace-sockets.ts";
import type { SpanConfig } from "./flow/config.ts";
import { FlowTable, type FlowTableOptions } from "./flow/table.ts";

const NS_PER_MS = 1e6;

/** What tells which side of the node an interface faces. */
export interface Roles {
  roleOf(ifindex: number): Role;
}

/** What else a table may be given; the defaults are its own. */
export type TableParts = Pick<
  FlowTableOptions,
  "mapCapacity" | "maySeekNews" | "samplingRate" | "filter" | "findDetails" | "findFlow" | "exported"
>;

/** @param listeners undefined: a capture of another host, whose sockets nobody knows */
export function createFlowTable(
  span: SpanConfig,
  roles: Roles,
  listeners: Listeners | undefined,
  parts: TableParts = {},
): FlowTable {
  const timeouts = {
    tcpNs: span.tcp_timeout * NS_PER_MS,
    udpNs: span.udp_timeout * NS_PER_MS,
    icmpNs: span.icmp_timeout * NS_PER_MS,
    genericNs: span.generic_timeout * NS_PER_MS,
    tcpFinNs: span.tcp_fin_timeout * NS_PER_MS,
    tcpRstNs: span.tcp_rst_timeout * NS_PER_MS,
    maxRecordIntervalNs: span.max_record_interval * NS_PER_MS,
  };
  const context = {
    isListening: (protocol: number, port: number, words: Uint32Array, at: number, behind: number): boolean =>
      listeners?.isListening(protocol, port, words, at, behind) ?? false,
    isLocalAddress: (words: Uint32Array, at: number): boolean =>
      listeners?.isLocalAddress(words, at) ?? false,
    roleOf: (ifindex: number): Role => roles.roleOf(ifindex),
    get revision(): number {
      return listeners?.revision ?? 0;
    },
    get localPortRange(): readonly [number, number] {
      return listeners?.localPortRange ?? DEFAULT_PORT_RANGE;
    },
  };
  return new FlowTable({ timeouts, context, ...parts });
}
