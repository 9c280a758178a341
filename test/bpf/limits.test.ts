import { describe, expect, test } from "bun:test";
import { frame, ip } from "../support/packets.ts";
import { TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const RING_BYTES = 4096;
const FLOWS = 200;

/** Bytes of a record in the ring: a header of 8, and the event. */
const OPENED_BYTES = 8 + 64;

function packet(port: number): Uint8Array {
  return frame(ip("10.0.0.1", "10.0.0.2", udp([port, 53], 12)));
}

describe("a full ring", () => {
  test("loses events, counted, and not one flow or packet", () => {
    using bench = new Bench({ ringBufferBytes: RING_BYTES });
    const counts = bench.counting(() => {
      for (let port = 1; port <= FLOWS; port++) bench.runOrRefuse(packet(port));
    });
    const events = bench.events();
    expect(events.length).toBe(Math.floor((RING_BYTES - 1) / OPENED_BYTES));
    expect(counts).toEqual({ accounted: [FLOWS, FLOWS * 40], ring_full: [FLOWS - events.length, 0] });
    const ports = bench.flows().map((flow) => flow.lowPort);
    expect(ports.sort((left, right) => left - right)).toEqual(
      Array.from({ length: FLOWS }, (_, index) => index + 1),
    );
  });

  test("keeps the base of a life whose end could not be sent", () => {
    using bench = new Bench({ ringBufferBytes: RING_BYTES, isReplay: true });
    const opening = frame(ip("10.0.0.1", "10.0.0.2", tcp([1, 80], { flags: TCP_FLAG.syn })));
    const reset = frame(ip("10.0.0.2", "10.0.0.1", tcp([80, 1], { flags: TCP_FLAG.rst })));
    bench.run(opening, { atNs: 1e12 });
    bench.run(reset, { atNs: 1e12 });
    for (let port = 1; port <= FLOWS; port++) bench.runOrRefuse(packet(port), { atNs: 1e12 });
    expect(bench.run(opening, { atNs: 1e12 })).toEqual({ accounted: [1, 40], ring_full: [1, 0] });
    const flow = bench.flows().find(({ protocol }) => protocol === 6);
    expect(flow).toMatchObject({ incarnation: 1, basePackets: [1, 1], baseBytes: [40, 40] });
    expect(bench.events().every((event) => event.size === 64)).toBe(true);
  });

  test("takes events again once it was read", () => {
    using bench = new Bench({ ringBufferBytes: RING_BYTES });
    for (let port = 1; port <= FLOWS; port++) bench.runOrRefuse(packet(port));
    bench.events();
    expect(bench.run(packet(FLOWS + 1))).toEqual({ accounted: [1, 40] });
    expect(bench.events()).toMatchObject([{ lowPort: FLOWS + 1, size: 64 }]);
  });
});

describe("a full table", () => {
  test("counts each packet of a flow that has no room, and goes on with those that have", () => {
    using bench = new Bench({ tableCapacity: 1 });
    expect(bench.run(packet(1))).toEqual({ accounted: [1, 40] });
    for (let port = 2; port < 20; port++) expect(bench.run(packet(port))).toEqual({ map_full: [1, 40] });
    expect(bench.run(packet(5), { gsoSegments: 3 })).toEqual({ map_full: [3, 96] });
    expect(bench.run(packet(1))).toEqual({ accounted: [1, 40] });
    expect(bench.flow()).toMatchObject({ lowPort: 1, ways: [{ packets: 2 }, { packets: 0 }] });
    expect(bench.events().length).toBe(1);
    bench.reset();
    expect(bench.run(packet(7))).toEqual({ accounted: [1, 40] });
  });
});
