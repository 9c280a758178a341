// One packet at several hooks. Times are the packets' own (knob replay), so silence takes no waiting.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { frame, ip } from "../support/packets.ts";
import { udp } from "../support/segments.ts";
import { Bench, type Counts, type RunOptions } from "./bench.ts";
import type { Way } from "./decode.ts";
import { ThreadNamespace } from "./thread-namespace.ts";

const MS = 1e6;
const START = 1e15;
const BYTES = 128;
const PACKET = frame(ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 100)));
const ANSWER = frame(ip("10.0.0.2", "10.0.0.1", udp([2000, 1000], 100)));

/** Interfaces, and their hooks as flow.h numbers them. */
const A = 100;
const B = 110;
const C = 120;
const ingress = (ifindex: number): number => ifindex * 2;
const egress = (ifindex: number): number => ifindex * 2 + 1;

const INTERLEAVED = 1;
const ENTERED = 2;
const COPIED = 4;
const AGE = 24;
const AGE_STEP = 8;

let namespace: ThreadNamespace;
let bench: Bench;
beforeAll(() => {
  namespace = new ThreadNamespace();
  namespace.addPairs([A, A + 1], [B, B + 1], [C, C + 1]);
  bench = new Bench({ isReplay: true });
});
afterAll(() => {
  bench[Symbol.dispose]();
  namespace[Symbol.dispose]();
});
beforeEach(() => {
  for (const ifindex of [A, B, C]) bench.removeInterface(ifindex);
  bench.reset();
});

/** A packet at an interface, `ms` after the start. */
function at(ms: number, ifindex: number, options: RunOptions = {}): Counts {
  return bench.run(PACKET, { ...options, ifindex, atNs: START + ms * MS });
}

function many(count: number, ms: number, ifindex: number, options: RunOptions = {}): Counts {
  return bench.counting(() => {
    for (let index = 0; index < count; index++) {
      bench.runOrRefuse(PACKET, { ...options, ifindex, atNs: START + ms * MS });
    }
  });
}

function way(): Way {
  return bench.flow().ways[0];
}

const counted = (packets: number): Counts => ({ accounted: [packets, packets * BYTES] });
const copied = (packets: number): Counts => ({ duplicate: [packets, packets * BYTES] });
const takenOver = (held: number): Counts => ({
  accounted: [held + 1, (held + 1) * BYTES],
  ...(held > 0 && { taken_over: [held, held * BYTES] }),
});

describe("the owner of a direction", () => {
  test("is the first hook that sees it, and counts alone", () => {
    expect(at(0, A)).toEqual(counted(1));
    expect(at(0, B)).toEqual(copied(1));
    expect(at(0, C, { egress: true })).toEqual(copied(1));
    expect(at(1, A)).toEqual(counted(1));
    expect(way()).toMatchObject({
      packets: 2,
      bytes: 2 * BYTES,
      ownerHook: ingress(A),
      lastSeenNs: START + MS,
    });
  });

  test("differs by direction", () => {
    at(0, A);
    bench.run(ANSWER, { ifindex: B, atNs: START });
    bench.run(ANSWER, { ifindex: A, egress: true, ingressIfindex: B, atNs: START });
    at(1, B, { egress: true, ingressIfindex: A });
    const { ways } = bench.flow();
    expect(ways).toMatchObject([
      { packets: 1, ownerHook: ingress(A), candidateHook: 0 },
      { packets: 1, ownerHook: ingress(B), candidateHook: 0 },
    ]);
  });

  test("is the hook's side too: the same interface the other way is another hook", () => {
    expect(at(0, A)).toEqual(counted(1));
    expect(at(0, A, { egress: true })).toEqual(copied(1));
    expect(way()).toMatchObject({ ownerHook: ingress(A), candidateHook: egress(A), candidatePackets: 1 });
  });

  test("tells a first packet that had entered by another interface before", () => {
    at(0, B, { egress: true, ingressIfindex: A });
    expect(way().flags).toBe(ENTERED);
    bench.reset();
    at(0, B, { egress: true });
    expect(way().flags).toBe(0);
  });

  test("counts the segments of copies as copies", () => {
    at(0, A);
    expect(at(0, B, { gsoSegments: 4 })).toEqual({ duplicate: [4, BYTES + 3 * 28] });
  });
});

