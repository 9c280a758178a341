// Readings in a burst, and what is believed of a socket. Cgroups are a folder tree of their form.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LISTENER, LISTENER_BYTES } from "../../src/capture/listener-record.ts";
import { SocketHolders } from "../../src/kubernetes/socket-holders.ts";
import { type SocketAnswer, SocketReadings } from "../../src/kubernetes/socket-readings.ts";
import { createLogger } from "../../src/lib/log.ts";
import { SocketFeed } from "../../src/socket-feed.ts";
import { wordsOf } from "./kubernetes/objects.ts";

const HOST = wordsOf("192.0.2.1");
const UIDS = ["0f3c2a9e-5b7d-4c11-9a42-7d1e6f80b3c5", "1f3c2a9e-5b7d-4c11-9a42-7d1e6f80b3c5"];
const [TCP, PORT] = [6, 9100];
const START_MS = 1_000_000;

let root: string;
let ids: readonly bigint[];
let readings: SocketReadings;
let feed: SocketFeed;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mermin-cgroups-"));
  writeFileSync(join(root, "cgroup.controllers"), "");
  ids = UIDS.map((uid) => {
    const path = join(root, "kubepods", `pod${uid}`);
    mkdirSync(path, { recursive: true });
    return statSync(path, { bigint: true }).ino;
  });
  readings = new SocketReadings(120_000);
  feed = new SocketFeed(
    readings,
    new SocketHolders({ root, log: createLogger({ level: "error", format: "text" }) }),
  );
});

afterEach(() => rmSync(root, { recursive: true }));

/** A message with one socket that listens on any address; none: the same as before. */
function accept(atMs: number, cgroupId?: bigint, ifindex = 0): void {
  const kind = "listeners" as const;
  if (cgroupId === undefined) {
    feed.accept({ kind, atMs, changed: undefined });
    return;
  }
  const listeners = new Uint8Array(LISTENER_BYTES);
  const view = new DataView(listeners.buffer);
  view.setUint8(LISTENER.protocol, TCP);
  view.setUint16(LISTENER.port, PORT, true);
  view.setUint32(LISTENER.ifindex, ifindex, true);
  view.setBigUint64(LISTENER.cgroupId, cgroupId, true);
  feed.accept({ kind, atMs, changed: { listeners, addresses: HOST } });
}

/** Who listened at `atMs`, once that is known for certain: pod by number, kind of any other. */
async function holderAt(atMs: number): Promise<number | string> {
  const answer: SocketAnswer = { holder: undefined, isSeen: false, isPending: true };
  const deadline = performance.now() + 5000;
  while (!answer.isSeen) {
    if (performance.now() > deadline) throw new Error("no reading in time");
    await new Promise((resolve) => setImmediate(resolve));
    readings.find({ words: HOST, at: 0, port: PORT, protocol: TCP }, atMs, answer);
  }
  const { holder } = answer;
  return holder?.kind === "pod" ? UIDS.indexOf(holder.uid) : String(holder?.kind);
}

test("SocketFeed brings readings in their order, those that say nothing new too", async () => {
  const [first, second] = ids;
  accept(START_MS, first);
  expect(await holderAt(START_MS)).toBe(0);
  accept(START_MS + 30_000);
  expect(await holderAt(START_MS + 20_000)).toBe(0);
  accept(START_MS + 60_000, second);
  expect(await holderAt(START_MS + 60_000)).toBe(1);
  expect(await holderAt(START_MS + 30_000)).toBe(0);
  expect(await holderAt(START_MS + 45_000)).toBe("several");
});

test("SocketFeed forgets no reading that another saw the same after", async () => {
  const [first, second] = ids;
  accept(START_MS, first);
  accept(START_MS + 1000, second);
  accept(START_MS + 2000, first);
  expect(await holderAt(START_MS + 2000)).toBe(0);
  expect(await holderAt(START_MS + 500)).toBe("several");
  expect(await holderAt(START_MS + 1500)).toBe("several");
});

test("SocketFeed keeps the last of many that come while cgroups are looked for, with what changed before", async () => {
  const [first, second] = ids;
  accept(START_MS, first);
  accept(START_MS + 1000, second);
  for (let seconds = 2; seconds < 20; seconds++) accept(START_MS + seconds * 1000);
  expect(await holderAt(START_MS + 19_000)).toBe(1);
  expect(await holderAt(START_MS)).toBe(0);
  expect(await holderAt(START_MS + 1500)).toBe("several");
});

test("SocketFeed knows nobody of a socket that is still there when its cgroup is gone", async () => {
  accept(START_MS, ids[0]);
  expect(await holderAt(START_MS)).toBe(0);
  accept(START_MS + 30_000);
  rmSync(join(root, "kubepods", `pod${UIDS[0]}`), { recursive: true });
  accept(START_MS + 60_000);
  accept(START_MS + 90_000);
  expect(await holderAt(START_MS + 60_000)).toBe("unsure");
  expect(await holderAt(START_MS + 80_000)).toBe("unsure");
  expect(await holderAt(START_MS + 45_000)).toBe("unsure");
  expect(await holderAt(START_MS + 30_000)).toBe(0);
});

test("SocketFeed believes nothing of a socket bound to an interface, or of no cgroup", async () => {
  accept(START_MS, ids[0], 3);
  expect(await holderAt(START_MS)).toBe("unsure");
  accept(START_MS + 1000, 0n);
  expect(await holderAt(START_MS + 1000)).toBe("unsure");
});
