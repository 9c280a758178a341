import { expect, test } from "bun:test";
import fc from "fast-check";
import { WAY, WAY_WORDS } from "../../src/capture/record.ts";
import { RECORD, type RecordFilter } from "../../src/flow/flow.ts";
import { FlowSlots } from "../../src/flow/slots.ts";
import type { TableStats } from "../../src/flow/stats.ts";
import { fieldsOf, newTable, type RecordFields, scanWith } from "../unit/flow/driver.ts";
import { ACK, FIN, KernelModel, keyOf, OFFSET_NS, RST, SECOND, SYN } from "../unit/flow/kernel-model.ts";

const KEYS = [0, 1, 2, 3, 4, 5].map((i) => keyOf({ lowPort: 40000 + i, protocol: i < 4 ? 6 : 17 }));
const FLAGS = [ACK, ACK, ACK, SYN, SYN | ACK, FIN | ACK, RST];

/** What a tunnelled or fragmented packet has beside. */
interface Outer {
  readonly overhead?: [tunnel: number, ipip: number];
  readonly fragments?: number;
}

type Step =
  | {
      readonly kind: "packet";
      readonly key: number;
      readonly way: 0 | 1;
      readonly packets: number;
      readonly bytes: number;
      readonly flags: number;
      readonly outer?: Outer | undefined;
    }
  | { readonly kind: "wait"; readonly ns: number }
  | { readonly kind: "scan"; readonly late: number }
  | { readonly kind: "lose" }
  | { readonly kind: "hold"; readonly key: number; readonly way: 0 | 1; readonly delayMs: number };

const outer: fc.Arbitrary<Outer> = fc.record(
  {
    overhead: fc.tuple(fc.integer({ min: 1, max: 2 ** 33 }), fc.nat(60)),
    fragments: fc.integer({ min: 1, max: 40 }),
  },
  { requiredKeys: [] },
);
const packetStep = fc.record({
  kind: fc.constant("packet" as const),
  key: fc.nat(KEYS.length - 1),
  way: fc.constantFrom(0 as const, 1 as const),
  packets: fc.integer({ min: 1, max: 70000 }),
  bytes: fc.integer({ min: 40, max: 2 ** 34 }),
  flags: fc.constantFrom(...FLAGS),
  outer: fc.option(outer, { nil: undefined }),
});
const waitStep = fc.record({
  kind: fc.constant("wait" as const),
  ns: fc.constantFrom(1, 1e6, 5e8, SECOND, 3 * SECOND, 20 * SECOND, 61 * SECOND),
});
const scanStep = fc.record({
  kind: fc.constant("scan" as const),
  late: fc.integer({ min: -1, max: KEYS.length - 1 }),
});
const holdStep = fc.record({
  kind: fc.constant("hold" as const),
  key: fc.nat(KEYS.length - 1),
  way: fc.constantFrom(0 as const, 1 as const),
  delayMs: fc.integer({ min: 0, max: 2000 }),
});
const loseStep = fc.constant({ kind: "lose" as const });
const plainSteps: readonly fc.WeightedArbitrary<Step>[] = [
  { weight: 6, arbitrary: packetStep },
  { weight: 3, arbitrary: waitStep },
  { weight: 3, arbitrary: scanStep },
];

function sequenceOf(...more: readonly fc.Arbitrary<Step>[]): fc.Arbitrary<Step[]> {
  const steps = [...plainSteps, ...more.map((arbitrary) => ({ weight: 1, arbitrary }))];
  return fc.array(fc.oneof(...steps), { maxLength: 80, size: "max" });
}

/** One life: when it began; packets and bytes by way; overhead of each layer by way, and fragments. */
interface Life {
  readonly start: number;
  readonly counts: number[];
  readonly details: number[];
}

/** Every packet and byte by key, and by life where a life ends by a SYN on a closed 5-tuple or by removal. */
class Ledger {
  readonly lives: Map<string, Life[]> = new Map();
  #flags: Map<string, [number, number]> = new Map();

