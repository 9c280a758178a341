// Every capture against two witnesses that share no code with us: tshark frame by frame, nfdump by flow.

import { expect, test } from "bun:test";
import { basename } from "node:path";
import { expectTsharksView } from "./agreement.ts";
import { type Capture, describeWithCaptures, listCaptures } from "./captures.ts";
import { askNfdump, sumUp } from "./nfdump.ts";
import { replayFile } from "./replayed.ts";
import { sightingsOf } from "./sighting.ts";

const TIMEOUT_MS = 60_000;

/**
 * Where a witness has another view than we and the other witness.
 * truncated-header.pcap: nfpcapd wants a whole TCP header with its options and says "short caplen: 1" of the one packet
 * whose options were cut off by the capture. Its first 20 bytes are there (RFC 9293, section 3.1), tshark reads them.
 */
const LEFT_OUT_BY_NFDUMP: Readonly<Record<string, number>> = { "truncated-header.pcap": 1 };

/** Why nfpcapd has another view of a capture; elsewhere it reads through tunnels as we do. */
const UNLIKE_NFDUMP: Readonly<Record<string, string>> = {
  "fragmented-1.pcap": "it counts a datagram, not its fragments",
  "fragmented-syn.pcap": "it counts a datagram, not its fragments",
  "geneve-ipv6.pcap": "it reads no Geneve",
  "geneve-many-options.pcap": "it reads no Geneve",
  "geneve.pcap": "it reads no Geneve",
  "gre-erspan3-dot1q.pcap": "it reads no ERSPAN",
  "gtp_ext_header.pcap": "it reads no GTP-U",
  "vxlan-encapsulated-http.pcap": "it reads no VXLAN",
  "vxlan-triple-v2.pcap": "it reads no VXLAN",
  "vxlan.pcap": "it reads no VXLAN",
};

const captures = listCaptures();

describeWithCaptures("replay of a capture", () => {
  for (const capture of captures) {
    test(`${capture.name}: conversations are tshark's`, () => expectTsharksView(capture.path), TIMEOUT_MS);
    const reason = UNLIKE_NFDUMP[basename(capture.name)];
    const view = reason === undefined ? "are nfdump's" : `are not nfdump's, ${reason}`;
    test(`${capture.name}: packets and bytes ${view}`, () => compareWithNfdump(capture), TIMEOUT_MS);
  }
});

async function compareWithNfdump({ name, path }: Capture): Promise<void> {
  const [{ records }, { sums, leftOut, hasExtensions }] = await Promise.all([
    replayFile(path),
    askNfdump(path),
  ]);
  const own = sumUp(records.flatMap(sightingsOf), hasExtensions);
  const file = basename(name);
  expect(leftOut).toBe(LEFT_OUT_BY_NFDUMP[file] ?? 0);
  if (file in UNLIKE_NFDUMP) expect(own).not.toEqual(sums);
  else if (leftOut === 0) expect(own).toEqual(sums);
  else expect(packetsOf(own)).toBe(packetsOf(sums) + leftOut);
}

function packetsOf(sums: Readonly<Record<string, { readonly packets: number }>>): number {
  return Object.values(sums).reduce((total, { packets }) => total + packets, 0);
}
