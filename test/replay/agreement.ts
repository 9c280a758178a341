// A replay of a file held against what tshark says of its frames.

import { expect } from "bun:test";
import { expectedSurroundings, toldSurroundings } from "./expected-details.ts";
import { accountedFor, type Replayed, replayFile } from "./replayed.ts";
import { conversationKey, endsOf } from "./sighting.ts";
import { tallyRecords } from "./tally.ts";
import { askTshark, type Witnessed } from "./tshark.ts";

/**
 * Expects every packet told or counted, and every conversation as tshark sees it: packets, bytes, TCP flags, times,
 * Community ID, fragments, the headers around it, and the counters of what was not read.
 */
export async function expectTsharksView(path: string): Promise<void> {
  const [replayed, witness] = await Promise.all([replayFile(path), askTshark(path)]);
  expect(replayed.error).toBeUndefined();
  expect(replayed.packets).toBe(witness.frames);
  expectEveryPacketAccounted(replayed);
  expect(tallyRecords(replayed.records)).toEqual(witness.conversations);
  const { accounted: _, ...counters } = replayed.counters;
  expect(counters).toEqual(witness.counters);
  expect(witness.disputedIds).toEqual([]);
  expectSurroundings(replayed, witness);
}

/** Of the first record of each conversation: what comes after an end has a first packet of its own. */
function expectSurroundings({ records }: Replayed, { members }: Witnessed): void {
  const told = new Map<string, unknown>();
  const expected = new Map<string, unknown>();
  for (const record of records) {
    const key = conversationKey(endsOf(record), record.communityId);
    const [first, ...others] = members[key] ?? [];
    if (first === undefined || told.has(key)) continue;
    told.set(key, toldSurroundings(record));
    expected.set(key, expectedSurroundings(record, [first, ...others]));
  }
  expect(told.size).toBe(Object.keys(members).length);
  expect(told).toEqual(expected);
}

function expectEveryPacketAccounted(replayed: Replayed): void {
  const { records, table, counters } = replayed;
  const told = records.reduce((sum, { forward, reverse }) => sum + forward.packets + reverse.packets, 0);
  expect(accountedFor(replayed)).toBe(replayed.packets);
  expect(told).toBe((counters["accounted"] ?? 0) + (counters["overflow"] ?? 0));
  expect(table.packetsTold).toBe(told);
  expect([table.packetsPending, table.packetsAbsent, table.livesMerged, table.active]).toEqual([0, 0, 0, 0]);
  expect(counters["ring_full"] ?? 0).toBe(0);
}
