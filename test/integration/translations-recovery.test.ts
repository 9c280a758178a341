// What follows conntrack, on the real kernel's: it loses events, is refused, is switched off and on, and is right again.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Library } from "../../src/capture/library.ts";
import { openProbe, Probe } from "../../src/capture/probe.ts";
import { TRANSLATION, TRANSLATION_BYTES } from "../../src/capture/translation.ts";
import { watchNamespace } from "../../src/capture/watched-namespace.ts";
import type { FlowTable } from "../../src/flow/table.ts";
import { createLogger } from "../../src/lib/log.ts";
import { TranslationFeed } from "../../src/translation-feed.ts";
import { makeTranslatingNode, SERVICE } from "../support/namespace-nat.ts";
import { askMany, flushConntrack, serveBackend } from "../support/namespace-nat-talk.ts";
import type { Node } from "../support/namespace-node.ts";
import { newTable } from "../unit/flow/driver.ts";

const SECOND = 1e9;
const MINUTE = 60 * SECOND;
const KEPT_NS = 10 * SECOND;
const UNFOLLOWED = "conntrack is not followed";
const FOLLOWED = "conntrack is followed";
const [EINTR, ENOMEM, EINVAL, ENODATA, EMSGSIZE, ENOBUFS] = [-4, -12, -22, -61, -90, -105];

type Call = (...words: never[]) => number;
type Words<Name extends "open" | "listed"> = Parameters<Library[`merminbpf_conntrack_${Name}`]>;

let node: Node;
let probe: Probe;
let lines: string[];
let table: FlowTable;

beforeEach(async () => {
  node = await makeTranslatingNode();
  await serveBackend(node.otherPod);
  watchNamespace(node.namespace.path);
  probe = openProbe({ tableCapacity: 1024, ringBufferBytes: 1 << 18, isReplay: false });
  lines = [];
  table = newTable();
}, 30_000);
afterEach(async () => {
  probe[Symbol.dispose]();
  watchNamespace("");
  await node[Symbol.asyncDispose]();
});

function newFeed(fed: Probe = probe, receiveBytes?: number): TranslationFeed {
  const log = createLogger({ level: "info", format: "text", write: (line) => void lines.push(line) });
  const { translator } = table;
  return new TranslationFeed({ probe: fed, translator, log, ...(receiveBytes && { receiveBytes }) });
}

/** Turns of the capture thread at a moment, enough for a listing to come to its end. */
function turn(feed: TranslationFeed, nowNs: number): void {
  for (let turns = 0; turns < 50; turns++) {
    feed.read();
    feed.apply(nowNs);
  }
}

/** The probe with calls of the shim that fail: what a kernel short of memory does, when asked to. */
function faulty(faults: Readonly<Record<string, Call>>): Probe {
  return new Probe(Object.assign({ ...probe.library }, faults), probe.handle);
}

function setEvents(value: number): void {
  node.namespace.run("sysctl", "-q", "-w", `net.netfilter.nf_conntrack_events=${value}`);
}

const ask = (count: number): Promise<void> => askMany(node.pod, SERVICE.local, count);