  add(name: string, step: Step & { kind: "packet" }, at: number): void {
    const isTcp = KEYS[step.key] !== undefined && step.key < 4;
    const [low, high] = this.#flags.get(name) ?? [0, 0];
    const isClosed = (low & high & FIN) !== 0 || ((low | high) & RST) !== 0;
    const isNew = !this.#flags.has(name) || (isTcp && isClosed && (step.flags & (SYN | ACK)) === SYN);
    const lives = this.lives.get(name) ?? [];
    if (isNew) lives.push({ start: at, counts: [0, 0, 0, 0], details: [0, 0, 0, 0, 0] });
    this.lives.set(name, lives);
    const { counts, details } = lives[lives.length - 1] as Life;
    increase(counts, step.way, step.packets);
    increase(counts, 2 + step.way, step.bytes);
    for (const [layer, bytes] of step.outer?.overhead?.entries() ?? [])
      increase(details, layer * 2 + step.way, bytes);
    increase(details, 4, step.outer?.fragments ?? 0);
    const flags: [number, number] = isNew ? [0, 0] : [low, high];
    flags[step.way] |= step.flags;
    this.#flags.set(name, flags);
  }

  removed(name: string): void {
    this.#flags.delete(name);
  }
}

function increase(counts: number[], index: number, by: number): void {
  counts[index] = (counts[index] as number) + by;
}

/** Counts by way, whichever end is the source. */
function byWay(counts: readonly number[], record: RecordFields): number[] {
  const [packets, bytes, reversePackets, reverseBytes] = counts as [number, number, number, number];
  const isLowSource = record.source === "10.0.0.1";
  return isLowSource
    ? [packets, reversePackets, bytes, reverseBytes]
    : [reversePackets, packets, reverseBytes, bytes];
}

/** As {@link Life.details}: what the record adds to them. */
function detailsByWay({ detail, source }: RecordFields): number[] {
  if (detail === undefined) return [0, 0, 0, 0, 0];
  const { tunnel, ipip, fragments } = detail;
  const isLowSource = source === "10.0.0.1";
  const [low, high] = isLowSource ? [0, 1] : [1, 0];
  return [tunnel.delta[low], tunnel.delta[high], ipip.delta[low], ipip.delta[high], fragments] as number[];
}

function nameOf(record: RecordFields): string {
  const port = record.source === "10.0.0.1" ? record.sourcePort : record.destinationPort;
  return (KEYS[port - 40000] as Uint32Array).join();
}

interface Outcome {
  readonly records: RecordFields[];
  readonly ledger: Ledger;
  readonly stats: TableStats;
}

