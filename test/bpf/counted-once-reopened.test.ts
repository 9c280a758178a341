import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { frame, ip } from "../support/packets.ts";
import { TCP_FLAG, tcp } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import { ThreadNamespace } from "./thread-namespace.ts";

const START = 1e15;

/** Interfaces, and their ingress hooks as flow.h numbers them. */
const A = 100;
const B = 110;
const C = 120;
const ingress = (ifindex: number): number => ifindex * 2;

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

describe("a SYN on a closed flow", () => {
  const segment = (flags: number): Uint8Array =>
    frame(ip("10.0.0.1", "10.0.0.2", tcp([1000, 80], { flags })));
  const answer = (flags: number): Uint8Array => frame(ip("10.0.0.2", "10.0.0.1", tcp([80, 1000], { flags })));

  test("opens both ways' owners anew, because the path may be another", () => {
    const atNs = START;
    bench.run(segment(TCP_FLAG.syn), { ifindex: A, atNs });
    bench.run(answer(TCP_FLAG.rst), { ifindex: A, egress: true, atNs });
    bench.run(segment(TCP_FLAG.ack), { ifindex: C, atNs });
    expect(bench.flow().ways[0].candidatePackets).toBe(1);
    expect(bench.run(segment(TCP_FLAG.syn), { ifindex: B, atNs })).toEqual({ accounted: [1, 40] });
    expect(bench.run(segment(TCP_FLAG.syn), { ifindex: A, atNs })).toEqual({ duplicate: [1, 40] });
    expect(bench.run(answer(TCP_FLAG.ack), { ifindex: C, atNs })).toEqual({ accounted: [1, 40] });
    const flow = bench.flow();
    expect(flow).toMatchObject({ incarnation: 1, basePackets: [1, 1], baseBytes: [40, 40] });
    expect(flow.ways).toMatchObject([
      { packets: 2, ownerHook: ingress(B), candidateHook: ingress(A), candidatePackets: 1 },
      { packets: 2, ownerHook: ingress(C), candidateHook: 0 },
    ]);
  });
});
