// What is known of translated conversations against a slow model: every key finds the newest entry that has it, unless
// zones of conntrack's say different things of it.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { KEY_WORDS } from "../../src/capture/record.ts";
import { TRANSLATION, TRANSLATION_WORDS } from "../../src/capture/translation.ts";
import { CONTESTED, Translations } from "../../src/flow/translations.ts";

const MOST = 12;
const KEEP_NS = 10e9;
const KEYS = 5;
const ZONES = 2;

interface Entry {
  /** By view. */
  readonly keys: readonly [number, number];
  readonly zones: readonly [number, number];
  /** Views that a newer entry of the same zone has taken. */
  readonly taken: Set<number>;
  listing: number;
  endedNs: number | undefined;
  /** Of those that ended. */
  order: number;
}

type Step =
  | { readonly kind: "add" | "end"; readonly keys: [number, number]; readonly zones: [number, number] }
  | { readonly kind: "pass"; readonly seconds: number }
  | { readonly kind: "beginListing" | "endListing" | "endAll" };

const anyKeys = fc
  .tuple(fc.integer({ min: 0, max: KEYS - 1 }), fc.integer({ min: 1, max: KEYS - 1 }))
  .map(([first, distance]): [number, number] => [first, (first + distance) % KEYS]);
const anyZone = fc.integer({ min: 0, max: ZONES - 1 });
const anyZones = fc.tuple(anyZone, anyZone);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("add" as const), keys: anyKeys, zones: anyZones }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("end" as const), keys: anyKeys, zones: anyZones }),
  },
  fc.record({ kind: fc.constant("pass" as const), seconds: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constantFrom("beginListing" as const, "endListing" as const, "endAll" as const) }),
);

function keyWords(key: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(KEY_WORDS).fill(1000 + key);
  words[9] = 6 | (4 << 8);
  words[10] = 0;
  return words;
}

function row([original, translated]: readonly number[], zones: readonly number[] = [0, 0]): Uint32Array {
  const words = new Uint32Array(TRANSLATION_WORDS);
  words.set(keyWords(original ?? 0), TRANSLATION.original);
  words.set(keyWords(translated ?? 0), TRANSLATION.translated);
  words[TRANSLATION.zones] = (zones[0] ?? 0) | ((zones[1] ?? 0) << 16);
  return words;
}

/** What a key leads to. */
interface Found {
  readonly entry: Entry;
  readonly view: number;
}

/** Entries in the order of their arrival. */
class Model {
  entries: Entry[] = [];
  evicted = 0;
  #listing = 0;
  #ends = 0;

  /** What a key leads to; `"contested"` where zones disagree about it, or about the other key of what it leads to. */
  find(key: number): Found | "contested" | undefined {
    const found = this.#present(key);
    if (found === undefined || found === "contested") return found;
    return this.#present(otherKey(found)) === "contested" ? "contested" : found;
  }

  add(keys: readonly [number, number], zones: readonly [number, number], nowNs: number): void {
    const known = this.#living(keys, zones);
    if (known !== undefined) {
      known.listing = this.#listing;
      return;
    }
    for (const view of [0, 1] as const) this.#takeOver(keys[view], zones[view], nowNs);
    if (this.entries.length === MOST) this.#evict();
    const rest = { taken: new Set<number>(), endedNs: undefined, order: Number.POSITIVE_INFINITY };
    this.entries.push({ keys, zones, listing: this.#listing, ...rest });
  }

  end(keys: readonly [number, number], zones: readonly [number, number], nowNs: number): void {
    this.#end(this.#living(keys, zones), nowNs);
  }

  beginListing(): void {
    this.#listing++;
  }

  endListing(nowNs: number): void {
    for (const entry of this.entries) if (entry.listing !== this.#listing) this.#end(entry, nowNs);
  }

  endAll(nowNs: number): void {
    for (const entry of this.entries) this.#end(entry, nowNs);
  }

  expire(nowNs: number): void {
    this.entries = this.entries.filter(({ endedNs }) => endedNs === undefined || nowNs - endedNs < KEEP_NS);
  }

  /** Newest first; of one entry its translated view. */
  #holders(key: number): readonly Found[] {
    const all = this.entries.flatMap((entry) => [0, 1].map((view) => ({ entry, view })));
    return all.filter(({ entry, view }) => entry.keys[view] === key && !entry.taken.has(view)).toReversed();
  }

  #present(key: number): Found | "contested" | undefined {
    const holders = this.#holders(key);
    if (new Set(holders.map(otherKey)).size > 1) return "contested";
    return holders.find(({ entry }) => entry.endedNs === undefined) ?? holders[0];
  }

  #living(keys: readonly number[], zones: readonly number[]): Entry | undefined {
    const found = this.#holders(keys[0] ?? 0).find(
      ({ entry, view }) =>
        view === 0 && entry.endedNs === undefined && `${[entry.keys, entry.zones]}` === `${[keys, zones]}`,
    );
    return found?.entry;
  }

  #takeOver(key: number, zone: number, nowNs: number): void {
    for (const { entry, view } of this.#holders(key)) {
      if (entry.zones[view] !== zone) continue;
      this.#end(entry, nowNs);
      entry.taken.add(view);
    }
  }

  #end(entry: Entry | undefined, nowNs: number): void {
    if (entry === undefined || entry.endedNs !== undefined) return;
    entry.endedNs = nowNs;
    entry.order = this.#ends++;
  }

  #evict(): void {
    this.evicted++;
    const orders = this.entries.map(({ order }) => order);
    this.entries.splice(orders.indexOf(Math.min(...orders)), 1);
  }
}