function run(steps: readonly Step[], filter?: RecordFilter, maySeekNews: boolean = false): Outcome {
  const kernel = new KernelModel();
  const { findDetails, findFlow } = kernel;
  const table = newTable({ findDetails, findFlow, filter, maySeekNews });
  const ledger = new Ledger();
  const records: RecordFields[] = [];
  let now = SECOND;
  const packet = (step: Step & { kind: "packet" }): void => {
    const key = KEYS[step.key] as Uint32Array;
    ledger.add(key.join(), step, now);
    kernel.packet(key, { ...step, ...step.outer, at: now });
    now += 1000;
  };
  const look = (isFinal: boolean, beforeTake: () => void): void => {
    const before = new Set(kernel.entries.keys());
    records.push(...scanWith(table, kernel, now, { isFinal, beforeTake }));
    for (const name of before) if (!kernel.entries.has(name)) ledger.removed(name);
    now += 1000;
  };
  for (const step of steps) {
    if (step.kind === "packet") packet(step);
    else if (step.kind === "wait") now += step.ns;
    else if (step.kind === "lose") kernel.loseEvents();
    else if (step.kind === "hold") holdIn(kernel, step);
    else {
      const late = {
        kind: "packet",
        key: Math.max(0, step.late),
        way: 0,
        packets: 3,
        bytes: 300,
        flags: ACK,
        outer: step.late % 2 === 0 ? { overhead: [90, 0] as [number, number], fragments: 2 } : undefined,
      } as const;
      const isLate = step.late >= 0 && kernel.entries.has((KEYS[step.late] as Uint32Array).join());
      look(false, () => (isLate ? packet(late) : undefined));
      const stats = table.stats();
      const unread = isLate && kernel.entries.has((KEYS[step.late] as Uint32Array).join()) ? 3 : 0;
      const known = stats.packetsTold + stats.packetsFiltered - stats.packetsSettled;
      expect(known + stats.packetsPending + unread).toBe(kernel.accountedPackets);
      expect(stats.active).toBe(stats.created - stats.released);
    }
  }
  look(true, () => undefined);
  const stats = table.stats();
  expect(stats.packetsTold + stats.packetsFiltered - stats.packetsSettled).toBe(kernel.accountedPackets);
  expect(stats.bytesTold + stats.bytesFiltered - stats.bytesSettled).toBe(kernel.accountedBytes);
  expect(stats).toMatchObject({ packetsPending: 0, absent: 0, active: 0 });
  expect(stats.recordsByEndReason.reduce((all, count) => all + count)).toBe(records.length);
  return { records, ledger, stats };
}

function holdIn(kernel: KernelModel, step: Step & { kind: "hold" }): void {
  const key = KEYS[step.key] as Uint32Array;
  if (!kernel.entries.has(key.join())) return;
  const isSeen = kernel.valueOf(key)[step.way * WAY_WORDS + WAY.packets] !== 0;
  if (isSeen) kernel.hold(key, step.way, 5, 500, step.delayMs);
}

/** Records of each flow, in order: by key, and by flow start within. */
function flowsOf(records: readonly RecordFields[]): Map<string, RecordFields[][]> {
  const flows = new Map<string, RecordFields[][]>();
  for (const record of records) {
    const own = flows.get(nameOf(record)) ?? [];
    flows.set(nameOf(record), own);
    const known = own.find((flow) => flow[0]?.flowStart === record.flowStart);
    if (known === undefined) own.push([record]);
    else known.push(record);
  }
  return flows;
}

function sum(rows: readonly (readonly number[])[]): number[] {
  const [first = [], ...rest] = rows;
  return rest.reduce<number[]>(
    (total, row) => total.map((value, i) => value + (row[i] as number)),
    [...first],
  );
}

function checkFlow(flow: readonly RecordFields[]): void {
  let previousEnd = -1;
  flow.forEach((record, i) => {
    expect(record.number).toBe(i);
    expect(record.source).toBe((flow[0] as RecordFields).source);
    expect(record.kind).toBe((flow[0] as RecordFields).kind);
    expect((record.delta[0] as number) + (record.delta[2] as number)).toBeGreaterThan(0);
    expect(record.total).toEqual(sum(flow.slice(0, i + 1).map((row) => row.delta)));
    expect(record.start).toBeGreaterThan(previousEnd);
    expect(record.end).toBeGreaterThanOrEqual(record.start);
    previousEnd = record.end;
    checkDetails(flow.slice(0, i + 1));
  });
}

/** The last of `records` tells what all of them told. Once a flow has details, each record has a row for them. */
function checkDetails(records: readonly RecordFields[]): void {
  const last = records[records.length - 1] as RecordFields;
  if (last.detail === undefined) {
    expect(records.every((record) => record.detail === undefined)).toBe(true);
    return;
  }
  for (const layer of ["tunnel", "ipip"] as const) {
    const deltas = records.map((record) => record.detail?.[layer].delta ?? [0, 0]);
    expect(last.detail[layer].total).toEqual(sum(deltas));
  }
  expect(Math.min(...detailsByWay(last))).toBeGreaterThanOrEqual(0);
}