describe("TranslationFeed", () => {
  test("lists all anew where events are lost, ends and beginnings", async () => {
    const feed = newFeed(probe, 4096);
    feed.start(SECOND);
    await ask(100);
    turn(feed, SECOND);
    expect(feed.stats()).toEqual({ isFollowed: true, resyncs: 1, interruptions: 0 });
    expect(table.stats().translations).toBe(100);
    flushConntrack(node.namespace);
    turn(feed, 2 * SECOND);
    expect(feed.stats().resyncs).toBe(2);
    turn(feed, 2 * SECOND + KEPT_NS);
    expect(table.stats().translations).toBe(0);
    expect(lines).toEqual([]);
  }, 30_000);

  test("knows what the kernel has, whatever it lost while connections came and went", async () => {
    const feed = newFeed(probe, 4096);
    feed.start(SECOND);
    let nowNs = SECOND;
    for (let round = 0; round < 4; round++) {
      let isAsking = true;
      const asking = ask(150).finally(() => {
        isAsking = false;
      });
      for (let turns = 0; isAsking; turns++) {
        nowNs += SECOND / 100;
        feed.read();
        feed.apply(nowNs);
        if (turns % 16 === 8) flushConntrack(node.namespace);
        await Bun.sleep(1);
      }
      await asking;
    }
    turn(feed, nowNs);
    turn(feed, nowNs + KEPT_NS);
    // An answer whose connection was forgotten on its way is one that nobody translates.
    const entries = node.namespace.run("cat", "/proc/net/nf_conntrack").split("\n");
    const translated = entries.filter((line) => line.includes(`dst=${SERVICE.local}`)).length;
    expect(table.stats().translations).toBe(translated);
    expect(feed.stats()).toMatchObject({ isFollowed: true, interruptions: 0 });
    expect(feed.stats().resyncs).toBeGreaterThan(0);
  }, 60_000);

  test("ends without events while they are off, and begins anew when they are on", async () => {
    const feed = newFeed();
    feed.start(SECOND);
    await ask(5);
    turn(feed, 2 * SECOND);
    expect(table.stats().translations).toBe(5);
    setEvents(0);
    turn(feed, 2 * MINUTE);
    expect(feed.stats()).toEqual({ isFollowed: false, resyncs: 0, interruptions: 1 });
    expect(lines.join("")).toContain(
      `${UNFOLLOWED}: translated conversations are told as two reason="/proc/sys`,
    );
    turn(feed, 3 * MINUTE);
    turn(feed, 4 * MINUTE);
    expect(table.stats().translations).toBe(0);
    setEvents(1);
    turn(feed, 5 * MINUTE);
    expect(feed.stats()).toEqual({ isFollowed: true, resyncs: 0, interruptions: 1 });
    expect(table.stats().translations).toBe(5);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain(FOLLOWED);
  }, 30_000);

  test("begins without them, and tries once a minute at last", async () => {
    setEvents(0);
    let opened = 0;
    const feed = newFeed(
      faulty({
        merminbpf_conntrack_open: (...words: Words<"open">) => {
          opened++;
          return probe.library.merminbpf_conntrack_open(...words);
        },
      }),
    );
    feed.start(SECOND);
    await ask(3);
    for (let second = 2; second <= 600; second++) turn(feed, second * SECOND);
    // 1, 2, 4 … 60 s of which chance takes up to a half: 14 to 26 attempts in ten minutes.
    expect(opened).toBeGreaterThanOrEqual(12);
    expect(opened).toBeLessThanOrEqual(28);
    expect(feed.stats()).toEqual({ isFollowed: false, resyncs: 0, interruptions: 0 });
    setEvents(1);
    turn(feed, 660 * SECOND);
    expect(feed.stats().isFollowed).toBe(true);
    expect(table.stats().translations).toBe(3);
    expect(lines.map((line) => line.includes(FOLLOWED))).toEqual([false, true]);
  }, 30_000);

  test.each([
    ["merminbpf_conntrack_read", ENOMEM],
    ["merminbpf_conntrack_read", EMSGSIZE],
    ["merminbpf_conntrack_list", ENOBUFS],
    ["merminbpf_conntrack_listed", ENOBUFS],
    ["merminbpf_conntrack_listed", EINVAL],
  ] as const)(
    "outlives %s with %i",
    async (name, errno) => {
      let isFailing = false;
      const own = probe.library[name] as (...words: unknown[]) => number;
      const feed = newFeed(faulty({ [name]: (...words: unknown[]) => (isFailing ? errno : own(...words)) }));
      feed.start(SECOND);
      await ask(4);
      turn(feed, SECOND);
      expect(table.stats().translations).toBe(4);
      isFailing = true;
      for (let second = 61; second < 300; second++) turn(feed, second * SECOND);
      expect(feed.stats()).toEqual({ isFollowed: false, resyncs: 0, interruptions: 1 });
      expect(table.stats().translations).toBe(0);
      isFailing = false;
      turn(feed, 360 * SECOND);
      expect(feed.stats()).toEqual({ isFollowed: true, resyncs: 0, interruptions: 1 });
      expect(table.stats().translations).toBe(4);
      expect(lines.map((line) => line.includes(FOLLOWED))).toEqual([false, true]);
      flushConntrack(node.namespace);
      turn(feed, 361 * SECOND);
      turn(feed, 361 * SECOND + KEPT_NS);
      expect(table.stats().translations).toBe(0);
    },
    30_000,
  );

  test("ends nothing by a listing that was interrupted, and lists again a second later", async () => {
    let isInterrupted = false;
    const own = probe.library.merminbpf_conntrack_listed;
    // Rows are lost, and the end says so.
    const listed = (...words: Words<"listed">): number => {
      const result = own(...words);
      if (!isInterrupted || (result < 0 && result !== ENODATA)) return result;
      return result === ENODATA ? EINTR : 0;
    };
    const feed = newFeed(faulty({ merminbpf_conntrack_listed: listed }));
    feed.start(SECOND);
    await ask(4);
    turn(feed, SECOND);
    isInterrupted = true;
    turn(feed, 61 * SECOND);
    turn(feed, 61 * SECOND + 2 * KEPT_NS);
    expect(feed.stats()).toEqual({ isFollowed: true, resyncs: 0, interruptions: 0 });
    expect(table.stats().translations).toBe(4);
    isInterrupted = false;
    flushConntrack(node.namespace);
    turn(feed, 90 * SECOND);
    turn(feed, 101 * SECOND);
    expect(table.stats().translations).toBe(0);
  }, 30_000);

  test("gives a listing up that never ends", async () => {
    const feed = newFeed(faulty({ merminbpf_conntrack_listed: () => 0 }));
    feed.start(SECOND);
    turn(feed, 60 * SECOND);
    expect(lines).toEqual([]);
    turn(feed, 61 * SECOND);
    expect(lines.join("")).toContain("the kernel ends no listing");
  }, 30_000);

  test("brings nothing back that ended while it was being listed", async () => {
    const feed = newFeed();
    feed.start(SECOND);
    await ask(10);
    turn(feed, 2 * SECOND);
    expect(table.stats().translations).toBe(10);
    // A listing begins: its first slice is in the socket's queue. The events are read before it.
    feed.apply(90 * SECOND);
    flushConntrack(node.namespace);
    turn(feed, 91 * SECOND);
    turn(feed, 91 * SECOND + KEPT_NS);
    expect(table.stats().translations).toBe(0);
  }, 30_000);
});

