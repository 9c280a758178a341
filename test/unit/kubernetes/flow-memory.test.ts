import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Directory } from "../../../src/kubernetes/directory.ts";
import { newResolution, type Resolution } from "../../../src/kubernetes/directory-resolve.ts";
import { FlowMemory } from "../../../src/kubernetes/flow-memory.ts";
import { clusterOf, resolve } from "./cluster.ts";
import { added } from "./objects.ts";

const NOBODY = newResolution();

function idOf(number: number): Uint32Array {
  return Uint32Array.of(number, 2, 3, 4, 5);
}

function clusterOfPods(count: number): Directory {
  return clusterOf(
    Array.from({ length: count }, (_, i) =>
      added("Pod", { name: `${i}`, podIPs: [`10.1.${i >> 8}.${i & 255}`] }),
    ),
  );
}

test("FlowMemory keeps those that are asked for, and no more than twice its capacity", () => {
  const memory = new FlowMemory(10);
  const found = resolve(clusterOfPods(1), "10.1.0.0");
  for (let number = 0; number < 1000; number++) {
    memory.set(idOf(number), found, NOBODY);
    expect(memory.get(idOf(0))).toEqual({ source: found, destination: NOBODY });
    expect(memory.size).toBeLessThanOrEqual(20);
  }
  expect(memory.get(idOf(1))).toBeUndefined();
  memory.delete(idOf(0));
  expect(memory.get(idOf(0))).toBeUndefined();
});

test("FlowMemory keeps one resolution for all flows that have it, and none that no flow has", () => {
  const pods = 1000;
  const directory = clusterOfPods(pods);
  const found = Array.from({ length: pods }, (_, i) => resolve(directory, `10.1.${i >> 8}.${i & 255}`));
  const endOf = (number: number): Resolution => found[number % pods] ?? NOBODY;
  const memory = new FlowMemory(131_072);
  const flows = 100_000;
  for (let number = 0; number < flows; number++)
    memory.set(idOf(number), endOf(number), endOf(number * 31 + 7));
  expect(memory.size).toBe(flows);
  // Some meet others of the same hash.
  expect(memory.ends).toBeLessThan(pods * 1.1);
  for (let number = 0; number < flows; number++) {
    const flow = memory.get(idOf(number));
    if (flow?.source.holder !== endOf(number).holder) expect(number).toBe(-1);
    if (flow?.destination.holder !== endOf(number * 31 + 7).holder) expect(number).toBe(-1);
  }
  for (let number = 0; number < flows; number++) memory.delete(idOf(number));
  expect([memory.size, memory.ends]).toEqual([0, 0]);
});

test("FlowMemory tells of each flow what was set last, whatever comes and goes beside it", () => {
  const directory = clusterOfPods(40);
  const pods = Array.from({ length: 40 }, (_, i) => resolve(directory, `10.1.0.${i}`));
  const end = fc.record({
    holder: fc.constantFrom(undefined, ...pods.map(({ holder }) => holder)),
    service: fc.constantFrom(undefined, undefined, pods[0]?.holder),
    container: fc.constantFrom(undefined, -1, 0, 1),
    sharedNamespace: fc.constantFrom("", "shop", "back"),
    outcome: fc.constantFrom("resolved" as const, "ended" as const, "ambiguous" as const),
    isConfirmed: fc.boolean(),
  });
  const step = fc.record({
    number: fc.nat(60),
    source: end,
    destination: end,
    isGone: fc.constantFrom(false, true),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
      const memory = new FlowMemory(1000);
      const flows = new Map<number, unknown>();
      for (const { number, source, destination, isGone } of steps) {
        if (isGone) {
          memory.delete(idOf(number));
          flows.delete(number);
        } else {
          memory.set(idOf(number), source, destination);
          flows.set(number, { source, destination });
        }
      }
      for (let number = 0; number <= 60; number++) {
        expect(memory.get(idOf(number))).toEqual(flows.get(number) as never);
      }
      expect(memory.ends).toBeLessThanOrEqual(2 * flows.size);
    }),
    { numRuns: 100 },
  );
});
