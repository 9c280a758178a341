// A table that fills says so before it is full: FLOW_EVENT_PRESSURE.

import { describe, expect, test } from "bun:test";
import { frame, ip } from "../support/packets.ts";
import { udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import type { FlowEvent } from "./decode.ts";

const RING_BYTES = 4096;
const FLOWS = 200;
const PRESSURE = 4;
const START = 1e15;

function packet(port: number): Uint8Array {
  return frame(ip("10.0.0.1", "10.0.0.2", udp([port, 53], 12)));
}

/** The entries in use that pressure events tell. */
function pressureOf(events: readonly FlowEvent[]): readonly number[] {
  return events.filter(({ kind }) => kind === PRESSURE).map(({ incarnation }) => incarnation);
}

describe("a table that fills", () => {
  const fill = (bench: Bench, first: number, last: number): void => {
    for (let port = first; port <= last; port++) bench.run(packet(port), { atNs: START + port });
  };

  test("says once a generation that more entries are in use than the mark, and of nothing else", () => {
    using bench = new Bench({ tableCapacity: 100, isReplay: true });
    bench.reader.setPressure(10);
    fill(bench, 1, 10);
    expect(pressureOf(bench.events())).toEqual([]);
    fill(bench, 1, 10);
    expect(bench.events()).toEqual([]);
    fill(bench, 11, 11);
    const [opened, pressure, ...others] = bench.events();
    expect(others).toEqual([]);
    expect(opened).toMatchObject({ kind: 1, lowPort: 11 });
    expect(pressure).toEqual({
      low: "0:0:0:0:0:0:0:0",
      lowPort: 0,
      high: "0:0:0:0:0:0:0:0",
      highPort: 0,
      protocol: 0,
      ipVersion: 0,
      keyVlan: 0,
      keyTunnelId: 0,
      icmpPairing: 0,
      size: 64,
      kind: PRESSURE,
      way: 0,
      timeNs: START + 11,
      tcpFlags: [0, 0],
      incarnation: 11,
    });
    fill(bench, 12, 20);
    expect(pressureOf(bench.events())).toEqual([]);
    bench.reader.beginScan();
    fill(bench, 1, 20);
    expect(bench.events()).toEqual([]);
    fill(bench, 21, 23);
    expect(pressureOf(bench.events())).toEqual([21]);
  });

  test("counts what was taken out, and nothing that found no room", () => {
    using bench = new Bench({ tableCapacity: 20, isReplay: true });
    bench.reader.setPressure(10);
    fill(bench, 1, 30);
    expect(bench.reader.entriesUsed()).toBe(20);
    bench.reset();
    expect([bench.reader.entriesUsed(), bench.flows()]).toEqual([0, []]);
    fill(bench, 101, 110);
    expect(pressureOf(bench.events())).toEqual([]);
    fill(bench, 111, 112);
    expect(pressureOf(bench.events())).toEqual([11]);
    expect(bench.reader.entriesUsed()).toBe(12);
  });

  test("says nothing without a mark", () => {
    using bench = new Bench({ tableCapacity: 20, isReplay: true });
    fill(bench, 1, 30);
    expect(pressureOf(bench.events())).toEqual([]);
  });

  test("counts what it could not say", () => {
    using bench = new Bench({ ringBufferBytes: RING_BYTES, isReplay: true });
    bench.reader.setPressure(FLOWS);
    fill(bench, 1, FLOWS);
    expect(bench.run(packet(FLOWS + 1))).toEqual({ accounted: [1, 40], ring_full: [2, 0] });
    bench.events();
    bench.reader.beginScan();
    bench.run(packet(FLOWS + 2));
    expect(pressureOf(bench.events())).toEqual([FLOWS + 2]);
  });
});
