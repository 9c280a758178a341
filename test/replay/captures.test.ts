// Every capture against two witnesses that share no code with us: tshark frame by frame, nfdump by flow.

import { expect, test } from "bun:test";
import { basename } from "node:path";
import { type Capture, describeWithCaptures, listCaptures, PENDING } from "./captures.ts";
import { askNfdump, sumUp } from "./nfdump.ts";
import { accountedFor, type Replayed, replayFile } from "./replayed.ts";
import { sightingsOf, tallyRecords } from "./tally.ts";
import { askTshark, type Witnessed } from "./tshark.ts";

const TIMEOUT_MS = 60_000;

/**
 * Where a witness has another view than we and the other witness.
 * truncated-header.pcap: nfpcapd wants a whole TCP header with its options and says "short caplen: 1" of the one packet
 * whose options were cut off by the capture. Its first 20 bytes are there (RFC 9293, section 3.1), tshark reads them.
 */
const LEFT_OUT_BY_NFDUMP: Readonly<Record<string, number>> = { "truncated-header.pcap": 1 };

const captures = listCaptures();

describeWithCaptures("replay of a capture", () => {
  test("every pending file is there", () => {
    const names = new Set(captures.map(({ name }) => basename(name)));
    expect(Object.keys(PENDING).filter((name) => !names.has(name))).toEqual([]);
  });

  for (const capture of captures) {
    const { name, pending } = capture;
    if (pending === undefined)
      test(`${name}: conversations are the witnesses'`, () => compare(capture), TIMEOUT_MS);
    else {
      test(
        `${name} (pending: ${pending}): every packet is told or counted`,
        async () => {
          await count(capture);
        },
        TIMEOUT_MS,
      );
    }
  }
});

interface Observed {
  readonly replayed: Replayed;
  readonly witness: Witnessed;
}

async function count({ path }: Capture): Promise<Observed> {
  const [replayed, witness] = await Promise.all([replayFile(path), askTshark(path)]);
  expect(replayed.error).toBeUndefined();
  expect(replayed.packets).toBe(witness.frames);
  expectEveryPacketAccounted(replayed);
  return { replayed, witness };
}

async function compare(capture: Capture): Promise<void> {
  const { replayed, witness } = await count(capture);
  expect(tallyRecords(replayed.records)).toEqual(witness.conversations);
  expect(replayed.counters["not_ip"] ?? 0).toBe(witness.notIp);

  const { sums, leftOut, hasExtensions } = await askNfdump(capture.path);
  const own = sumUp(replayed.records.flatMap(sightingsOf), hasExtensions);
  expect(leftOut).toBe(LEFT_OUT_BY_NFDUMP[basename(capture.name)] ?? 0);
  if (leftOut === 0) expect(own).toEqual(sums);
  else expect(packetsOf(own)).toBe(packetsOf(sums) + leftOut);
}

function packetsOf(sums: Readonly<Record<string, { readonly packets: number }>>): number {
  return Object.values(sums).reduce((total, { packets }) => total + packets, 0);
}

function expectEveryPacketAccounted(replayed: Replayed): void {
  const { records, table, counters } = replayed;
  const told = records.reduce((sum, { forward, reverse }) => sum + forward.packets + reverse.packets, 0);
  expect(accountedFor(replayed)).toBe(replayed.packets);
  expect(told).toBe(counters["accounted"] ?? 0);
  expect(table.packetsTold).toBe(told);
  expect([table.packetsPending, table.packetsAbsent, table.livesMerged, table.active]).toEqual([0, 0, 0, 0]);
  expect(counters["ring_full"] ?? 0).toBe(0);
}