/** What the records of each flow told in all, by key and start. */
function toldLives(records: readonly RecordFields[]): Map<string, Life[]> {
  const told = new Map<string, Life[]>();
  for (const [name, own] of flowsOf(records)) {
    for (const flow of own) checkFlow(flow);
    const lives = own.map((flow) => ({
      start: (flow[0] as RecordFields).flowStart,
      counts: sum(flow.map((record) => byWay(record.delta, record))),
      details: sum(flow.map(detailsByWay)),
    }));
    told.set(
      name,
      lives.toSorted((a, b) => a.start - b.start),
    );
  }
  return told;
}

test("FlowTable tells every packet, byte, overhead and fragment of every life once, over any sequence", () => {
  fc.assert(
    fc.property(sequenceOf(), (steps) => {
      const { records, ledger } = run(steps);
      expect(toldLives(records)).toEqual(ledger.lives);
    }),
    { numRuns: 400 },
  );
});

test("FlowTable tells the same where scans leave out the flows without news", () => {
  fc.assert(
    fc.property(sequenceOf(), (steps) => {
      const { records, ledger } = run(steps, undefined, true);
      expect(toldLives(records)).toEqual(ledger.lives);
    }),
    { numRuns: 800 },
  );
});

/** No sum of these is at most a tick behind a timeout: a scan for news finds what is due a tick later. */
const clearWaitStep = fc.record({
  kind: fc.constant("wait" as const),
  ns: fc.constantFrom(3e6, 5e8 + 3e6, SECOND + 3e6, 3 * SECOND + 3e6, 20 * SECOND + 3e6, 61 * SECOND + 3e6),
});
const plainScanStep = fc.record({ kind: fc.constant("scan" as const), late: fc.constant(-1) });

test("FlowTable makes the very records of scans of everything where scans leave out the flows without news", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: packetStep.map((step) => ({ ...step, outer: undefined })) },
    { weight: 4, arbitrary: clearWaitStep },
    { weight: 6, arbitrary: plainScanStep },
    { weight: 1, arbitrary: holdStep },
  );
  const textsOf = ({ records }: Outcome): readonly string[] =>
    records.map((record) => JSON.stringify(record)).toSorted();
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      expect(textsOf(run(steps, undefined, true))).toEqual(textsOf(run(steps)));
    }),
    { numRuns: 800 },
  );
});

test("FlowTable tells everything once where events are lost", () => {
  fc.assert(
    fc.property(sequenceOf(loseStep), (steps) => {
      const { records, ledger, stats } = run(steps);
      const told = toldLives(records);
      expect([...told.keys()].toSorted()).toEqual([...ledger.lives.keys()].toSorted());
      let missing = 0;
      for (const [name, expected] of ledger.lives) {
        const own = told.get(name) ?? [];
        expect(sum(own.map((life) => life.counts))).toEqual(sum(expected.map((life) => life.counts)));
        expect(sum(own.map((life) => life.details))).toEqual(sum(expected.map((life) => life.details)));
        missing += expected.length - own.length;
      }
      expect(stats.livesMerged).toBe(missing);
    }),
    { numRuns: 400 },
  );
});

/** Refuses lives by their key and start; every row it is asked about must be complete, and its flow unknown to it. */
class Sieve implements RecordFilter {
  readonly refused: Set<string> = new Set();
  readonly asked: Set<string> = new Set();
  readonly #salt: number;

  constructor(salt: number) {
    this.#salt = salt;
  }

  acceptsRecord(): boolean {
    return true;
  }

