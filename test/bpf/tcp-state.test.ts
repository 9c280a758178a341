// The bits of a connection's state, and the state they say, packet by packet.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { TCP_STATE, WAY_FLAG } from "../../src/capture/record.ts";
import { CONNECTION_STATE } from "../../src/flow/flow.ts";
import { connectionState } from "../../src/flow/tcp.ts";
import { TCP_FLAG } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import { CLIENT, SERVER, TcpConversation } from "./tcp-conversation.ts";

const { syn, ack, fin, rst } = TCP_FLAG;
const { synSent, synReceived, established, finWait1, finWait2, closing, timeWait } = CONNECTION_STATE;
const { closeWait, lastAck, closed } = CONNECTION_STATE;

let bench: Bench;
let tcp: TcpConversation;
let nowMs = 0;
beforeAll(() => {
  bench = new Bench({ isReplay: true });
  tcp = new TcpConversation(bench);
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => {
  bench.reset();
  nowMs = 10;
});

/** By the client's orientation, which is the low end's. */
function state(initiator = 0): number {
  const flow = bench.flow();
  const flags = flow.ways[0].tcpFlags | (flow.ways[1].tcpFlags << 8);
  return connectionState(flags, flow.tcp.state, initiator);
}

function client(flags: number, sequence: number, acknowledgement: number): number {
  tcp.client({ atMs: nowMs++, flags, sequence, acknowledgement });
  return state();
}

function server(flags: number, sequence: number, acknowledgement: number): number {
  tcp.server({ atMs: nowMs++, flags, sequence, acknowledgement });
  return state();
}

function awaited(): readonly boolean[] {
  return bench.flow().ways.map(({ flags }) => (flags & WAY_FLAG.awaited) !== 0);
}

const C = CLIENT + 1;
const S = SERVER + 1;

test("a RST with SYN opens nothing", () => {
  client(syn | rst, CLIENT, 0);
  expect(bench.flow()).toMatchObject({ initiator: 0, synNs: 0, sequenceEnd: [0, 0] });
  expect(state()).toBe(closed);
});

describe("the state of a connection", () => {
  test("in a handshake", () => {
    expect(client(syn, CLIENT, 0)).toBe(synSent);
    expect(server(syn | ack, SERVER, C)).toBe(synSent);
    expect(awaited()).toEqual([true, false]);
    expect(client(ack, C, S)).toBe(established);
    expect(awaited()).toEqual([false, false]);
  });

  test("where only the initiator's way is seen", () => {
    expect(client(syn, CLIENT, 0)).toBe(synSent);
    expect(client(ack, C, S)).toBe(established);
  });

  test("where the SYN was not seen", () => {
    expect(server(syn | ack, SERVER, C)).toBe(synSent);
    expect(awaited()).toEqual([true, false]);
    expect(client(ack, C, S)).toBe(established);
  });

  test("where only the responder's way is seen, from its payload on", () => {
    expect(server(syn | ack, SERVER, C)).toBe(synSent);
    tcp.server({ atMs: 11, flags: ack, sequence: S, payload: 5 });
    expect(state()).toBe(established);
  });

  test("in a simultaneous open", () => {
    client(syn, CLIENT, 0);
    expect(server(syn, SERVER, 0)).toBe(synReceived);
    expect(client(syn | ack, CLIENT, S)).toBe(synReceived);
    expect(server(syn | ack, SERVER, C)).toBe(synReceived);
    expect(client(ack, C, S)).toBe(established);
  });

  test("through an active close", () => {
    tcp.open();
    expect(client(fin | ack, C, S)).toBe(finWait1);
    expect(awaited()).toEqual([false, true]);
    expect(server(ack, S, C)).toBe(finWait1);
    expect(server(ack, S, C + 1)).toBe(finWait2);
    expect(awaited()).toEqual([false, false]);
    expect(server(fin | ack, S, C + 1)).toBe(timeWait);
    expect(client(ack, C + 1, S + 1)).toBe(timeWait);
    expect(awaited()).toEqual([false, false]);
  });

  test("through an active close that FIN and ACK answer in one", () => {
    tcp.open();
    client(fin | ack, C, S);
    expect(server(fin | ack, S, C + 1)).toBe(timeWait);
  });

  test("through a passive close", () => {
    tcp.open();
    expect(server(fin | ack, S, C)).toBe(closeWait);
    expect(client(ack, C, S + 1)).toBe(closeWait);
    expect(client(fin | ack, C, S + 1)).toBe(lastAck);
    expect(server(ack, S + 1, C)).toBe(lastAck);
    expect(server(ack, S + 1, C + 1)).toBe(closed);
  });

  test("through a simultaneous close, whoever is seen first", () => {
    for (const isClientFirst of [true, false]) {
      bench.reset();
      tcp.open();
      if (isClientFirst) client(fin | ack, C, S);
      server(fin | ack, S, C);
      if (!isClientFirst) client(fin | ack, C, S);
      expect(state()).toBe(closing);
      expect(client(ack, C + 1, S + 1)).toBe(closing);
      expect(server(ack, S + 1, C + 1)).toBe(timeWait);
    }
  });

  test("with payload before the FIN that is not acknowledged yet", () => {
    tcp.open();
    tcp.client({ atMs: 5, flags: ack, sequence: C, payload: 100 });
    expect(client(fin | ack, C + 100, S)).toBe(finWait1);
    expect(server(ack, S, C + 100)).toBe(finWait1);
    expect(server(ack, S, C + 101)).toBe(finWait2);
  });

  test("with a FIN across 2^32", () => {
    client(syn, 0xfffffffe, 0);
    server(syn | ack, SERVER, 0xffffffff);
    client(fin | ack, 0xffffffff, S);
    expect(server(ack, S, 0xffffffff)).toBe(finWait1);
    expect(server(ack, S, 0)).toBe(finWait2);
  });

  test("after a reset by either end", () => {
    tcp.open();
    expect(server(rst, S, 0)).toBe(closed);
    bench.reset();
    expect(client(syn, CLIENT, 0)).toBe(synSent);
    expect(server(rst | ack, 0, C)).toBe(closed);
  });

  test("met in mid-stream, until it closes", () => {
    expect(client(ack, C, S)).toBe(established);
    expect(server(ack, S, C)).toBe(established);
    expect(server(fin | ack, S, C)).toBe(closeWait);
    expect(client(fin | ack, C, S + 1)).toBe(lastAck);
    expect(server(ack, S + 1, C + 1)).toBe(closed);
  });

  test("is turned round where the high end is the initiator", () => {
    server(syn, SERVER, 0);
    expect(state(1)).toBe(synSent);
    client(syn | ack, CLIENT, S);
    server(ack, S, C);
    expect(state(1)).toBe(established);
    server(fin | ack, S, C);
    expect(state(1)).toBe(finWait1);
    client(ack, C, S + 1);
    expect(state(1)).toBe(finWait2);
  });
});

test("a FIN has an exact time, by which what comes after it is judged", () => {
  using live = new Bench();
  const conversation = new TcpConversation(live);
  conversation.client({ atMs: 0, flags: ack, sequence: C });
  for (let packet = 0; packet < 20; packet++) {
    const { monotonicHigh, monotonicLow } = live.reader.clock();
    conversation.client({ atMs: 0, flags: fin | ack, sequence: C + packet });
    expect(live.flow().ways[0].lastSeenNs).toBeGreaterThanOrEqual(monotonicHigh * 2 ** 32 + monotonicLow);
    conversation.client({ atMs: 0, flags: ack, sequence: C });
  }
});

test("a SYN of the other end on an established connection makes it no simultaneous open", () => {
  tcp.open();
  server(syn, 99, 0);
  expect(bench.flow().tcp.state & TCP_STATE.simultaneous).toBe(0);
});

test("the acknowledgement of a FIN is known where the owner changed in between", () => {
  tcp.open();
  client(fin | ack, C, S);
  const late = { atMs: nowMs + 2000, flags: ack, sequence: S, acknowledgement: C + 1 };
  tcp.server({ ...late, run: { ifindex: 1, egress: true } });
  expect(state()).toBe(finWait2);
});
