// What the programs tell of TCP against a model of its own, on random connections. FUZZ_SEGMENTS and FUZZ_SEED make it
// long or another one; a failure prints the fewest segments that show it.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { CONNECTION_STATE_NAMES } from "../../src/flow/flow.ts";
import { connectionState } from "../../src/flow/tcp.ts";
import { Bench } from "../bpf/bench.ts";
import type { Flow, FlowEvent, Tcp } from "../bpf/decode.ts";
import { Random } from "./random.ts";
import { drawConnection } from "./tcp-draw.ts";
import { type Life, livesOf } from "./tcp-model.ts";
import { formatSegment, frameOf, type TcpSegment } from "./tcp-segment.ts";

const SEGMENTS = Number(process.env["FUZZ_SEGMENTS"] ?? 60_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_261_121);
const TIMEOUT_MS = 60_000 + SEGMENTS;
const BATCH_CONNECTIONS = 256;
const FAILURES_MOST = 5;
const BEGIN_NS = 2 ** 45;
const PAUSE_NS = 1e9;
const FIRST_PORT = 1024;

let bench: Bench;
beforeAll(() => {
  bench = new Bench({ isReplay: true });
});
afterAll(() => bench[Symbol.dispose]());

/** Runs connections, each with ports of its own. Returns what differs, by connection. */
function runAll(connections: readonly (readonly TcpSegment[])[]): readonly (readonly string[])[] {
  bench.reset();
  const events: FlowEvent[] = [];
  for (const [index, segments] of connections.entries()) {
    for (const segment of segments)
      bench.runOrRefuse(frameOf(segment, FIRST_PORT + index), { atNs: segment.atNs });
    events.push(...bench.events());
  }
  const flows = new Map(bench.flows().map((flow) => [flow.lowPort - FIRST_PORT, flow]));
  return connections.map((segments, index) => {
    const ends = events.filter(
      ({ lowPort, reopened }) => lowPort === FIRST_PORT + index && reopened !== undefined,
    );
    const flow = flows.get(index);
    return flow === undefined ? ["no flow"] : compare(livesOf(segments), flow, ends);
  });
}

function compare(lives: readonly Life[], flow: Flow, ends: readonly FlowEvent[]): readonly string[] {
  const last = lives.at(-1);
  if (last === undefined || flow.incarnation !== lives.length - 1 || ends.length !== lives.length - 1)
    return [`expected ${lives.length} lives, got ${flow.incarnation + 1}, ${ends.length} told`];
  const initiator = last.initiator === undefined ? 0 : last.initiator + 1;
  const sequenceEnd = last.streams.map(({ end }) => end ?? 0);
  const flags = flow.ways.map(({ tcpFlags }) => tcpFlags);
  return [
    ...lives.slice(0, -1).flatMap((life, index) => compareEnd(life, index, ends[index])),
    ...differ("last life", wordsOf(last), toldOf(flow.tcp, flow.handshakeNs, flags, last)),
    ...differ("initiator", initiator, flow.initiator),
    ...differ("sequence end", sequenceEnd, flow.sequenceEnd),
  ];
}

function compareEnd(life: Life, index: number, event: FlowEvent | undefined): readonly string[] {
  if (event?.reopened === undefined) return [`life ${index}: no end`];
  const { handshakeNs, tcp } = event.reopened;
  return differ(`life ${index}`, wordsOf(life), toldOf(tcp, handshakeNs, event.tcpFlags, life));
}

/** What is told of a life; the state of both ends where the initiator is not known. */
function wordsOf(life: Life): object {
  const { streams, handshakeNs, responses, responseSumNs, jitterNs } = life;
  return {
    states: waysOf(life).map((way) => life.state(way)),
    flags: streams.map(({ flags }) => flags),
    retransmits: streams.map(({ retransmits }) => retransmits),
    outOfOrder: streams.map(({ outOfOrder }) => outOfOrder),
    ...{ handshakeNs, responses, responseSumNs, jitterNs },
  };
}

function toldOf(tcp: Tcp, handshakeNs: number, flags: readonly number[], life: Life): object {
  const [low = 0, high = 0] = flags;
  const { retransmits, outOfOrder, responseSumNs } = tcp;
  return {
    states: waysOf(life).map((way) =>
      CONNECTION_STATE_NAMES.get(connectionState(low | (high << 8), tcp.state, way)),
    ),
    ...{ flags, retransmits, outOfOrder, handshakeNs },
    ...{ responses: tcp.responseCount, responseSumNs, jitterNs: tcp.responseJitterNs },
  };
}

function waysOf({ initiator, streams }: Life): readonly (0 | 1)[] {
  if (streams.every(({ flags }) => flags === 0)) return [];
  return initiator === undefined ? [0, 1] : [initiator];
}

function differ(name: string, wanted: unknown, got: unknown): readonly string[] {
  if (Bun.deepEquals(wanted, got)) return [];
  return [`${name}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`];
}

/** A connection that differs, with as few segments as leaving some out makes it. */
function report(segments: readonly TcpSegment[]): string {
  let kept = segments;
  for (let index = 0; index < kept.length; ) {
    const fewer = kept.toSpliced(index, 1);
    if (fewer.length > 0 && runAll([fewer])[0]?.length !== 0) {
      kept = fewer;
      index = 0;
    } else index++;
  }
  const firstNs = kept[0]?.atNs ?? 0;
  return [...(runAll([kept])[0] ?? []), ...kept.map((segment) => formatSegment(segment, firstNs))].join("\n");
}

test(
  `the programs tell of ${SEGMENTS} random TCP segments of seed ${SEED} what the model does`,
  () => {
    const random = new Random(SEED);
    const failures: string[] = [];
    let nowNs = BEGIN_NS;
    for (let count = 0; count < SEGMENTS && failures.length < FAILURES_MOST; ) {
      const connections = Array.from({ length: BATCH_CONNECTIONS }, () => {
        const segments = drawConnection(random, nowNs);
        nowNs = (segments.at(-1)?.atNs ?? nowNs) + PAUSE_NS;
        count += segments.length;
        return segments;
      });
      const differences = runAll(connections);
      for (const [index, segments] of connections.entries())
        if (differences[index]?.length !== 0 && failures.length < FAILURES_MOST)
          failures.push(report(segments));
    }
    for (const failure of failures) console.error(`${failure}\n`);
    expect(failures.length).toBe(0);
  },
  TIMEOUT_MS,
);
