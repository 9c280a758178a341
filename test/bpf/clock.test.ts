// The time of packets that need no exact one: what their CPU read once in a timer tick.

import { expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import { frame, ip } from "../support/packets.ts";
import { udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const PACKET = frame(ip("10.0.0.1", "10.0.0.2", udp([1, 2], 12)));
/** Some ticks of any kernel's timer. */
const WHILE_NS = 50e6;
/** Each CPU has a reading of its own; a test that moves from one to the next is on one for the second time. */
const ROUNDS = availableParallelism() + 1;
const TIMEOUT_MS = 5000 + ROUNDS * 1000;

test(
  "a coarse time moves on with the clock, and is never ahead of it",
  () => {
    using bench = new Bench();
    const now = (): number => {
      const { monotonicHigh, monotonicLow } = bench.reader.clock();
      return monotonicHigh * 2 ** 32 + monotonicLow;
    };
    for (let round = 0; round < ROUNDS; round++) {
      // The first of a generation has an exact time.
      bench.run(PACKET);
      const begun = now();
      while (now() < begun + WHILE_NS) bench.run(PACKET);
      bench.run(PACKET);
      const ended = now();
      const { lastSeenNs } = bench.flow().ways[0];
      expect(lastSeenNs).toBeGreaterThan(begun);
      expect(lastSeenNs).toBeLessThanOrEqual(ended);
    }
  },
  TIMEOUT_MS,
);
