import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SEVERAL, type SocketHolder, UNSURE } from "../../../src/kubernetes/socket-holders.ts";
import { type HeldSocket, merge } from "../../../src/kubernetes/socket-index.ts";
import {
  type SocketAnswer,
  type SocketReading,
  SocketReadings,
} from "../../../src/kubernetes/socket-readings.ts";
import { NOW, SECOND } from "./cluster.ts";
import { wordsOf } from "./objects.ts";

const HOST_ADDRESSES = ["192.0.2.1", "127.0.0.1", "2001:db8::1"];
const A: SocketHolder = { kind: "pod", uid: "a", containerId: "1" };
const A2: SocketHolder = { kind: "pod", uid: "a", containerId: "2" };
const B: SocketHolder = { kind: "pod", uid: "b", containerId: "3" };
const HOST: SocketHolder = { kind: "host" };
const KEPT_MS = 120 * SECOND;
const TCP = 6;

type Where = Partial<Pick<HeldSocket, "protocol" | "ipVersion" | "port">> & { readonly address?: string };

function socket(holder: SocketHolder, { address, ...where }: Where = {}): HeldSocket {
  const words = address === undefined ? new Uint32Array(4) : wordsOf(address);
  return { protocol: TCP, ipVersion: 0, port: 9100, ...where, address: words, holder };
}

/** Readings by their seconds after {@link NOW}; undefined: the same as before. */
function read(...all: readonly (readonly [number, readonly HeldSocket[] | undefined])[]): SocketReadings {
  const readings = new SocketReadings(KEPT_MS);
  for (const [seconds, sockets] of all) {
    if (sockets === undefined) readings.confirm(NOW + seconds * SECOND);
    else readings.add(readingOf(seconds, sockets));
  }
  return readings;
}

function readingOf(seconds: number, sockets: readonly HeldSocket[]): SocketReading {
  const addresses = Uint32Array.from(HOST_ADDRESSES.flatMap((address) => [...wordsOf(address)]));
  return { atMs: NOW + seconds * SECOND, addresses, sockets };
}

function ask(readings: SocketReadings, seconds: number, address = "192.0.2.1", port = 9100): SocketAnswer {
  const answer: SocketAnswer = { holder: undefined, isSeen: true, isPending: true };
  readings.find({ words: wordsOf(address), at: 0, port, protocol: TCP }, NOW + seconds * SECOND, answer);
  return answer;
}

const seen = (holder: SocketHolder): SocketAnswer => ({ holder, isSeen: true, isPending: false });
const between = (holder: SocketHolder | undefined): SocketAnswer => ({
  ...{ holder, isSeen: false, isPending: false },
});
const pending = (holder: SocketHolder | undefined): SocketAnswer => ({
  ...{ holder, isSeen: false, isPending: true },
});

describe("SocketReadings finds who listens", () => {
  const holderAt = (sockets: readonly HeldSocket[], address: string, port = 9100): SocketHolder | undefined =>
    ask(read([0, sockets]), 0, address, port).holder;

  test("at a port of the host's addresses and of no other, with the protocol", () => {
    expect(holderAt([socket(A)], "192.0.2.1")).toBe(A);
    expect(holderAt([socket(A)], "2001:db8::1")).toBe(A);
    expect(holderAt([socket(A)], "192.0.2.2")).toBeUndefined();
    expect(holderAt([socket(A)], "192.0.2.1", 9101)).toBeUndefined();
    expect(holderAt([socket(A, { protocol: 17 })], "192.0.2.1")).toBeUndefined();
  });

  test("at the address before who listens at any", () => {
    const sockets = [socket(A), socket(HOST, { address: "127.0.0.1", ipVersion: 4 })];
    expect(holderAt(sockets, "127.0.0.1")).toBe(HOST);
    expect(holderAt(sockets, "192.0.2.1")).toBe(A);
  });

  test("in the version that the socket takes, IPv4's own first", () => {
    const sockets = [socket(A, { ipVersion: 4 }), socket(B, { ipVersion: 6 })];
    expect(holderAt(sockets, "192.0.2.1")).toBe(A);
    expect(holderAt(sockets, "2001:db8::1")).toBe(B);
    expect(holderAt([socket(B), socket(A, { ipVersion: 4 })], "192.0.2.1")).toBe(A);
    expect(holderAt([socket(A, { ipVersion: 6 })], "192.0.2.1")).toBeUndefined();
    expect(holderAt([socket(A, { ipVersion: 4 })], "2001:db8::1")).toBeUndefined();
  });

  test("as what several of one port have in common", () => {
    expect(holderAt([socket(A), socket(A)], "192.0.2.1")).toEqual(A);
    expect(holderAt([socket(A), socket(A2)], "192.0.2.1")).toEqual({
      kind: "pod",
      uid: "a",
      containerId: "",
    });
    expect(holderAt([socket(A), socket(B)], "192.0.2.1")).toEqual(SEVERAL);
    expect(holderAt([socket(A), socket(HOST)], "192.0.2.1")).toEqual(SEVERAL);
    expect(holderAt([socket(A), socket(UNSURE)], "192.0.2.1")).toEqual(UNSURE);
    expect(holderAt([socket(A), socket(B), socket(UNSURE)], "192.0.2.1")).toEqual(SEVERAL);
    expect(holderAt([socket(HOST), socket(HOST)], "192.0.2.1")).toEqual(HOST);
  });
});