function otherKey({ entry, view }: Found): number {
  return entry.keys[1 - view] ?? -1;
}

function take(step: Step, into: Translations, model: Model, nowNs: number): void {
  switch (step.kind) {
    case "add":
      into.add(row(step.keys, step.zones), 0, nowNs);
      model.add(step.keys, step.zones, nowNs);
      break;
    case "end":
      into.end(row(step.keys, step.zones), 0, nowNs);
      model.end(step.keys, step.zones, nowNs);
      break;
    case "pass":
      into.expire(nowNs);
      model.expire(nowNs);
      break;
    case "beginListing":
      into.beginListing();
      model.beginListing();
      break;
    case "endListing":
      into.endListing(nowNs);
      model.endListing(nowNs);
      break;
    case "endAll":
      into.endAll(nowNs);
      model.endAll(nowNs);
      break;
    default:
      step satisfies never;
  }
}

function compare(known: Translations, model: Model): void {
  expect([known.size, known.evicted]).toEqual([model.entries.length, model.evicted]);
  for (let key = 0; key < KEYS; key++) {
    const found = known.find(keyWords(key), 0);
    const expected = model.find(key);
    if (expected === "contested") expect(found).toBe(CONTESTED);
    else if (expected === undefined) expect(found).toBe(-1);
    else {
      expect(found & 1).toBe(expected.view);
      const at = known.keyAt(found >>> 1, 1 - expected.view);
      expect(known.words.slice(at, at + KEY_WORDS)).toEqual(keyWords(otherKey(expected)));
    }
  }
}

test("Translations finds the newest entry of each key in a zone, and none that zones contest", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 120, size: "max" }), (steps) => {
      const known = new Translations(7, MOST);
      const model = new Model();
      let nowNs = 1e9;
      for (const step of steps) {
        nowNs += step.kind === "pass" ? step.seconds * 1e9 : 1;
        take(step, known, model, nowNs);
        compare(known, model);
      }
    }),
    { numRuns: 200 },
  );
});

test("Translations finds keys with a VLAN or a tunnel, never those of a mirror session", () => {
  const known = new Translations(7);
  known.add(row([1, 2]), 0, 1);
  const tagged = keyWords(2);
  tagged[9] = (tagged[9] ?? 0) | (42 << 16);
  tagged[10] = 77;
  expect(known.find(tagged, 0) & 1).toBe(1);
  tagged[10] = 0x80000001;
  expect(known.find(tagged, 0)).toBe(-1);
});

test("Translations keeps 20,000 entries apart while it grows and shrinks", () => {
  const known = new Translations(7);
  const wide = (index: number): Uint32Array => {
    const words = row([1, 2]);
    words[0] = index;
    words[KEY_WORDS] = index;
    return words;
  };
  for (let index = 0; index < 20_000; index++) known.add(wide(index), 0, 1);
  for (let index = 0; index < 20_000; index += 2) known.end(wide(index), 0, 1);
  // A slice a call, so that nothing waits for long.
  known.expire(1 + KEEP_NS);
  expect(known.size).toBeGreaterThan(10_000);
  while (known.size > 10_000) known.expire(1 + KEEP_NS);
  known.expire(1 + KEEP_NS);
  expect(known.size).toBe(10_000);
  for (let index = 0; index < 20_000; index++) {
    expect(known.find(wide(index), 0) >= 0).toBe(index % 2 === 1);
    expect(known.find(wide(index), KEY_WORDS) >= 0).toBe(index % 2 === 1);
  }
});
