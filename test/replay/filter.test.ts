// [filter.*] over captures: every packet is told, or counted as left out by the program or by the agent.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { compileKernelFilter } from "../../src/flow/filter-kernel.ts";
import { frame, ip } from "../support/packets.ts";
import { icmp, icmpv6, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { configs } from "../unit/flow/filter-arbitraries.ts";
import { pcap, type Written } from "./pcap-writer.ts";
import { accountedFor, type Replayed, type ReplaySettings, replayFile } from "./replayed.ts";
import { writeTemporaryFile } from "./temporary-file.ts";

const START = 1_700_000_000_000_000_000n;
const IPV6_A = "2001:0db8:0000:0000:0000:0000:0000:0001";
const IPV6_B = "2001:0db9:0000:0000:0000:0000:0000:0000";
const IPV6_C = "fe80:0000:0000:0000:0000:0000:8000:0001";
const NS = { isLittle: true, magic: 0xa1b23c4d, linkType: 1 } as const;

/** A question and two answers in each conversation, 100 ms apart. */
const CONVERSATIONS = [
  [ip("10.0.0.1", "10.0.0.2", udp([40000, 80])), ip("10.0.0.2", "10.0.0.1", udp([80, 40000], 10))],
  [ip("10.0.0.1", "11.0.0.0", udp([40000, 443])), ip("11.0.0.0", "10.0.0.1", udp([443, 40000], 10))],
  [
    ip("10.0.0.2", "128.0.0.1", tcp([40000, 22], { flags: TCP_FLAG.syn })),
    ip("128.0.0.1", "10.0.0.2", tcp([22, 40000], { flags: TCP_FLAG.rst })),
  ],
  [ip("10.0.0.1", "10.0.0.2", icmp({ type: 8 })), ip("10.0.0.2", "10.0.0.1", icmp({ type: 0 }))],
  [ip(IPV6_A, IPV6_B, udp([40000, 81])), ip(IPV6_B, IPV6_A, udp([81, 40000]))],
  [ip(IPV6_A, IPV6_C, icmpv6({ type: 128 })), ip(IPV6_C, IPV6_A, icmpv6({ type: 129 }))],
] as const;

const PACKETS: readonly Written[] = CONVERSATIONS.flatMap(([question, answer]) => [
  question,
  answer,
  answer,
]).map((packet, index) => ({ bytes: frame(packet), time: START + BigInt(index) * 100_000_000n }));

async function replay(settings: ReplaySettings): Promise<Replayed> {
  using file = writeTemporaryFile(pcap(PACKETS, NS));
  return await replayFile(file.path, settings);
}

function packetsTold({ records }: Replayed): number {
  return records.reduce((sum, { forward, reverse }) => sum + forward.packets + reverse.packets, 0);
}

test("what is told and what is left out add up, whatever the filter", async () => {
  const seen = { told: 0, byAgent: 0, byKernel: 0 };
  for (const config of fc.sample(configs, { numRuns: 30, seed: 3 })) {
    const replayed = await replay({ filter: { ...config } });
    const told = packetsTold(replayed);
    const byAgent = replayed.table.packetsFiltered;
    const byKernel = replayed.counters["filtered"] ?? 0;
    expect(told + byAgent + byKernel).toBe(PACKETS.length);
    expect(accountedFor(replayed)).toBe(PACKETS.length);
    if (compileKernelFilter(config) === undefined) expect(byKernel).toBe(0);
    seen.told += told;
    seen.byAgent += byAgent;
    seen.byKernel += byKernel;
  }
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(PACKETS.length);
});

test("a filter asks for the source, whichever end of the key that is", async () => {
  const replayed = await replay({ filter: { destination: { port: { match: [80, 22, "400-500"] } } } });
  const told = replayed.records.map(({ source, destination, destinationPort }) =>
    [source, destination, destinationPort].join(" "),
  );
  expect(told.toSorted()).toEqual(["10.0.0.1 10.0.0.2 80", "10.0.0.1 11.0.0.0 443", "10.0.0.2 128.0.0.1 22"]);
  const turned = await replay({ filter: { source: { port: { match: [80, 22, "400-500"] } } } });
  expect(turned.records).toEqual([]);
  expect(turned.table.packetsFiltered).toBe(9);
  expect(turned.table.recordsFiltered).toBe(3);
});

test("no packet of a capture has an interface", async () => {
  const named = await replay({ filter: { network: { interface_name: { match: ["*"] } } } });
  expect([named.records.length, named.table.packetsFiltered]).toEqual([0, PACKETS.length]);
  const indexed = await replay({ filter: { network: { interface_index: { match: ["0-9"] } } } });
  expect([indexed.records.length, indexed.table.packetsFiltered]).toEqual([0, PACKETS.length]);
});
