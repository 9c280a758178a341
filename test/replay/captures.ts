// The captures that are replayed, and those whose truth needs more than is read today.

import { describe } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";

/** Where the captures are: MERMIN_PCAPS, or beside the repository. */
const FOLDER = Bun.env["MERMIN_PCAPS"] ?? join(import.meta.dir, "../../../shared/pcaps");

/**
 * `describe` for tests that need the captures: skipped, with the reason, where there are none, because they are no part
 * of the repository.
 */
export const describeWithCaptures: typeof describe | typeof describe.skip = existsSync(FOLDER)
  ? describe
  : skipWithReason();

function skipWithReason(): typeof describe.skip {
  console.warn(`skipped: no captures at ${FOLDER}; set MERMIN_PCAPS to the folder that holds them`);
  return describe.skip;
}

/**
 * Files whose flows are those of an inner layer, or of joined fragments. They are replayed and every packet is
 * accounted for, but their flows are not yet the witness's.
 */
export const PENDING: Readonly<Record<string, string>> = {
  "4in4.pcap": "IPv4 in IPv4",
  "4in6.pcap": "IPv4 in IPv6",
  "6in4.pcap": "IPv6 in IPv4",
  "6in6.pcap": "IPv6 in IPv6",
  "fragmented-1.pcap": "later fragments are joined to their flow by IP id",
  "fragmented-syn.pcap": "the TCP header is spread over fragments",
  "geneve-ipv6.pcap": "Geneve",
  "geneve-many-options.pcap": "Geneve",
  "geneve-truncated.pcapng": "Geneve",
  "geneve.pcap": "Geneve",
  "gre-erspan3-dot1q.pcap": "ERSPAN in GRE",
  "gre-sample.pcap": "GRE",
  "gtp_ext_header.pcap": "GTP-U",
  "ipv6-fragmented-dns.pcap": "later fragments are joined to their flow by IP id",
  "mpls-in-vlan.pcap": "MPLS",
  "pppoe.pcap": "PPPoE",
  "vxlan-encapsulated-http.pcap": "VXLAN",
  "vxlan-triple-v2.pcap": "VXLAN",
  "vxlan.pcap": "VXLAN",
};

/** A capture file. */
export interface Capture {
  /** Folder and name, for the test's name. */
  readonly name: string;
  readonly path: string;
  /** Why its flows are not compared; undefined where they are. */
  readonly pending: string | undefined;
}

/** Every capture file of the folder and the folders in it; none where it is missing. */
export function listCaptures(): readonly Capture[] {
  if (!existsSync(FOLDER)) return [];
  return readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.pcap(ng)?$/.test(name))
    .toSorted()
    .map((name) => ({ name, path: capturePath(name), pending: PENDING[basename(name)] }));
}

/** The path of a capture, or of what lies beside them. */
export function capturePath(name: string): string {
  return join(FOLDER, name);
}
