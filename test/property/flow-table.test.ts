import { expect, test } from "bun:test";
import fc from "fast-check";
import { WAY, WAY_WORDS } from "../../src/capture/record.ts";
import { FlowSlots } from "../../src/flow/slots.ts";
import { newTable, type RecordFields, scanWith } from "../unit/flow/driver.ts";
import { ACK, FIN, KernelModel, keyOf, RST, SECOND, SYN } from "../unit/flow/kernel-model.ts";

const KEYS = [0, 1, 2, 3, 4, 5].map((i) => keyOf({ lowPort: 40000 + i, protocol: i < 4 ? 6 : 17 }));
const FLAGS = [ACK, ACK, ACK, SYN, SYN | ACK, FIN | ACK, RST];

type Step =
  | {
      readonly kind: "packet";
      readonly key: number;
      readonly way: 0 | 1;
      readonly packets: number;
      readonly bytes: number;
      readonly flags: number;
    }
  | { readonly kind: "wait"; readonly ns: number }
  | { readonly kind: "scan"; readonly late: number }
  | { readonly kind: "lose" }
  | { readonly kind: "hold"; readonly key: number; readonly way: 0 | 1; readonly delayMs: number };

const packetStep = fc.record({
  kind: fc.constant("packet" as const),
  key: fc.nat(KEYS.length - 1),
  way: fc.constantFrom(0 as const, 1 as const),
  packets: fc.integer({ min: 1, max: 70000 }),
  bytes: fc.integer({ min: 40, max: 2 ** 34 }),
  flags: fc.constantFrom(...FLAGS),
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

/** Every packet and byte by key, and by life where a life ends by a SYN on a closed 5-tuple or by removal. */
class Ledger {
  readonly lives: Map<string, number[][]> = new Map();
  #flags: Map<string, [number, number]> = new Map();

  add(name: string, step: Step & { kind: "packet" }): void {
    const isTcp = KEYS[step.key] !== undefined && step.key < 4;
    const [low, high] = this.#flags.get(name) ?? [0, 0];
    const isClosed = (low & high & FIN) !== 0 || ((low | high) & RST) !== 0;
    const isNew = !this.#flags.has(name) || (isTcp && isClosed && (step.flags & (SYN | ACK)) === SYN);
    const lives = this.lives.get(name) ?? [];
    if (isNew) lives.push([0, 0, 0, 0]);
    this.lives.set(name, lives);
    const life = lives[lives.length - 1] as number[];
    life[step.way] = (life[step.way] as number) + step.packets;
    life[2 + step.way] = (life[2 + step.way] as number) + step.bytes;
    const flags: [number, number] = isNew ? [0, 0] : [low, high];
    flags[step.way] |= step.flags;
    this.#flags.set(name, flags);
  }

  removed(name: string): void {
    this.#flags.delete(name);
  }
}

/** Counts by way, whichever end is the source. */
function byWay(counts: readonly number[], record: RecordFields): number[] {
  const [packets, bytes, reversePackets, reverseBytes] = counts as [number, number, number, number];
  const isLowSource = record.source === "10.0.0.1";
  return isLowSource
    ? [packets, reversePackets, bytes, reverseBytes]
    : [reversePackets, packets, reverseBytes, bytes];
}

function nameOf(record: RecordFields): string {
  const port = record.source === "10.0.0.1" ? record.sourcePort : record.destinationPort;
  return (KEYS[port - 40000] as Uint32Array).join();
}

interface Outcome {
  readonly records: RecordFields[];
  readonly ledger: Ledger;
  readonly merged: number;
}

function run(steps: readonly Step[]): Outcome {
  const table = newTable();
  const kernel = new KernelModel();
  const ledger = new Ledger();
  const records: RecordFields[] = [];
  let now = SECOND;
  const packet = (step: Step & { kind: "packet" }): void => {
    const key = KEYS[step.key] as Uint32Array;
    ledger.add(key.join(), step);
    kernel.packet(key, { ...step, at: now });
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
      } as const;
      const isLate = step.late >= 0 && kernel.entries.has((KEYS[step.late] as Uint32Array).join());
      look(false, () => (isLate ? packet(late) : undefined));
      const stats = table.stats();
      const unread = isLate && kernel.entries.has((KEYS[step.late] as Uint32Array).join()) ? 3 : 0;
      expect(stats.packetsTold - stats.packetsSettled + stats.packetsPending + unread).toBe(
        kernel.accountedPackets,
      );
      expect(stats.active).toBe(stats.created - stats.released);
    }
  }
  look(true, () => undefined);
  const stats = table.stats();
  expect(stats.packetsTold - stats.packetsSettled).toBe(kernel.accountedPackets);
  expect(stats.bytesTold - stats.bytesSettled).toBe(kernel.accountedBytes);
  expect(stats).toMatchObject({ packetsPending: 0, absent: 0, active: 0 });
  return { records, ledger, merged: stats.livesMerged };
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
  return rows.reduce<number[]>(
    (total, row) => total.map((value, i) => value + (row[i] as number)),
    [0, 0, 0, 0],
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
  });
}

test("FlowTable tells every packet and byte of every life once, over any sequence", () => {
  fc.assert(
    fc.property(sequenceOf(), (steps) => {
      const { records, ledger } = run(steps);
      const flows = flowsOf(records);
      for (const own of flows.values()) for (const flow of own) checkFlow(flow);
      for (const [name, lives] of ledger.lives) {
        const own = (flows.get(name) ?? []).toSorted(
          (a, b) => (a[0]?.flowStart ?? 0) - (b[0]?.flowStart ?? 0),
        );
        const told = own.map((flow) => {
          const last = flow[flow.length - 1] as RecordFields;
          return byWay(last.total, last);
        });
        expect(told).toEqual(lives);
      }
    }),
    { numRuns: 400 },
  );
});

test("FlowTable tells every packet and byte once where events are lost", () => {
  fc.assert(
    fc.property(sequenceOf(loseStep), (steps) => {
      const { records, ledger, merged } = run(steps);
      const flows = flowsOf(records);
      for (const own of flows.values()) for (const flow of own) checkFlow(flow);
      let lives = 0;
      for (const [name, expected] of ledger.lives) {
        const own = (flows.get(name) ?? []).flat();
        expect(sum(own.map((record) => byWay(record.delta, record)))).toEqual(sum(expected));
        lives += expected.length;
      }
      const told = [...flows.values()].reduce((count, own) => count + own.length, 0);
      expect(told + merged).toBe(lives);
    }),
    { numRuns: 400 },
  );
});

test("FlowTable tells what was held at most once, and nothing else twice", () => {
  fc.assert(
    fc.property(sequenceOf(loseStep, holdStep), (steps) => {
      for (const own of flowsOf(run(steps).records).values()) for (const flow of own) checkFlow(flow);
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