describe("the shim", () => {
  test("tells of lost events once all that waited are read: until then the kernel loses more", async () => {
    const { library, handle } = probe;
    const rows = new Uint32Array(new ArrayBuffer(8 * TRANSLATION_BYTES));
    const read = (): number => library.merminbpf_conntrack_read(handle, rows, 8);
    expect(library.merminbpf_conntrack_open(handle, 64 << 10)).toBe(0);
    await ask(200);
    expect(read()).toBe(7); // The first reading is of the loss.
    expect(library.merminbpf_conntrack_overrun(handle)).toBe(0);
    let taken = 7;
    for (let count = read(); count > 0; count = read()) taken += count;
    expect(taken).toBeLessThan(200);
    expect(library.merminbpf_conntrack_overrun(handle)).toBe(1);
    expect(library.merminbpf_conntrack_overrun(handle)).toBe(0);
    await ask(1);
    library.merminbpf_conntrack_close(handle);
    library.merminbpf_conntrack_close(handle);
    library.merminbpf_conntrack_close(null);
    expect(read()).toBeLessThan(0);
  }, 30_000);

  test.each([
    ["", [0, 0]],
    ["original ", [5, 0]],
    ["reply ", [0, 5]],
  ] as const)(
    "tells the zone of an entry's %sdirection",
    async (direction, zones) => {
      const rule = direction === "" ? "ct zone set 5" : `ct ${direction}zone set 5`;
      const expected = direction === "" ? [5, 5] : [...zones];
      node.namespace.run(
        "nft",
        `add table ip zones; add chain ip zones before { type filter hook prerouting priority raw; }; add rule ip zones before ${rule}`,
      );
      const { library, handle } = probe;
      const rows = new Uint32Array(new ArrayBuffer(512 * TRANSLATION_BYTES));
      const zonesOf = (): readonly number[] => {
        const word = rows[TRANSLATION.zones] ?? 0;
        return [word & 0xffff, word >>> 16];
      };
      expect(library.merminbpf_conntrack_open(handle, 1 << 20)).toBe(0);
      node.pod.namespace.start(["sh", "-c", `echo x | nc -n -u -w 1 ${SERVICE.local} 7100`]);
      let events = 0;
      const deadline = Date.now() + 10_000;
      while (events === 0 && Date.now() < deadline) {
        events = library.merminbpf_conntrack_read(handle, rows, 1);
        await Bun.sleep(5);
      }
      expect([events, ...zonesOf()]).toEqual([1, ...expected]);
      rows.fill(0);
      expect(library.merminbpf_conntrack_list(handle)).toBe(0);
      expect(library.merminbpf_conntrack_listed(handle, rows, 512)).toBe(1);
      expect(zonesOf()).toEqual(expected);
    },
    30_000,
  );
});
