// Programs that outlive their agent: once its heartbeat is old, packets pass unseen.

import { describe, expect, test } from "bun:test";
import { frame, ip } from "../support/packets.ts";
import { udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const PACKET = frame(ip("10.0.0.1", "10.0.0.2", udp([1, 2], 12)));
const DEADLINE_MS = 5000;

describe("a program without its agent", () => {
  test("counts nothing once its heartbeat is older than it may be, and everything again after the next", () => {
    using bench = new Bench({ orphanAfterMs: 50 });
    expect(bench.run(PACKET)).toHaveProperty("accounted");
    const deadline = performance.now() + DEADLINE_MS;
    while (Object.keys(bench.run(PACKET)).length > 0) expect(performance.now()).toBeLessThan(deadline);
    expect(bench.run(PACKET, { egress: true })).toEqual({});
    bench.reader.beginScan();
    expect(bench.run(PACKET)).toHaveProperty("accounted");
  });

  test("counts for ever where no time is set", () => {
    using bench = new Bench();
    const until = performance.now() + 100;
    while (performance.now() < until) expect(bench.run(PACKET)).toHaveProperty("accounted");
  });
});
