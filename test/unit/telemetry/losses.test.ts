import { describe, expect, test } from "bun:test";
import { COUNTER_NAMES } from "../../../src/capture/stats.ts";
import { DROP_REASONS } from "../../../src/export/exporter-stats.ts";
import { listLosses } from "../../../src/telemetry/losses.ts";
import { captureStats, EXPORTER_STATS, snapshot, tableStats } from "./fixtures.ts";

function nonZero(changes: Parameters<typeof snapshot>[0]) {
  const losses = listLosses(snapshot(changes)).filter(({ count }) => count !== 0);
  return losses.map(({ stage, reason, count }) => `${stage} ${reason} ${count}`);
}

/** In a flow, seen twice, not IP, left out on purpose, or counted under another name too. */
const NO_LOSS = {
  accounted: 5,
  duplicate: 6,
  taken_over: 7,
  not_ip: 8,
  overflow: 9,
  filtered: 10,
  sampled_out: 11,
  fragment_reordered: 12,
} as const;

describe("listLosses", () => {
  test("counts no packet as lost that is told, was seen twice, is not IP, or was left out on purpose", () => {
    const report = { capture: captureStats(NO_LOSS), table: tableStats() };
    expect(nonZero({ report, exporters: [] })).toEqual([]);
  });

  test("counts what was told only in part: fragments, unread encapsulations, details without room", () => {
    const capture = captureStats({
      fragment: 1,
      fragment_encapsulated: 2,
      encapsulated_unread: 3,
      details_full: 4,
    });
    expect(nonZero({ report: { capture, table: tableStats() }, exporters: [] })).toEqual([
      "kernel fragment 1",
      "kernel fragment_encapsulated 2",
      "kernel encapsulated_unread 3",
      "kernel details_full 4",
    ]);
  });

  test("counts every other reason of the kernel under its name", () => {
    const reasons = COUNTER_NAMES.filter((name) => !(name in NO_LOSS));
    expect(reasons.length).toBeGreaterThan(10);
    for (const reason of reasons) {
      const report = { capture: captureStats({ [reason]: 3 }), table: tableStats() };
      expect(nonZero({ report, exporters: [] })).toEqual([
        `${reason === "ring_full" ? "ring" : "kernel"} ${reason} 3`,
      ]);
    }
  });

  test("counts what was refused between the threads, removed too early, of another layout, or too short to replay", () => {
    const capture = { ...captureStats(), recordsRefused: 9, shortPackets: 4, packetsSetOff: 8 };
    const table = { ...tableStats(), absent: 1, packetsAbsent: 6, livesMerged: 5 };
    expect(nonZero({ report: { capture, table }, exporters: [], deleteRace: 2 })).toEqual([
      "kernel delete_race 2",
      "kernel schema_upgrade 8",
      "kernel short_packet 4",
      "table entry_gone 6",
      "table lives_merged 5",
      "decorate records_refused 9",
    ]);
  });

  test("counts an exporter's drops at the queue or at the export, each reason once and none forgotten", () => {
    const dropped = Object.fromEntries(DROP_REASONS.map((reason, index) => [reason, index + 1]));
    const stats = { ...EXPORTER_STATS, dropped };
    const exporters = ["a", "b"].map((name) => ({ name, stats, failure: undefined }));
    const losses = listLosses(snapshot({ report: undefined, exporters }));
    expect(losses.map(({ reason }) => reason).toSorted()).toEqual(DROP_REASONS.toSorted());
    expect(losses.map(({ reason, count }) => [reason, count] as const)).toEqual(
      DROP_REASONS.map((reason, index) => [reason, 2 * (index + 1)] as const),
    );
    expect(losses.filter(({ stage }) => stage === "queue").map(({ reason }) => reason)).toEqual([
      "queue_full",
      "shutdown",
    ]);
  });
});
