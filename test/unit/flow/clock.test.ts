// The wall clock is set, and the host suspended, while flows go on. Times are held against those of a clock that is right.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { newTable, type RecordFields, scan } from "./driver.ts";
import { KernelModel, keyOf, OFFSET_NS, SECOND } from "./kernel-model.ts";

const KEY = keyOf({ protocol: 17, highPort: 53 });
const [INTERVAL, HOUR] = [10, 3600];

/** By how many seconds the wall clock is ahead of the right one, from which second of CLOCK_MONOTONIC on. */
type Setting = readonly [atSecond: number, ahead: number];

interface Told {
  readonly start: number;
  readonly end: number;
  readonly packets: number;
  /** CLOCK_MONOTONIC of the scan that told it. */
  readonly at: number;
}

/** One flow with a packet each way a second, told every ten; records by the wall clock, in seconds. */
function tell(settings: readonly Setting[], seconds: number): readonly Told[] {
  const table = newTable({ timeouts: { maxRecordIntervalNs: INTERVAL * SECOND } });
  const kernel = new KernelModel();
  const told: Told[] = [];
  for (let second = 1; second <= seconds; second++) {
    kernel.packet(KEY, { way: 0, at: (second - 0.5) * SECOND });
    kernel.packet(KEY, { way: 1, at: (second - 0.4) * SECOND });
    const ahead = settings.findLast(([at]) => at <= second)?.[1] ?? 0;
    const records = scan(table, kernel, second * SECOND, OFFSET_NS + BigInt(Math.round(ahead * 1e9)));
    for (const record of records) told.push(toldOf(record, second, ahead));
  }
  return told;
}

/** The driver takes the offset away that the agent had: here it is given back. */
function toldOf({ start, end, delta }: RecordFields, at: number, ahead: number): Told {
  const [packets = 0, , reversePackets = 0] = delta;
  return { start: start / SECOND + ahead, end: end / SECOND + ahead, packets: packets + reversePackets, at };
}

function expectSound(told: readonly Told[]): void {
  const inOrder = told.toSorted((one, other) => one.start - other.start);
  for (const [i, { start, end, packets }] of inOrder.entries()) {
    expect(start).toBeLessThanOrEqual(end);
    expect(start).toBeGreaterThan(inOrder[i - 1]?.end ?? Number.NEGATIVE_INFINITY);
    expect(packets).toBeGreaterThan(0);
  }
}

const SITUATIONS: readonly {
  readonly name: string;
  readonly settings: readonly Setting[];
  /** Seconds of CLOCK_MONOTONIC from which on records have the right time again, by the clock as it is then. */
  readonly healed: number;
}[] = [
  { name: "set forward by an hour", settings: [[35, HOUR]], healed: 50 },
  { name: "set forward by half a second", settings: [[35, 0.5]], healed: 50 },
  { name: "set back by half a second", settings: [[35, -0.5]], healed: 50 },
  { name: "set back by less than a record", settings: [[35, -7]], healed: 55 },
  { name: "set back by more than the flow is old", settings: [[35, -HOUR]], healed: 50 },
  {
    name: "set back far, then a little more",
    settings: [
      [35, -HOUR],
      [65, -HOUR - 15],
    ],
    healed: 95,
  },
  { name: "set back by twice its age, until its time comes again", settings: [[100, -200]], healed: 310 },
  { name: "set back by half its age: told at its end until then", settings: [[100, -50]], healed: 160 },
  {
    name: "set forward and back, as by a wrong source of time: told at its end until time has passed that",
    settings: [
      [35, 100],
      [65, 0],
    ],
    healed: 180,
  },
  {
    name: "set back and forward",
    settings: [
      [35, -HOUR],
      [65, 0],
    ],
    healed: 80,
  },
  {
    name: "slewed back, a millisecond a second",
    settings: Array.from({ length: 300 }, (_, second) => [second, -second / 1000] as const),
    healed: 0,
  },
];

describe("records of one flow do not overlap, and have the right time again, where the clock is", () => {
  for (const { name, settings, healed } of SITUATIONS) {
    test(name, () => {
      const told = tell(settings, 400);
      expectSound(told);
      const late = told.filter(({ at }) => at >= healed);
      expect(late.length).toBeGreaterThan(5);
      for (const { end, at } of late) {
        const ahead = settings.findLast(([from]) => from <= at)?.[1] ?? 0;
        expect(end - ahead).toBeCloseTo(at - 0.4, 1);
      }
    });
  }
});

test("a flow that begins after the clock was set back has the right time at once", () => {
  const table = newTable({ timeouts: { maxRecordIntervalNs: SECOND } });
  const kernel = new KernelModel();
  kernel.packet(KEY, { way: 0, at: SECOND });
  scan(table, kernel, 2 * SECOND);
  const younger = keyOf({ protocol: 17, highPort: 54 });
  kernel.packet(younger, { way: 0, at: 3 * SECOND });
  const [record] = scan(table, kernel, 5 * SECOND, OFFSET_NS - 30_000_000_000n);
  expect(record).toMatchObject({ destinationPort: 54, start: 3 * SECOND, end: 3 * SECOND });
});

test("a suspended host's flow spans the time that it slept, and does not time out by it", () => {
  const table = newTable();
  const kernel = new KernelModel();
  kernel.packet(KEY, { way: 0, at: SECOND });
  scan(table, kernel, 2 * SECOND);
  // CLOCK_MONOTONIC stood still for eight hours.
  const slept = 8 * HOUR * SECOND;
  kernel.packet(KEY, { way: 1, at: 3 * SECOND });
  expect(scan(table, kernel, 4 * SECOND, OFFSET_NS + BigInt(slept))).toEqual([]);
  const [record] = scan(table, kernel, 63 * SECOND, OFFSET_NS + BigInt(slept));
  expect(record).toMatchObject({ start: SECOND - slept, end: 3 * SECOND, flowStart: SECOND - slept });
});

test("records never overlap, whenever the clock is set forward and once back", () => {
  const settings = fc
    .tuple(fc.nat(4 * HOUR), fc.integer({ min: 1, max: 150 }), fc.array(fc.nat(100), { maxLength: 4 }))
    .map(([back, backAt, forward]): Setting[] => {
      let ahead = 0;
      return [0, ...forward]
        .map((step, i): [number, number] => [i * 40, step])
        .concat([[backAt, -back]])
        .toSorted(([one], [other]) => one - other)
        .map(([at, step]): Setting => {
          ahead += step;
          return [at, ahead];
        });
    });
  fc.assert(
    fc.property(settings, (each) => expectSound(tell(each, 300))),
    { numRuns: 60 },
  );
});