describe("SocketReadings tells of a time", () => {
  test("between two readings that saw the same holder", () => {
    const readings = read([0, [socket(A)]], [30, undefined], [60, undefined]);
    for (const seconds of [0, 1, 30, 59.9, 60]) expect(ask(readings, seconds)).toEqual(seen(A));
    const changed = read([0, [socket(A)]], [30, [socket(A), socket(B, { port: 9101 })]]);
    expect(ask(changed, 15)).toEqual(seen(A));
    expect(ask(changed, 15, "192.0.2.1", 9101)).toEqual(between(B));
  });

  test("of the one holder that either reading saw, as long as no other is known", () => {
    const readings = read([0, []], [30, [socket(A)]], [60, []]);
    expect([-1, 0, 15, 30, 45, 60].map((seconds) => ask(readings, seconds))).toEqual([
      ...[between(undefined), between(undefined), between(A)],
      ...[seen(A), between(A), between(undefined)],
    ]);
  });

  test("of nobody where two had the port, one after the other", () => {
    const readings = read([0, [socket(A)]], [30, [socket(B)]], [60, [socket(HOST)]]);
    expect([0, 15, 30, 45, 60].map((seconds) => ask(readings, seconds).holder)).toEqual([
      ...[A, SEVERAL, B, SEVERAL, HOST],
    ]);
  });

  test("after the last reading, until the next one", () => {
    const readings = read([0, [socket(A)]]);
    expect(ask(readings, 10)).toEqual(pending(A));
    expect(ask(readings, 10, "192.0.2.1", 1)).toEqual(pending(undefined));
    expect(ask(readings, 10, "192.0.2.9")).toEqual(between(undefined));
    readings.confirm(NOW + 30 * SECOND);
    expect(ask(readings, 10)).toEqual(seen(A));
  });

  test("before the first reading, for as long as another one would have taken", () => {
    const readings = read([0, [socket(A)]]);
    expect(ask(readings, -30)).toEqual(between(A));
    expect(ask(readings, -30.1)).toEqual(between(undefined));
    expect(ask(new SocketReadings(KEPT_MS), 0)).toEqual(between(undefined));
  });

  test("of nothing that was long ago, nor of what was before a long time without readings", () => {
    const readings = read([0, [socket(A)]]);
    expect(ask(readings, 120)).toEqual(pending(A));
    expect(ask(readings, 121)).toEqual(pending(undefined));
    readings.confirm(NOW + 120 * SECOND);
    expect(ask(readings, 60)).toEqual(seen(A));
    readings.confirm(NOW + 300 * SECOND);
    expect([260, 280, 300].map((seconds) => ask(readings, seconds))).toEqual([
      ...[between(undefined), between(A), seen(A)],
    ]);
    readings.add(readingOf(500, [socket(A)]));
    expect([400, 480, 500].map((seconds) => ask(readings, seconds))).toEqual([
      ...[between(undefined), between(A), seen(A)],
    ]);
  });

  test("of nothing before a clock that was set back", () => {
    const readings = read([0, [socket(A)]], [60, undefined], [-100, [socket(B)]]);
    expect(ask(readings, 0)).toEqual(pending(B));
    const confirmed = read([0, [socket(A)]], [60, undefined], [-100, undefined]);
    expect(ask(confirmed, 0)).toEqual(pending(A));
  });
});

test("SocketReadings says what two readings say, the last one before and the first one after", () => {
  const holders = [undefined, A, A2, B, HOST, SEVERAL, UNSURE] as const;
  const step = fc.record({ pause: fc.integer({ min: 1, max: 30 }), holder: fc.constantFrom(...holders) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.nat(60), (steps, ago) => {
      const readings = read();
      const times: { readonly at: number; readonly holder: SocketHolder | undefined }[] = [];
      for (const { pause, holder } of steps) {
        const last = times.at(-1);
        const at = (last?.at ?? 0) + pause;
        if (last !== undefined && last.holder === holder) readings.confirm(NOW + at * SECOND);
        else readings.add(readingOf(at, holder === undefined ? [] : [socket(holder)]));
        times.push({ at, holder });
      }
      const asked = (times.at(-1)?.at ?? 0) + 10 - ago;
      const before = times.findLast(({ at }) => at <= asked);
      const after = times.find(({ at }) => at > asked);
      const first = times[0]?.at ?? 0;
      if (asked < first - 30) expect(ask(readings, asked)).toEqual(between(undefined));
      else if (before?.at === asked) {
        expect(ask(readings, asked)).toEqual(before.holder ? seen(before.holder) : between(undefined));
      } else {
        const both = [before?.holder, after?.holder].filter((holder) => holder !== undefined);
        const [one, other] = both;
        expect(ask(readings, asked)).toEqual({
          holder: one && other ? merge(one, other) : one,
          isSeen: both.length === 2,
          isPending: after === undefined,
        });
      }
    }),
  );
});

test("SocketReadings keeps what may be asked about, and so many sockets and addresses at most", () => {
  const one = [socket(A)];
  const readings = read(...Array.from({ length: 100 }, (_, i) => [i * 10, one] as const));
  // Those of the last two minutes, and one before.
  expect(readings.size).toBe(14 * (1 + HOST_ADDRESSES.length));
  expect(ask(readings, 860).holder).toBe(A);
  expect(ask(readings, 859)).toEqual(between(undefined));
  const many = Array.from({ length: 16_384 }, (_, i) => socket(A, { port: i + 1 }));
  const sockets = read(...Array.from({ length: 9 }, (_, i) => [i, many] as const));
  expect(sockets.size).toBe(7 * (16_384 + HOST_ADDRESSES.length));
  // As kube-proxy's IPVS gives the host, which has few sockets.
  const services = Uint32Array.from({ length: 4 * 10_000 }, (_, i) => i);
  const addresses = read();
  for (let i = 0; i < 20; i++) addresses.add({ atMs: NOW + i * SECOND, addresses: services, sockets: one });
  expect(addresses.size).toBe(13 * 10_001);
});