describe("is_copy_by_place", () => {
  /** Whether B's side holds the packets that A's owner has counted. */
  function isHeld(options: RunOptions): boolean {
    expect(at(0, B, options)).toEqual(copied(1));
    return way().candidatePackets > 0;
  }

  test("knows a packet that leaves by the interface it entered", () => {
    at(0, A);
    expect(isHeld({ egress: true, ingressIfindex: A })).toBe(false);
    expect(isHeld({ egress: true, ingressIfindex: C })).toBe(true);
  });

  test("knows a packet that leaves and had entered at the candidate", () => {
    at(0, C);
    at(0, A);
    expect(way().candidateHook).toBe(ingress(A));
    expect(at(0, B, { egress: true, ingressIfindex: A })).toEqual(copied(1));
    expect(way()).toMatchObject({ candidateHook: ingress(A), candidatePackets: 1 });
  });

  test.each([0, 1, 3, 7])("knows devices stacked on each other, by place %d of either list", (place) => {
    const list = Array.from({ length: place + 1 }, (_, index) => 900 + index);
    for (const [ifindex, other] of [
      [B, A],
      [A, B],
    ] as const) {
      bench.relate(ifindex, list.with(place, other), 0);
      for (const isEgress of [false, true]) {
        bench.reset();
        at(0, A, { egress: isEgress });
        expect(isHeld({ egress: isEgress })).toBe(false);
      }
      bench.reset();
      at(0, A);
      expect(isHeld({ egress: true })).toBe(true);
      bench.removeInterface(ifindex);
    }
  });

  test("knows the other end of a pair on the other side only", () => {
    bench.relate(B, [], A);
    at(0, A, { egress: true });
    expect(isHeld({})).toBe(false);
    bench.reset();
    at(0, A);
    expect(isHeld({ egress: true })).toBe(false);
    bench.reset();
    at(0, A);
    expect(isHeld({})).toBe(true);
  });

  test("adds nothing of such copies after the owner fell silent", () => {
    bench.relate(B, [A], 0);
    at(0, A);
    many(50, 1, B);
    expect(at(1500, B)).toEqual(takenOver(0));
    expect(way()).toMatchObject({ packets: 2, ownerHook: ingress(B) });
  });
});

