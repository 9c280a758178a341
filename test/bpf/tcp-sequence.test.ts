// What was sent again, and what came late: by sequence numbers and times.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { TCP_STATE } from "../../src/capture/record.ts";
import { TCP_FLAG } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import { CLIENT, momentNs, SERVER, TcpConversation } from "./tcp-conversation.ts";

const { syn, ack, fin, rst, psh } = TCP_FLAG;
const DATA = CLIENT + 1;

let bench: Bench;
let tcp: TcpConversation;
beforeAll(() => {
  bench = new Bench({ isReplay: true });
  tcp = new TcpConversation(bench);
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function counts(): { readonly retransmits: readonly number[]; readonly outOfOrder: readonly number[] } {
  const { retransmits, outOfOrder } = bench.flow().tcp;
  return { retransmits, outOfOrder };
}

const NONE = { retransmits: [0, 0], outOfOrder: [0, 0] };

describe("sequence_end", () => {
  test("is behind payload, SYN and FIN, each way by itself", () => {
    tcp.open();
    expect(bench.flow().sequenceEnd).toEqual([CLIENT + 1, SERVER + 1]);
    tcp.client({ atMs: 2, sequence: DATA, payload: 100 });
    tcp.server({ atMs: 3, sequence: SERVER + 1, payload: 30, flags: ack | fin });
    expect(bench.flow().sequenceEnd).toEqual([DATA + 100, SERVER + 32]);
  });

  test("is raised at the time of the packet that raised it, and by nothing else", () => {
    tcp.open();
    tcp.client({ atMs: 50, sequence: DATA, payload: 100 });
    tcp.client({ atMs: 70, sequence: DATA, payload: 100 });
    tcp.client({ atMs: 80, sequence: DATA + 100, flags: ack });
    expect(bench.flow().sequenceRaised[0]).toBe(Math.floor(momentNs(50) / 65_536) % 2 ** 32);
  });

  test("goes on through 2^32", () => {
    tcp.client({ atMs: 0, flags: syn, sequence: 0xffffff00 });
    tcp.client({ atMs: 1, sequence: 0xffffff01, payload: 200 });
    tcp.client({ atMs: 2, sequence: 0xffffffc9, payload: 200 });
    expect(bench.flow().sequenceEnd[0]).toBe(145);
    tcp.client({ atMs: 20, sequence: 0xffffff01, payload: 200 });
    expect(counts()).toEqual({ retransmits: [1, 0], outOfOrder: [0, 0] });
  });

  test("is begun anew by a SYN with another number on a connection that was never closed", () => {
    tcp.open();
    tcp.client({ atMs: 2, sequence: DATA, payload: 100 });
    tcp.client({ atMs: 90_000, flags: syn, sequence: 0xf0000000 });
    tcp.client({ atMs: 90_010, sequence: 0xf0000001, payload: 100 });
    expect(counts()).toEqual(NONE);
    expect(bench.flow().sequenceEnd[0]).toBe(0xf0000065);
  });
});

describe("a packet with payload that was seen before", () => {
  test("is none that begins its way anew: a SYN may bring payload", () => {
    tcp.client({ atMs: 0, sequence: 0xf0000000, payload: 100 });
    tcp.client({ atMs: 400, flags: syn, sequence: 0xe0000000, payload: 20 });
    expect(counts()).toEqual(NONE);
    tcp.client({ atMs: 800, flags: syn, sequence: 0xe0000000, payload: 20 });
    expect(counts()).toEqual({ ...NONE, retransmits: [1, 0] });
  });

  test.each([
    [2.8, "outOfOrder"],
    [3.2, "retransmits"],
  ] as const)("counts after %d ms as %s, where the handshake took 1 ms", (afterMs, counter) => {
    tcp.open();
    tcp.client({ atMs: 10, sequence: DATA, payload: 100 });
    tcp.client({ atMs: 10 + afterMs, sequence: DATA, payload: 100 });
    expect(counts()).toEqual({ ...NONE, [counter]: [1, 0] });
  });

  test.each([
    [49, "outOfOrder"],
    [51, "retransmits"],
  ] as const)("counts after %d ms as %s, where the handshake took 100 ms", (afterMs, counter) => {
    tcp.open(100);
    tcp.server({ atMs: 200, sequence: SERVER + 1, payload: 100 });
    tcp.server({ atMs: 200 + afterMs, sequence: SERVER + 1, payload: 100 });
    expect(counts()).toEqual({ ...NONE, [counter]: [0, 1] });
  });

  test("counts the same where it came with a time before the first", () => {
    tcp.open();
    tcp.client({ atMs: 30, sequence: DATA + 100, payload: 100 });
    tcp.client({ atMs: 10, sequence: DATA, payload: 100 });
    expect(counts()).toEqual({ ...NONE, outOfOrder: [1, 0] });
  });

  test("counts as all the segments of a super-packet", () => {
    tcp.open();
    tcp.client({ atMs: 2, sequence: DATA, payload: 3000, run: { gsoSegments: 3, gsoSize: 1000 } });
    tcp.client({ atMs: 20, sequence: DATA, payload: 3000, run: { gsoSegments: 3, gsoSize: 1000 } });
    tcp.client({ atMs: 20.5, sequence: DATA, payload: 2000, run: { gsoSegments: 2, gsoSize: 1000 } });
    expect(counts()).toEqual({ ...NONE, retransmits: [5, 0] });
  });

  test("counts as neither where some of it, or a FIN, is new", () => {
    tcp.open();
    tcp.client({ atMs: 2, sequence: DATA, payload: 100 });
    tcp.client({ atMs: 20, sequence: DATA + 50, payload: 100 });
    tcp.client({ atMs: 40, sequence: DATA + 100, payload: 50, flags: fin | ack });
    expect(counts()).toEqual(NONE);
    tcp.client({ atMs: 60, sequence: DATA + 100, payload: 50, flags: fin | ack });
    expect(counts()).toEqual({ ...NONE, retransmits: [1, 0] });
  });

  test("counts as neither where it has none: SYN, ACK, FIN and RST sent again", () => {
    tcp.open();
    for (const [atMs, flags] of [
      [500, syn | ack],
      [600, fin | ack],
      [700, fin | ack],
      [800, rst],
    ] as const)
      tcp.server({ atMs, flags, sequence: flags === (syn | ack) ? SERVER : SERVER + 1 });
    tcp.client({ atMs: 900, sequence: CLIENT, flags: ack });
    expect(counts()).toEqual(NONE);
  });

  test("counts as neither where it is a RST's", () => {
    tcp.open();
    tcp.client({ atMs: 2, sequence: DATA, payload: 100 });
    tcp.client({ atMs: 20, sequence: DATA, payload: 20, flags: rst });
    expect(counts()).toEqual(NONE);
  });

  test("counts as neither where its header was cut off", () => {
    tcp.open();
    tcp.client({ atMs: 2, sequence: DATA, payload: 100 });
    tcp.client({ atMs: 20, sequence: DATA, payload: 100, flags: 0 });
    expect(counts()).toEqual(NONE);
  });
});

describe("a keep-alive", () => {
  test.each([
    ["with a byte", 1],
    ["without a byte", 0],
  ])("%s is neither sent again nor late", (_, payload) => {
    tcp.open();
    tcp.client({ atMs: 2, sequence: DATA, payload: 100 });
    tcp.client({ atMs: 10_000, sequence: DATA + 99, payload });
    expect(counts()).toEqual(NONE);
  });

  test.each([
    ["two bytes", { sequence: DATA + 98, payload: 2 }],
    ["a byte before the last one", { sequence: DATA + 98, payload: 1 }],
  ])("is not what has %s", (_, sent) => {
    tcp.open();
    tcp.client({ atMs: 2, sequence: DATA, payload: 100 });
    tcp.client({ atMs: 10_000, ...sent });
    expect(counts()).toEqual({ ...NONE, retransmits: [1, 0] });
  });
});

describe("a connection met in mid-stream", () => {
  test("takes each way's first payload for new, whatever its number", () => {
    tcp.client({ atMs: 0, sequence: 0x90000000, payload: 100 });
    tcp.server({ atMs: 1, sequence: 7, payload: 100 });
    const flow = bench.flow();
    expect(flow.sequenceEnd).toEqual([0x90000064, 107]);
    expect(flow.tcp).toMatchObject({ ...NONE, state: (TCP_STATE.sequence * 3) | TCP_STATE.established });
    tcp.server({ atMs: 10, sequence: 7, payload: 100 });
    expect(counts()).toEqual({ ...NONE, retransmits: [0, 1] });
  });

  test("learns nothing of acknowledgements alone", () => {
    tcp.client({ atMs: 0, sequence: 1000, flags: ack });
    tcp.client({ atMs: 100, sequence: 900, flags: ack | psh });
    expect(bench.flow()).toMatchObject({ sequenceEnd: [0, 0], tcp: { state: 0 } });
  });
});

test("counts are those of the hook that owns the way", () => {
  tcp.open();
  tcp.client({ atMs: 2, sequence: DATA, payload: 100 });
  for (let packet = 0; packet < 3; packet++) {
    tcp.client({ atMs: 20, sequence: DATA, payload: 100, run: { egress: true } });
  }
  expect(bench.flow()).toMatchObject({ tcp: NONE, sequenceEnd: [DATA + 100, SERVER + 1] });
  tcp.client({ atMs: 30, sequence: DATA, payload: 100 });
  expect(counts()).toEqual({ ...NONE, retransmits: [1, 0] });
});

test("all begins at zero with the next life, and the event has what the old one came to", () => {
  tcp.open(2);
  tcp.client({ atMs: 10, sequence: DATA, payload: 100 });
  tcp.server({ atMs: 30, sequence: SERVER + 1, acknowledgement: DATA + 100, payload: 100 });
  tcp.client({ atMs: 40, sequence: DATA, payload: 100 });
  tcp.server({ atMs: 31, sequence: SERVER + 1, payload: 50 });
  tcp.client({ atMs: 50, sequence: DATA + 100, payload: 10 });
  tcp.server({ atMs: 50, flags: rst });
  const { tcp: old } = bench.flow();
  expect(old).toMatchObject({ responseCount: 1, retransmits: [1, 0], outOfOrder: [0, 1] });
  bench.events();
  tcp.client({ atMs: 1000, flags: syn, sequence: 77 });
  expect(bench.events().map((event) => event.reopened?.tcp)).toEqual([old]);
  expect(bench.flow()).toMatchObject({
    payloadNs: 0,
    sequenceEnd: [78, 0],
    tcp: { ...NONE, state: TCP_STATE.sequence, responseSumNs: 0, responseCount: 0, responseJitterNs: 0 },
  });
  tcp.client({ atMs: 1001, sequence: 78, payload: 1 });
  tcp.server({ atMs: 1002, sequence: 1, payload: 1 });
  expect(counts()).toEqual(NONE);
});
