// How soon requests are answered: last new byte of the request to first new byte of the response.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { TCP_FLAG } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import { CLIENT, MS, momentNs, SERVER, TcpConversation } from "./tcp-conversation.ts";

const { ack, fin, syn } = TCP_FLAG;

let bench: Bench;
let tcp: TcpConversation;
/** Bytes sent so far. */
let asked = 0;
let answered = 0;
beforeAll(() => {
  bench = new Bench({ isReplay: true });
  tcp = new TcpConversation(bench);
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => {
  bench.reset();
  asked = 0;
  answered = 0;
});

function ask(atMs: number, payload = 100): void {
  tcp.client({ atMs, sequence: CLIENT + 1 + asked, acknowledgement: SERVER + 1 + answered, payload });
  asked += payload;
}

function answer(atMs: number, payload = 100): void {
  tcp.server({ atMs, sequence: SERVER + 1 + answered, acknowledgement: CLIENT + 1 + asked, payload });
  answered += payload;
}

function responses(): readonly [count: number, sumMs: number] {
  const { responseCount, responseSumNs } = bench.flow().tcp;
  return [responseCount, responseSumNs / MS];
}

describe("observe_response", () => {
  test("measures from the request's last packet to the response's first, to the nanosecond", () => {
    tcp.open();
    ask(10);
    ask(12);
    expect(bench.flow().payloadNs).toBe(momentNs(12));
    answer(47.123456);
    answer(60);
    answer(200);
    expect(bench.flow()).toMatchObject({
      payloadNs: 0,
      tcp: { responseCount: 1, responseSumNs: 35_123_456 },
    });
  });

  test("adds up requests, and none of the time between a response and the next request", () => {
    tcp.open();
    ask(10);
    answer(15);
    ask(5015);
    answer(5025);
    expect(responses()).toEqual([2, 15]);
  });

  test("counts pipelined requests as one", () => {
    tcp.open();
    ask(10);
    ask(20);
    answer(30);
    answer(40);
    expect(responses()).toEqual([1, 10]);
  });

  test("takes a request sent again for no request, a response sent again for no response", () => {
    tcp.open();
    ask(10);
    tcp.client({ atMs: 15, sequence: CLIENT + 1, payload: 100 });
    answer(20);
    ask(30);
    tcp.server({ atMs: 35, sequence: SERVER + 1, payload: 100 });
    expect(responses()).toEqual([1, 10]);
    answer(50);
    expect(responses()).toEqual([2, 30]);
  });

  test("takes a FIN alone for neither, nor payload that only its FIN makes new", () => {
    tcp.open();
    ask(10);
    answer(20);
    tcp.client({ atMs: 30, sequence: CLIENT + 1, payload: 100, flags: fin | ack });
    tcp.server({ atMs: 90, sequence: SERVER + 101, payload: 100, flags: fin | ack });
    expect(responses()).toEqual([1, 10]);
  });

  test("measures nothing where the server speaks first", () => {
    tcp.open();
    answer(10);
    answer(20);
    expect(responses()).toEqual([0, 0]);
    ask(30);
    answer(42);
    expect(responses()).toEqual([1, 12]);
  });

  test("measures nothing where the handshake was not seen", () => {
    ask(0);
    answer(10);
    ask(20);
    answer(30);
    expect(bench.flow()).toMatchObject({ payloadNs: 0, initiator: 0 });
    expect(responses()).toEqual([0, 0]);
  });

  test("takes the request that a SYN carries", () => {
    tcp.client({ atMs: 0, flags: syn, sequence: CLIENT, payload: 100 });
    asked = 100;
    tcp.server({ atMs: 5, flags: syn | ack, sequence: SERVER });
    answer(9);
    expect(responses()).toEqual([1, 9]);
  });

  test("measures for the high end as the initiator", () => {
    tcp.server({ atMs: 0, flags: syn, sequence: SERVER });
    tcp.client({ atMs: 1, flags: syn | ack, sequence: CLIENT });
    ask(2);
    answer(10);
    ask(13);
    expect(responses()).toEqual([1, 3]);
  });

  test("measures nothing of a response with a time before its request", () => {
    tcp.open();
    ask(10);
    answer(9);
    expect(responses()).toEqual([0, 0]);
  });

  test("adds up more than 2^32 ns", () => {
    tcp.open();
    for (const atMs of [0, 20_000]) {
      ask(atMs + 10);
      answer(atMs + 9010);
    }
    expect(responses()).toEqual([2, 18_000]);
  });
});

describe("response_jitter_ns", () => {
  test("is RFC 3550's, from the second response on", () => {
    tcp.open();
    const latenciesMs = [10, 26, 10, 10, 42, 42, 5];
    let expected = 0;
    latenciesMs.forEach((latencyMs, index) => {
      ask(index * 1000 + 10);
      answer(index * 1000 + 10 + latencyMs);
      if (index > 0) {
        const difference = Math.abs(latencyMs - (latenciesMs[index - 1] ?? 0)) * MS;
        expected += Math.floor((difference - expected) / 16);
      }
      expect(bench.flow().tcp.responseJitterNs).toBe(expected);
    });
    expect(expected).toBeGreaterThan(5 * MS);
  });

  test("takes a latency beyond 32 bits for the most there is", () => {
    tcp.open();
    ask(10);
    answer(20_010);
    ask(30_000);
    answer(31_000);
    expect(bench.flow().tcp.responseJitterNs).toBe(Math.floor((0xffffffff - 1000 * MS) / 16));
  });

  test("goes down to zero where latencies are equal", () => {
    tcp.open();
    for (let index = 0; index < 200; index++) {
      ask(index * 10 + 10);
      answer(index * 10 + (index === 0 ? 10.001 : 10.002));
    }
    expect(bench.flow().tcp.responseJitterNs).toBe(0);
  });
});
