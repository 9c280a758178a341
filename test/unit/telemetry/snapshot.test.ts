import { describe, expect, test } from "bun:test";
import { createRecorder } from "../../../src/telemetry/snapshot.ts";
import { exporter, report, tableStats } from "./fixtures.ts";

const BUILD = { version: "1", commit: "c" };

describe("createRecorder", () => {
  test("ages the last report, from the start where there is none", () => {
    let time = 1000;
    const recorder = createRecorder({ build: BUILD, exporters: [], now: () => time });
    time = 1400;
    expect(Number(recorder.snapshot().reportAge)).toBe(400);
    expect(recorder.snapshot().report).toBeUndefined();
    recorder.record(report());
    time = 1450;
    expect(Number(recorder.snapshot().reportAge)).toBe(50);
    expect(recorder.snapshot().report).toEqual(report());
  });

  test("counts packets accounted and in no flow, and never takes any back", () => {
    const recorder = createRecorder({ build: BUILD, exporters: [] });
    // Told 90, of which 4 were settled and never accounted; 20 filtered, 14 pending: 100 accounted and 20 that
    // overflowed are all there.
    recorder.record(report({ accounted: 100 }));
    expect(recorder.snapshot().deleteRace).toBe(0);
    recorder.record(report({ accounted: 103 }));
    expect(recorder.snapshot().deleteRace).toBe(3);
    recorder.record(report({ accounted: 99 }));
    expect(recorder.snapshot().deleteRace).toBe(3);
    recorder.record({ ...report({ accounted: 105 }), table: { ...tableStats(), packetsPending: 15 } });
    expect(recorder.snapshot().deleteRace).toBe(4);
    recorder.record({ ...report({ accounted: 110 }), table: { ...tableStats(), packetsAbsent: 5 } });
    expect(recorder.snapshot().deleteRace).toBe(5);
    recorder.record({ ...report({ accounted: 100 }), table: { ...tableStats(), packetsOverflow: 27 } });
    expect(recorder.snapshot().deleteRace).toBe(7);
    recorder.record({ ...report({ accounted: 100 }), table: { ...tableStats(), packetsFiltered: 12 } });
    expect(recorder.snapshot().deleteRace).toBe(8);
  });

  test("asks the exporters each time, and tells why one has failed", async () => {
    const [otlp, stdout] = [exporter("otlp"), exporter("stdout")];
    const recorder = createRecorder({ build: BUILD, exporters: [otlp, stdout] });
    stdout.fail(new Error("closed pipe"));
    await stdout.failure;
    expect(recorder.snapshot().exporters.map(({ name, failure }) => [name, failure])).toEqual([
      ["otlp", undefined],
      ["stdout", "closed pipe"],
    ]);
  });
});
