import { describe, expect, test } from "bun:test";
import { EXPORTED, EXPORTED_ENTRY_WORDS } from "../../../src/capture/exported.ts";
import { KEY_WORDS } from "../../../src/capture/record.ts";
import { TRANSLATION, TRANSLATION_WORDS } from "../../../src/capture/translation.ts";
import { ExportedLog } from "../../../src/flow/exported-log.ts";
import type { FlowTable } from "../../../src/flow/table.ts";
import { newTable, type RecordFields, scan, scanWith } from "./driver.ts";
import { ACK, KernelModel, keyOf, RST, SECOND, SYN } from "./kernel-model.ts";

/** A workload's interface, and the NIC. */
const POD = 1 << 1;
const NIC = 2 << 1;
const UDP = 17;

/** 10.0.0.1 calls a Service at 10.96.0.1, which is 10.0.0.2; the initiator is the low end of both keys. */
const ORIGINAL = keyOf({ low: "10.0.0.1", high: "10.96.0.1", protocol: UDP, highPort: 53 });
const TRANSLATED = keyOf({ low: "10.0.0.1", high: "10.0.0.2", protocol: UDP, highPort: 5353 });
const ORIGINAL_TCP = keyOf({ low: "10.0.0.1", high: "10.96.0.1" });
const BACKENDS = [1, 2].map((i) => keyOf({ low: "10.0.0.1", high: `10.0.1.${i}` }));

function rowOf(original: Uint32Array, translated: Uint32Array, isGone = false, zone = 0): Uint32Array {
  const words = new Uint32Array(TRANSLATION_WORDS);
  words[TRANSLATION.zones] = zone | (zone << 16);
  words.set(original, TRANSLATION.original);
  words.set(translated, TRANSLATION.translated);
  words[TRANSLATION.octets] = isGone ? 1 << 16 : 0;
  return words;
}

function tell(table: FlowTable, atNs: number, original = ORIGINAL, translated = TRANSLATED): void {
  table.translator.add({ count: 1, words: rowOf(original, translated) }, atNs);
}

/** A request and its answer, in both views. */
function exchange(
  kernel: KernelModel,
  at: number,
  hooks: readonly [original: number, translated: number],
): void {
  for (const [i, key] of [ORIGINAL, TRANSLATED].entries()) {
    kernel.packet(key, { way: 0, at, bytes: 100, hook: hooks[i] ?? 0 });
    kernel.packet(key, { way: 1, at: at + 1, bytes: 200, hook: hooks[i] ?? 0 });
  }
}

function view({ source, destination, detail, delta }: RecordFields): readonly unknown[] {
  return [`${source} → ${destination}`, detail?.nat, detail?.tracesNat ?? false, delta];
}

const AS_ORIGINAL = ["10.0.0.1 → 10.96.0.1", "10.0.0.1 40000 → 10.0.0.2 5353", true, [1, 100, 1, 200]];
const AS_TRANSLATED = ["10.0.0.1 → 10.0.0.2", "10.0.0.1 40000 → 10.96.0.1 53", false, [1, 100, 1, 200]];