describe("a hook whose place says nothing", () => {
  test("is held, and added when the owner has been silent for a second", () => {
    at(0, A);
    for (const ms of [10, 500, 999.999]) expect(at(ms, B)).toEqual(copied(1));
    expect(way()).toMatchObject({
      packets: 1,
      ownerHook: ingress(A),
      candidateHook: ingress(B),
      candidatePackets: 3,
      candidateBytes: 3 * BYTES,
    });
    expect(at(1000, B)).toEqual(takenOver(3));
    expect(way()).toMatchObject({
      packets: 5,
      bytes: 5 * BYTES,
      ownerHook: ingress(B),
      candidateHook: 0,
      candidatePackets: 0,
      candidateBytes: 0,
      lastSeenNs: START + 1000 * MS,
    });
  });

  test.each([
    [49.999, 0],
    [50, 31],
  ])("adds what it held until %d ms behind the owner: %d packets", (lastMs, held) => {
    at(0, A);
    many(30, 1, B);
    at(lastMs, B);
    expect(way().candidatePackets).toBe(31);
    expect(at(1200, B)).toEqual(takenOver(held));
    expect(way()).toMatchObject({ packets: 2 + held, ownerHook: ingress(B) });
  });

  test("takes over with how its own packet came, not the last owner's", () => {
    at(0, A, { egress: true, ingressIfindex: C });
    expect(way().flags & ENTERED).toBe(ENTERED);
    at(1000, B, { egress: true });
    expect(way()).toMatchObject({ ownerHook: egress(B) });
    expect(way().flags & ENTERED).toBe(0);
    at(2000, A, { egress: true, ingressIfindex: C });
    expect(way().flags & ENTERED).toBe(ENTERED);
  });

  test("takes over from a silent owner packets that entered by its interface", () => {
    at(0, A);
    expect(at(999, B, { egress: true, ingressIfindex: A })).toEqual(copied(1));
    expect(at(1000, B, { egress: true, ingressIfindex: A })).toEqual(takenOver(0));
    expect(way()).toMatchObject({ packets: 2, ownerHook: egress(B) });
  });

  test("takes over in one direction only", () => {
    at(0, A);
    bench.run(ANSWER, { ifindex: A, atNs: START });
    at(1000, B);
    expect(bench.flow().ways).toMatchObject([{ ownerHook: ingress(B) }, { ownerHook: ingress(A) }]);
  });

  test("gives back what it took over to a hook that sees the flow after it", () => {
    at(0, A);
    at(1000, B);
    expect(at(1100, A)).toEqual(copied(1));
    expect(at(2000, A)).toEqual(takenOver(1));
    expect(way()).toMatchObject({ packets: 4, ownerHook: ingress(A) });
  });

  test("loses what it held when the owner goes on", () => {
    at(0, A);
    many(40, 900, B);
    expect(at(999, A)).toEqual(counted(1));
    expect(way()).toMatchObject({
      packets: 2,
      candidateHook: ingress(B),
      candidatePackets: 0,
      flags: INTERLEAVED | COPIED,
    });
    expect(at(2000, B)).toEqual(takenOver(0));
    expect(way()).toMatchObject({ packets: 3, flags: AGE_STEP });
  });

  test("is not held for 50 ms behind the owner once the owner has gone on", () => {
    at(0, A);
    at(1, B);
    at(10, A);
    for (const ms of [10, 40, 59.999]) at(ms, B);
    expect(way().candidatePackets).toBe(0);
    for (const ms of [60, 500]) at(ms, B);
    expect(way().candidatePackets).toBe(2);
    expect(at(1010, B)).toEqual(takenOver(2));
    expect(way()).toMatchObject({ packets: 5, ownerHook: ingress(B) });
  });

  /** The owner's packets in four scan generations, from `ms` on. */
  function growOld(ms: number, ifindex: number): void {
    for (let generation = 0; generation < 4; generation++) {
      at(ms + generation, ifindex);
      bench.reader.beginScan();
    }
  }

  test("takes over with its second packet in a row from an old owner that nobody copied", () => {
    growOld(0, A);
    expect(at(4, B)).toEqual(copied(1));
    expect(at(5, B)).toEqual(takenOver(1));
    expect(at(6, B)).toEqual(counted(1));
    expect(way()).toMatchObject({ packets: 7, bytes: 7 * BYTES, ownerHook: ingress(B), flags: AGE_STEP });
  });

  test("takes over with a second packet that entered by the old owner's interface", () => {
    growOld(0, A);
    expect(at(4, B, { egress: true })).toEqual(copied(1));
    expect(at(5, B, { egress: true, ingressIfindex: A })).toEqual(takenOver(1));
  });

  test("takes over at once from no owner of fewer generations, whose copies may be on their way", () => {
    for (const ms of [0, 1, 2]) {
      at(ms, A);
      bench.reader.beginScan();
    }
    for (const ms of [4, 5, 6]) expect(at(ms, B)).toEqual(copied(1));
    expect(way()).toMatchObject({ packets: 3, ownerHook: ingress(A), candidatePackets: 3 });
  });

  test("takes over at once from no owner whose packets were copied before, by whatever hook", () => {
    at(0, A);
    at(0, C);
    growOld(1, A);
    expect(way().flags).toBe(INTERLEAVED | COPIED | AGE);
    for (const ms of [120, 121, 122]) expect(at(ms, B)).toEqual(copied(1));
    expect(way()).toMatchObject({ packets: 5, ownerHook: ingress(A), candidatePackets: 3 });
  });

  test("takes over at once from no owner that was there before a hook was attached", () => {
    growOld(0, A);
    const { library, handle } = bench.probe;
    bench.probe.attach(C, "egress", { mode: "auto", order: "first", tcPriority: 1 });
    library.merminbpf_hook_detach(handle, C, 1);
    for (const ms of [4, 5, 6]) expect(at(ms, B)).toEqual(copied(1));
    at(70, A);
    for (const ms of [71, 72, 73]) expect(at(ms, B)).toEqual(copied(1));
    expect(way()).toMatchObject({ packets: 5, ownerHook: ingress(A) });
  });

  test("is a copy where owner and it take turns, as behind a hook that was attached late", () => {
    growOld(0, A);
    for (const ms of [70, 80, 90]) {
      expect(at(ms, A)).toEqual(counted(1));
      expect(at(ms, B)).toEqual(copied(1));
    }
    expect(way()).toMatchObject({ packets: 7, ownerHook: ingress(A) });
  });

  test("proves the new owner anew: what goes back at once is held", () => {
    growOld(0, A);
    for (const ms of [4, 5]) at(ms, B);
    for (const ms of [6, 7]) expect(at(ms, A)).toEqual(copied(1));
    expect(way()).toMatchObject({ packets: 6, ownerHook: ingress(B), candidatePackets: 2 });
  });

  test("adds nothing it saw only within 50 ms of the owner's last packet", () => {
    at(0, A);
    for (const ms of [1, 49]) at(ms, B);
    expect(way().candidatePackets).toBe(2);
    expect(at(1500, B)).toEqual(takenOver(0));
    expect(way()).toMatchObject({ packets: 2, ownerHook: ingress(B) });
  });

  test("adds no batch of 1,000 copies that left a queue later", () => {
    for (let batch = 0; batch < 5; batch++) {
      expect(many(1000, batch * 20, A)).toEqual(counted(1000));
      expect(many(1000, batch * 20 + 15, B)).toEqual(copied(1000));
    }
    expect(many(1, 1200, A)).toEqual(counted(1));
    expect(many(1, 1215, B)).toEqual(copied(1));
    expect(at(3000, B)).toEqual(takenOver(0));
    expect(way()).toMatchObject({ packets: 5002, bytes: 5002 * BYTES });
  });

  test("keeps its place from a third hook while it holds packets", () => {
    at(0, A);
    at(1, B);
    at(2, C);
    expect(way()).toMatchObject({ candidateHook: ingress(B), candidatePackets: 1 });
    expect(at(1500, C)).toEqual(takenOver(0));
    expect(way()).toMatchObject({ packets: 2, ownerHook: ingress(C), candidateHook: 0, candidatePackets: 0 });
  });

  test("yields its place to a third hook when it holds none", () => {
    at(0, A);
    at(1, B);
    at(2, A);
    at(3, C);
    expect(way()).toMatchObject({ candidateHook: ingress(C), candidatePackets: 1, flags: COPIED });
  });
});
