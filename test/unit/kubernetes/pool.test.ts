import { expect, test } from "bun:test";
import fc from "fast-check";
import { packPairs } from "../../../src/kubernetes/pairs.ts";
import { Pool } from "../../../src/kubernetes/pool.ts";
import { Recent } from "../../../src/kubernetes/recent.ts";
import { labelsOf, selectorOf } from "./objects.ts";

test("Pool gives equal values one identity, and others their own", () => {
  const pool = new Pool();
  const labels = pool.pairs(labelsOf({ app: "web", tier: "front" }));
  expect(pool.pairs(labelsOf({ app: "web", tier: "front" }))).toBe(labels);
  expect(pool.pairs(labelsOf({ app: "web", tier: "back" }))).not.toBe(labels);
  expect(pool.pairs(labelsOf({}))).toBe(pool.pairs(labelsOf({})));
  const selector = pool.selector(selectorOf({ app: "web" }));
  expect(pool.selector(selectorOf({ app: "web" }))).toBe(selector);
  const exists = [{ key: "app", operator: "Exists" as const, values: [] }];
  expect(pool.selector(selectorOf({ app: "web" }, exists))).not.toBe(selector);
});

test("Pool does not take two values for one that have the same hash", () => {
  const seen = new Map<number, string>();
  let pair: readonly [string, string] | undefined;
  for (let number = 0; pair === undefined; number++) {
    const hash = Bun.hash.xxHash32(JSON.stringify([["app", `${number}`]]));
    const other = seen.get(hash);
    if (other !== undefined) pair = [other, `${number}`];
    seen.set(hash, `${number}`);
  }
  const pool = new Pool();
  const told = [...pair, ...pair].map((app) => pool.pairs(labelsOf({ app })).get("app"));
  expect(told).toEqual([...pair, ...pair]);
});

test("packPairs reads as the Map that it is made of", () => {
  const texts = fc.constantFrom("", "a", "b", "app", "tier", "__proto__");
  const maps = fc.array(fc.tuple(fc.oneof(texts, fc.string()), fc.oneof(texts, fc.string())), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(maps, texts, (entries, key) => {
      const map = new Map(entries);
      const packed = packPairs(map, (text) => text);
      expect([...packed]).toEqual([...map]);
      expect([[...packed.keys()], [...packed.values()]]).toEqual([[...map.keys()], [...map.values()]]);
      expect([packed.size, packed.get(key), packed.has(key)]).toEqual([map.size, map.get(key), map.has(key)]);
      const walked: string[][] = [];
      packed.forEach((value, each) => {
        walked.push([each, value]);
      });
      expect(walked).toEqual([...map].map(([each, value]) => [each, value]));
    }),
  );
});

test("Recent keeps what is asked for, and no more than twice its capacity", () => {
  const recent = new Recent<number, string>(10);
  for (let number = 0; number < 1000; number++) {
    recent.set(number, `${number}`);
    expect(recent.get(0)).toBe("0");
    expect(recent.size).toBeLessThanOrEqual(20);
  }
  expect([recent.get(999), recent.get(1)]).toEqual(["999", undefined]);
});