describe("FlowTable tells a translated conversation once", () => {
  test.each([
    ["both at workloads: the original", [POD, POD], AS_ORIGINAL],
    ["neither at a workload: the original", [NIC, NIC], AS_ORIGINAL],
    ["the original at a workload: that", [POD, NIC], AS_ORIGINAL],
    ["the translated at a workload: that", [NIC, POD], AS_TRANSLATED],
  ] as const)("%s", (_, hooks, expected) => {
    for (const isFinal of [false, true]) {
      const kernel = new KernelModel();
      const table = newTable({ findFlow: kernel.findFlow });
      exchange(kernel, SECOND, hooks);
      table.addEvents(kernel.drain(), { monotonicLow: 0, monotonicHigh: 1, offsetLow: 0, offsetHigh: 0 });
      tell(table, SECOND);
      expect(scanWith(table, kernel, 62 * SECOND, { isFinal }).map(view)).toEqual([[...expected]]);
      expect(table.stats()).toMatchObject({
        packetsTold: 2,
        bytesTold: 300,
        packetsTranslated: 2,
        bytesTranslated: 300,
        packetsPending: 0,
      });
    }
  });

  test("where only one view was seen, with what it knows", () => {
    const kernel = new KernelModel();
    const table = newTable({ findFlow: kernel.findFlow });
    tell(table, SECOND);
    kernel.packet(TRANSLATED, { way: 0, at: SECOND, bytes: 100, hook: NIC });
    const records = scan(table, kernel, 62 * SECOND).map(view);
    expect(records).toEqual([
      ["10.0.0.1 → 10.0.0.2", "10.0.0.1 40000 → 10.96.0.1 53", false, [1, 100, 0, 0]],
    ]);
  });

  test("also where the other view comes when it has been told", () => {
    const kernel = new KernelModel();
    const table = newTable({ findFlow: kernel.findFlow });
    tell(table, SECOND);
    kernel.packet(ORIGINAL, { way: 0, at: SECOND, bytes: 100, hook: NIC });
    expect(scan(table, kernel, 62 * SECOND)).toHaveLength(1);
    kernel.packet(TRANSLATED, { way: 0, at: 62 * SECOND, bytes: 100, hook: POD });
    expect(scan(table, kernel, 200 * SECOND)).toEqual([]);
    expect(table.stats()).toMatchObject({ packetsTold: 1, packetsTranslated: 1, packetsPending: 0 });
  });

  test("whose initiator is conntrack's, whatever came first and whatever the ports say", () => {
    const kernel = new KernelModel();
    const table = newTable({ findFlow: kernel.findFlow });
    const [original, translated] = [
      keyOf({ low: "10.0.0.1", high: "10.96.0.1", protocol: UDP, lowPort: 53, highPort: 40000 }),
      keyOf({ low: "10.0.0.1", high: "10.0.0.2", protocol: UDP, lowPort: 53, highPort: 40000 }),
    ];
    kernel.packet(original, { way: 1, at: SECOND, hook: POD });
    kernel.packet(original, { way: 0, at: SECOND, hook: POD });
    tell(table, SECOND, original, translated);
    expect(scan(table, kernel, 62 * SECOND)[0]).toMatchObject({ source: "10.0.0.1", sourcePort: 53 });
  });

  test("and goes on as two where both were told before that was known", () => {
    const kernel = new KernelModel();
    const table = newTable({ findFlow: kernel.findFlow, timeouts: { udpNs: 600 * SECOND } });
    exchange(kernel, SECOND, [POD, POD]);
    expect(scan(table, kernel, 62 * SECOND)).toHaveLength(2);
    tell(table, 63 * SECOND);
    exchange(kernel, 64 * SECOND, [POD, POD]);
    const records = scan(table, kernel, 124 * SECOND);
    expect(records.map(({ number, detail }) => [number, detail?.tracesNat])).toEqual([
      [1, false],
      [1, false],
    ]);
    expect(table.stats()).toMatchObject({ packetsTold: 8, packetsTranslated: 0 });
  });

  test("but not where it was told the other way round before that was known", () => {
    const kernel = new KernelModel();
    const table = newTable({ findFlow: kernel.findFlow, timeouts: { udpNs: 600 * SECOND } });
    const [original, translated] = [
      keyOf({ low: "10.0.0.1", high: "203.0.113.9", protocol: UDP, lowPort: 53, highPort: 40000 }),
      keyOf({ low: "192.0.2.1", high: "203.0.113.9", protocol: UDP, lowPort: 53, highPort: 40000 }),
    ];
    kernel.packet(original, { way: 0, at: SECOND, hook: POD });
    expect(scan(table, kernel, 62 * SECOND).map(view)[0]?.[0]).toBe("203.0.113.9 → 10.0.0.1");
    tell(table, 63 * SECOND, original, translated);
    kernel.packet(original, { way: 0, at: 64 * SECOND, hook: POD });
    const [record] = scan(table, kernel, 124 * SECOND).map(view);
    expect(record?.slice(0, 2)).toEqual(["203.0.113.9 → 10.0.0.1", undefined]);
  });

  test("as nobody's, once datagrams of one port go to another backend", () => {
    const backends = BACKENDS.map((_, i) =>
      keyOf({ low: "10.0.0.1", high: `10.0.1.${i + 1}`, protocol: UDP, highPort: 5353 }),
    );
    for (const isTold of [true, false]) {
      const kernel = new KernelModel();
      const table = newTable({ findFlow: kernel.findFlow, timeouts: { udpNs: 600 * SECOND } });
      const told: RecordFields[] = [];
      for (const [i, backend] of backends.entries()) {
        const at = SECOND + i * 40 * SECOND;
        for (const key of [ORIGINAL, backend]) kernel.packet(key, { way: 0, at, hook: POD });
        table.addEvents(kernel.drain(), { monotonicLow: 0, monotonicHigh: 1, offsetLow: 0, offsetHigh: 0 });
        tell(table, at, ORIGINAL, backend);
        told.push(...scan(table, kernel, at + (isTold ? 61 : 1) * SECOND));
      }
      told.push(...scanWith(table, kernel, 200 * SECOND, { isFinal: true }));
      const ofService = told.filter(({ destination }) => destination === "10.96.0.1");
      expect(ofService.map(({ number, detail }) => [number, detail?.nat])).toEqual(
        isTold
          ? [
              [0, "10.0.0.1 40000 → 10.0.1.1 5353"],
              [1, undefined],
            ]
          : [[0, undefined]],
      );
      expect(table.stats().packetsPending).toBe(0);
    }
  });

  test("by the view that was told before that was known, if one was", () => {
    const kernel = new KernelModel();
    const table = newTable({ findFlow: kernel.findFlow, timeouts: { udpNs: 600 * SECOND } });
    kernel.packet(TRANSLATED, { way: 0, at: SECOND, bytes: 100, hook: NIC });
    expect(scan(table, kernel, 62 * SECOND)).toHaveLength(1);
    tell(table, 63 * SECOND);
    exchange(kernel, 64 * SECOND, [POD, NIC]);
    const records = scan(table, kernel, 130 * SECOND);
    expect(records.map(({ destination, number }) => [destination, number])).toEqual([["10.0.0.2", 1]]);
    expect(table.stats()).toMatchObject({ packetsTold: 3, packetsTranslated: 2 });
  });

  test("after its connection has ended, until its entry is forgotten", () => {
    const kernel = new KernelModel();
    const table = newTable({ findFlow: kernel.findFlow });
    tell(table, SECOND);
    exchange(kernel, SECOND, [POD, POD]);
    table.addEvents(kernel.drain(), { monotonicLow: 0, monotonicHigh: 1, offsetLow: 0, offsetHigh: 0 });
    table.translator.add({ count: 1, words: rowOf(ORIGINAL, TRANSLATED, true) }, 2 * SECOND);
    table.translator.expire(30 * SECOND);
    expect(table.stats().translations).toBe(0);
    expect(scan(table, kernel, 62 * SECOND).map(view)).toEqual([AS_ORIGINAL]);
  });

  test("and takes no later one for it where nobody tells ends any more", () => {
    for (const isForgotten of [false, true]) {
      const kernel = new KernelModel();
      const table = newTable({ findFlow: kernel.findFlow });
      tell(table, SECOND);
      table.translator.endAll(2 * SECOND);
      table.translator.expire((isForgotten ? 13 : 3) * SECOND);
      exchange(kernel, 13 * SECOND, [POD, POD]);
      const records = scanWith(table, kernel, 62 * SECOND, { isFinal: true });
      expect(records.map(({ detail }) => detail?.nat)).toEqual(
        isForgotten ? [undefined, undefined] : ["10.0.0.1 40000 → 10.0.0.2 5353"],
      );
    }
  });

  test("for each life of a port that is used again, to whichever backend", () => {
    const kernel = new KernelModel();
    const table = newTable({ findFlow: kernel.findFlow });
    const told: RecordFields[] = [];
    for (const [i, backend] of [...BACKENDS, ...BACKENDS].entries()) {
      const at = SECOND * (i + 1);
      for (const key of [ORIGINAL_TCP, backend]) kernel.packet(key, { way: 0, at, flags: SYN, hook: POD });
      table.addEvents(kernel.drain(), { monotonicLow: 0, monotonicHigh: 1, offsetLow: 0, offsetHigh: 0 });
      tell(table, at, ORIGINAL_TCP, backend);
      for (const key of [ORIGINAL_TCP, backend])
        kernel.packet(key, { way: 1, at: at + 1, flags: RST | ACK, hook: POD });
      told.push(...scan(table, kernel, at + 1000));
    }
    told.push(...scan(table, kernel, 100 * SECOND));
    expect(told.map(({ destination, detail }) => [destination, detail?.nat])).toEqual(
      [1, 2, 1, 2].map((i) => ["10.96.0.1", `10.0.0.1 40000 → 10.0.1.${i} 443`]),
    );
    expect(table.stats()).toMatchObject({ packetsTold: 8, packetsTranslated: 8, packetsPending: 0 });
  });

  test("over a restart, in the trace and by the view of before", () => {
    const kernel = new KernelModel();
    const exported = new ExportedLog(131_072);
    const first = newTable({ findFlow: kernel.findFlow, exported });
    tell(first, SECOND);
    exchange(kernel, SECOND, [NIC, NIC]);
    expect(scan(first, kernel, 61 * SECOND).map(view)).toEqual([AS_ORIGINAL]);
    const { words, first: at, count } = exported.take(10, 10);
    expect(count).toBeGreaterThan(0);
    const entry = words.slice(at * EXPORTED_ENTRY_WORDS, (at + 1) * EXPORTED_ENTRY_WORDS);
    const second = newTable({ findFlow: kernel.findFlow });
    tell(second, 62 * SECOND);
    second.adopt({ count: 1, keys: entry.slice(0, KEY_WORDS), values: entry.slice(KEY_WORDS) });
    expect(entry[KEY_WORDS + EXPORTED.recordNumber]).toBe(1);
    exchange(kernel, 100 * SECOND, [NIC, POD]);
    const [record, ...others] = scanWith(second, kernel, 130 * SECOND, { isFinal: true });
    expect(others).toEqual([]);
    expect(record?.number).toBe(1);
    expect(view(record as RecordFields)).toEqual(AS_ORIGINAL);
  });
});