  acceptsFlow(words: Uint32Array, at: number): boolean {
    const record = fieldsOf(words, at, OFFSET_NS);
    expect([record.number, record.samplingRate]).toEqual([0, 1]);
    expect(record.kind).toBeGreaterThan(0);
    const life = `${nameOf(record)} ${record.flowStart}`;
    expect(this.asked.has(life)).toBe(false);
    this.asked.add(life);
    const isRefused = ((record.flowStart / 1000) ^ this.#salt) % 3 === 0;
    if (isRefused) this.refused.add(life);
    return !isRefused;
  }
}

test("FlowTable tells all of a life or nothing, as the filter said once, and counts the rest", () => {
  fc.assert(
    fc.property(sequenceOf(), fc.nat(7), (steps, salt) => {
      const sieve = new Sieve(salt);
      const { records, ledger, stats } = run(steps, sieve);
      const expected = new Map<string, Life[]>();
      let refused = 0;
      for (const [name, lives] of ledger.lives) {
        const accepted = lives.filter(({ start }) => !sieve.refused.has(`${name} ${start}`));
        if (accepted.length > 0) expected.set(name, accepted);
        for (const { start, counts } of lives)
          if (sieve.refused.has(`${name} ${start}`)) refused += (counts[0] ?? 0) + (counts[1] ?? 0);
      }
      expect(toldLives(records)).toEqual(expected);
      expect(sieve.asked.size).toBe([...ledger.lives.values()].flat().length);
      expect(stats.packetsFiltered).toBe(refused);
      expect(stats.recordsFiltered).toBeGreaterThanOrEqual(sieve.refused.size);
    }),
    { numRuns: 400 },
  );
});

test("FlowTable leaves single records out and counts them, and tells the others as ever", () => {
  fc.assert(
    fc.property(sequenceOf(), fc.nat(7), (steps, salt) => {
      const { records: all, stats: whole } = run(steps);
      const isRefused = ({ end, number }: { readonly end: number; readonly number: number }): boolean =>
        (Math.floor(end / 1000) + number + salt) % 2 === 0;
      const { records, stats } = run(steps, {
        acceptsFlow: () => true,
        acceptsRecord: (words, at) => !isRefused(fieldsOf(words, at, OFFSET_NS)),
      });
      expect(records).toEqual(all.filter((record) => !isRefused(record)));
      expect(stats.packetsTold + stats.packetsFiltered).toBe(whole.packetsTold);
      expect(stats.bytesTold + stats.bytesFiltered).toBe(whole.bytesTold);
      expect(stats.recordsFiltered).toBe(all.length - records.length);
    }),
    { numRuns: 400 },
  );
});

test("FlowTable counts what is filtered where packets were held and events lost", () => {
  fc.assert(
    fc.property(sequenceOf(loseStep, holdStep), fc.nat(7), (steps, salt) => {
      const refuses: RecordFilter = {
        acceptsFlow: (words, at) => ((words[at + RECORD.flowStartNs] ?? 0) ^ salt) % 3 !== 0,
        acceptsRecord: () => true,
      };
      toldLives(run(steps, refuses).records);
    }),
    { numRuns: 400 },
  );
});

test("FlowTable tells what was held at most once, and nothing else twice", () => {
  fc.assert(
    fc.property(sequenceOf(loseStep, holdStep), fc.boolean(), (steps, maySeekNews) => {
      toldLives(run(steps, undefined, maySeekNews).records);
    }),
    { numRuns: 400 },
  );
});

test("FlowSlots finds what a Map finds, with many collisions, growth and removal", () => {
  const operation = fc.record({ key: fc.nat(40), isRemoval: fc.boolean() });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), fc.nat(), (operations, seed) => {
      const slots = new FlowSlots(2, seed);
      const model = new Map<number, number>();
      for (const { key, isRemoval } of operations) {
        const words = keyOf({ lowPort: key });
        const slot = slots.find(words, 0);
        expect(slot).toBe(model.get(key) ?? -1);
        if (isRemoval && slot >= 0) {
          slots.remove(slot);
          model.delete(key);
        } else if (!isRemoval && slot < 0) {
          model.set(key, slots.insert(words, 0));
        }
        expect(slots.size).toBe(model.size);
      }
      for (let key = 0; key <= 40; key++)
        expect(slots.find(keyOf({ lowPort: key }), 0)).toBe(model.get(key) ?? -1);
      expect(new Set(model.values()).size).toBe(model.size);
    }),
  );
});
