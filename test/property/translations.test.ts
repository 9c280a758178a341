// What is known of translated conversations against a slow model: every key finds the newest entry that has it.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { KEY_WORDS } from "../../src/capture/record.ts";
import { TRANSLATION_WORDS } from "../../src/capture/translation.ts";
import { Translations } from "../../src/flow/translations.ts";

const MOST = 12;
const KEEP_NS = 10e9;
const KEYS = 6;

interface Entry {
  readonly original: number;
  readonly translated: number;
  listing: number;
  endedNs: number | undefined;
  /** Of those that ended. */
  order: number;
}

type Step =
  | { readonly kind: "add" | "end"; readonly original: number; readonly translated: number }
  | { readonly kind: "pass"; readonly seconds: number }
  | { readonly kind: "beginListing" | "endListing" };

const number = fc.integer({ min: 0, max: KEYS - 1 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("add" as const), original: number, translated: number }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("end" as const), original: number, translated: number }),
  },
  fc.record({ kind: fc.constant("pass" as const), seconds: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constantFrom("beginListing" as const, "endListing" as const) }),
);

function keyWords(view: number, key: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(KEY_WORDS).fill(view * 1000 + key);
  words[9] = 6 | (4 << 8);
  words[10] = 0;
  return words;
}

function row(original: number, translated: number): Uint32Array {
  const words = new Uint32Array(TRANSLATION_WORDS);
  words.set(keyWords(0, original), 0);
  words.set(keyWords(1, translated), KEY_WORDS);
  return words;
}

/** Entries in the order of their arrival; those of a key that is had twice are told apart by that. */
class Model {
  entries: Entry[] = [];
  evicted = 0;
  #listing = 0;
  #ends = 0;

  /** As in a table of conntrack's, where nothing else has the original key, the newest entry of it is the present one. */
  present(original: number): Entry | undefined {
    return this.entries.findLast((entry) => entry.original === original);
  }

  add(original: number, translated: number, nowNs: number): void {
    const known = this.present(original);
    if (known?.translated === translated && known.endedNs === undefined) {
      known.listing = this.#listing;
      return;
    }
    const others = [known, this.entries.findLast((entry) => entry.translated === translated)];
    for (const other of others) this.#end(other, nowNs);
    if (this.entries.length === MOST) this.#evict();
    this.entries.push({
      original,
      translated,
      listing: this.#listing,
      endedNs: undefined,
      order: Number.POSITIVE_INFINITY,
    });
  }

  end(original: number, translated: number, nowNs: number): void {
    const known = this.present(original);
    if (known?.translated === translated) this.#end(known, nowNs);
  }

  beginListing(): void {
    this.#listing++;
  }

  endListing(nowNs: number): void {
    for (const entry of this.entries) if (entry.listing !== this.#listing) this.#end(entry, nowNs);
  }

  expire(nowNs: number): void {
    this.entries = this.entries.filter(({ endedNs }) => endedNs === undefined || nowNs - endedNs < KEEP_NS);
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

test("Translations finds the newest entry of each key, and forgets as it should", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 120, size: "max" }), (steps) => {
      const known = new Translations(7, MOST);
      const model = new Model();
      let nowNs = 1e9;
      for (const step of steps) {
        nowNs += 1;
        if (step.kind === "add") {
          known.add(row(step.original, step.translated), 0, nowNs);
          model.add(step.original, step.translated, nowNs);
        } else if (step.kind === "end") {
          known.end(row(step.original, step.translated), 0, nowNs);
          model.end(step.original, step.translated, nowNs);
        } else if (step.kind === "pass") {
          nowNs += step.seconds * 1e9;
          known.expire(nowNs);
          model.expire(nowNs);
        } else if (step.kind === "beginListing") {
          known.beginListing();
          model.beginListing();
        } else {
          known.endListing(nowNs);
          model.endListing(nowNs);
        }
        expect([known.size, known.evicted]).toEqual([model.entries.length, model.evicted]);
        for (let original = 0; original < KEYS; original++) {
          const found = known.find(keyWords(0, original), 0);
          const expected = model.present(original);
          expect(found >= 0).toBe(expected !== undefined);
          if (expected === undefined) continue;
          expect(found & 1).toBe(0);
          const at = known.keyAt(found >>> 1, 1);
          expect(known.words.slice(at, at + KEY_WORDS)).toEqual(keyWords(1, expected.translated));
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("Translations finds keys with a VLAN or a tunnel, never those of a mirror session", () => {
  const known = new Translations(7);
  known.add(row(1, 2), 0, 1);
  const tagged = keyWords(1, 2);
  tagged[9] = (tagged[9] ?? 0) | (42 << 16);
  tagged[10] = 77;
  expect(known.find(tagged, 0) & 1).toBe(1);
  tagged[10] = 0x80000001;
  expect(known.find(tagged, 0)).toBe(-1);
});

test("Translations keeps 20,000 entries apart while it grows and shrinks", () => {
  const known = new Translations(7);
  const wide = (index: number): Uint32Array => {
    const words = row(1, 2);
    words[0] = index;
    words[KEY_WORDS] = index;
    return words;
  };
  for (let index = 0; index < 20_000; index++) known.add(wide(index), 0, 1);
  for (let index = 0; index < 20_000; index += 2) known.end(wide(index), 0, 1);
  known.expire(1 + KEEP_NS);
  expect(known.size).toBe(10_000);
  for (let index = 0; index < 20_000; index++) {
    expect(known.find(wide(index), 0) >= 0).toBe(index % 2 === 1);
    expect(known.find(wide(index), KEY_WORDS) >= 0).toBe(index % 2 === 1);
  }
});