describe("FlowTable and conntrack's zones", () => {
  /** An entry in each of as many zones, numbered from 1. */
  function tellZones(table: FlowTable, pairs: readonly (readonly [Uint32Array, Uint32Array])[]): void {
    for (const [i, [original, translated]] of pairs.entries())
      table.translator.add({ count: 1, words: rowOf(original, translated, false, i + 1) }, SECOND);
  }

  function endZone(table: FlowTable, zone: number, keys: readonly [Uint32Array, Uint32Array]): void {
    table.translator.add({ count: 1, words: rowOf(...keys, true, zone) }, 2 * SECOND);
  }

  function send(kernel: KernelModel, keys: readonly Uint32Array[]): void {
    for (const key of keys) kernel.packet(key, { way: 0, at: SECOND, flags: SYN, hook: POD });
  }

  const [first = ORIGINAL, second = ORIGINAL] = BACKENDS;
  const toFirst = [ORIGINAL_TCP, first] as const;
  const toSecond = [ORIGINAL_TCP, second] as const;
  const further = keyOf({ low: "10.0.0.9", high: "10.0.1.1" });

  test.each([
    ["differ about a key: each view in its own right", [toFirst, toSecond], [ORIGINAL_TCP, first, second]],
    [
      "translate one after the other: each view in its own right",
      [toFirst, [first, further]],
      [ORIGINAL_TCP, first, further],
    ],
  ] as const)("that %s", (_, pairs, keys) => {
    for (const isLate of [false, true]) {
      const kernel = new KernelModel();
      const table = newTable({ findFlow: kernel.findFlow });
      if (!isLate) tellZones(table, pairs);
      send(kernel, keys);
      table.addEvents(kernel.drain(), { monotonicLow: 0, monotonicHigh: 1, offsetLow: 0, offsetHigh: 0 });
      if (isLate) tellZones(table, pairs);
      const records = scanWith(table, kernel, 62 * SECOND, { isFinal: true });
      expect(records.map(({ detail }) => detail?.nat)).toEqual([undefined, undefined, undefined]);
      expect(table.stats()).toMatchObject({ packetsTold: 3, packetsTranslated: 0, translationsContested: 3 });
    }
  });

  test("that agree: told once, also when it has ended in one of them", () => {
    for (const ended of [0, 1, 2]) {
      const kernel = new KernelModel();
      const table = newTable({ findFlow: kernel.findFlow });
      tellZones(table, [toFirst, toFirst]);
      if (ended > 0) endZone(table, ended, toFirst);
      table.translator.expire(30 * SECOND);
      expect(table.stats().translations).toBe(ended === 0 ? 2 : 1);
      send(kernel, toFirst);
      expect(scanWith(table, kernel, 62 * SECOND, { isFinal: true })).toMatchObject([
        { destination: "10.96.0.1", detail: { nat: "10.0.0.1 40000 → 10.0.1.1 443" } },
      ]);
      expect(table.stats()).toMatchObject({ packetsTranslated: 1, translationsContested: 0 });
    }
  });

  test("of which one is left: what begins then is told once", () => {
    const kernel = new KernelModel();
    const table = newTable({ findFlow: kernel.findFlow });
    tellZones(table, [toFirst, toSecond]);
    endZone(table, 1, toFirst);
    table.translator.expire(30 * SECOND);
    send(kernel, toSecond);
    expect(scanWith(table, kernel, 62 * SECOND, { isFinal: true })).toMatchObject([
      { destination: "10.96.0.1", detail: { nat: "10.0.0.1 40000 → 10.0.1.2 443" } },
    ]);
  });

  test("of which one is left when a flow of both is told: that is nobody's, and hides nobody", () => {
    const kernel = new KernelModel();
    const table = newTable({ findFlow: kernel.findFlow });
    tellZones(table, [toFirst, toSecond]);
    send(kernel, [second, ORIGINAL_TCP, first]);
    table.addEvents(kernel.drain(), { monotonicLow: 0, monotonicHigh: 1, offsetLow: 0, offsetHigh: 0 });
    endZone(table, 1, toFirst);
    table.translator.expire(30 * SECOND);
    const records = scanWith(table, kernel, 62 * SECOND, { isFinal: true });
    expect(records.map(({ destination }) => destination).toSorted()).toEqual([
      "10.0.1.1",
      "10.0.1.2",
      "10.96.0.1",
    ]);
    expect(table.stats()).toMatchObject({ packetsTold: 3, packetsTranslated: 0 });
  });
});
