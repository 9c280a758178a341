// Conversations that the node translates: each is one record, with the sender's own count, in the trace that the other
// node sees.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type AgentEnd, startAgent } from "../support/agent.ts";
import type { AgentSpan } from "../support/agent-spans.ts";
import { address6, makeTranslatingNode, NODE_PORT, SERVICE } from "../support/namespace-nat.ts";
import { type Asking, lossesOf, serveBackend, startAsking } from "../support/namespace-nat-talk.ts";
import type { Node } from "../support/namespace-node.ts";
import { demandSuccess, type Speaker } from "../support/namespace-traffic.ts";

const RECORD_AT_ONCE = { flow: { poll_interval: "200ms" } };
const REQUESTS = 7;

let node: Node;
let here: AgentEnd;
let there: AgentEnd;

beforeAll(async () => {
  node = await makeTranslatingNode();
  const { pod, otherPod, outside, beyond } = node;
  for (const each of [pod, otherPod, outside, beyond]) await serveBackend(each);
  await serveBackend({ ...otherPod, address: address6(otherPod) });
  const agents = [await startAgent(node.namespace, { config: RECORD_AT_ONCE })];
  agents.push(await startAgent(outside.namespace, { config: RECORD_AT_ONCE }));
  await ask(pod, { from: 41_001, to: SERVICE.local });
  await ask(pod, { from: 41_002, to: SERVICE.remote });
  await ask(pod, { from: 41_003, to: SERVICE.hairpin });
  await ask(outside, { from: 41_004, to: outside.node.address, port: NODE_PORT.local });
  await ask(outside, { from: 41_005, to: outside.node.address, port: NODE_PORT.remote });
  await ask({ ...pod, address: address6(pod) }, { from: 41_006, to: SERVICE.local6 });
  await ask(pod, { from: 41_007, to: outside.address });
  await ask(pod, { from: 41_008, to: otherPod.address });
  for (const to of [SERVICE.local, SERVICE.remote, outside.address])
    await demandSuccess(pod.namespace.start(["ping", "-c", "5", "-i", "0.01", "-q", to]));
  await call(pod, SERVICE.local, 80);
  const [first, second] = agents;
  if (first === undefined || second === undefined) throw new Error("two agents were started");
  here = await first.stopped("SIGTERM");
  there = await second.stopped("SIGTERM");
}, 60_000);
afterAll(() => node[Symbol.asyncDispose]());

async function ask(speaker: Speaker, asking: Omit<Asking, "count">): Promise<void> {
  await demandSuccess(startAsking(speaker, { ...asking, count: REQUESTS }));
}

/** A TCP connection to otherPod's port 7000 by whatever address, counted where it begins. */
async function call({ namespace, address }: Speaker, to: string, port: number): Promise<void> {
  const { otherPod } = node;
  namespace.run("nft", "add table ip count; add counter ip count out; add counter ip count in");
  for (const [hook, name, match] of [
    ["output", "out", `ip daddr ${to}`],
    ["input", "in", `ip saddr ${to}`],
  ] as const) {
    namespace.run("nft", `add chain ip count ${hook} { type filter hook ${hook} priority 0; }`);
    namespace.run("nft", `add rule ip count ${hook} ${match} tcp dport 0-65535 counter name ${name}`);
  }
  const sink = otherPod.namespace.start([
    "sh",
    "-c",
    `exec nc -n -N -v -l ${otherPod.address} 7000 > /dev/null`,
  ]);
  await sink.until(({ errors }) => errors.includes("Listening"));
  const source = `head -c 1000 /dev/zero | nc -n -N -s ${address} ${to} ${port}`;
  await demandSuccess(namespace.start(["sh", "-c", source]));
  await demandSuccess(sink);
}

function counted(name: string): readonly [packets: number, bytes: number] {
  const text = node.pod.namespace.run("nft", "list", "counter", "ip", "count", name);
  const [, packets, bytes] = /packets (\d+) bytes (\d+)/.exec(text) ?? [];
  return [Number(packets), Number(bytes)];
}

/** Spans of an agent with a port, or an address where it has none, in either view. */
function spansWith({ spans }: AgentEnd, end: number | string): readonly AgentSpan[] {
  const key = typeof end === "number" ? "port" : "address";
  return spans.filter(({ attributes }) =>
    ["source.", "destination.", "flow.nat.source.", "flow.nat.destination."].some(
      (prefix) => Object.entries(attributes).find(([name]) => name === prefix + key)?.[1] === end,
    ),
  );
}

/** `KIND source → destination (source → destination of the other view) forward reverse`. */
function tell({ kind, attributes }: AgentSpan): string {
  const a: Readonly<Record<string, unknown>> = { ...attributes };
  const view = (prefix: string): string =>
    `${a[`${prefix}source.address`]} ${a[`${prefix}source.port`]} → ${a[`${prefix}destination.address`]} ${a[`${prefix}destination.port`]}`;
  const other = a["flow.nat.community_id"] === undefined ? "" : ` (${view("flow.nat.")})`;
  return `${kind} ${view("")}${other} ${a["flow.packets.total"]} ${a["flow.reverse.packets.total"]}`;
}

/** What the node's agent tells of the conversation from a port. */
function told(port: number): readonly string[] {
  return spansWith(here, port).map(tell);
}

describe("a translated conversation is one record", () => {
  test("between two pods of the node: the caller's view", () => {
    const [pod, otherPod] = [node.pod.address, node.otherPod.address];
    expect(told(41_001)).toEqual([
      `CLIENT ${pod} 41001 → ${SERVICE.local} 7100 (${pod} 41001 → ${otherPod} 7100) 7 7`,
    ]);
  });

  test("to a backend elsewhere, by masquerade", () => {
    const masqueraded = `${node.outside.node.address} 41002 → ${node.outside.address} 7100`;
    expect(told(41_002)).toEqual([
      `CLIENT ${node.pod.address} 41002 → ${SERVICE.remote} 7100 (${masqueraded}) 7 7`,
    ]);
  });

  test("from a pod to itself", () => {
    const [first, ...others] = told(41_003);
    expect(others).toEqual([]);
    expect(first).toStartWith(`CLIENT ${node.pod.address} 41003 → ${SERVICE.hairpin} 7100 (`);
    expect(first).toEndWith(` → ${node.pod.address} 7100) 7 7`);
  });

  test("from outside to a node port of a pod here: the pod's view", () => {
    const [outside, nodeAddress] = [node.outside.address, node.outside.node.address];
    expect(told(41_004)).toEqual([
      `SERVER ${outside} 41004 → ${node.otherPod.address} 7100 (${outside} 41004 → ${nodeAddress} 30080) 7 7`,
    ]);
  });

  test("from outside to a node port of a pod elsewhere: the original view", () => {
    const { outside, beyond } = node;
    const translated = `${beyond.node.address} 41005 → ${beyond.address} 7100`;
    expect(told(41_005)).toEqual([
      `INTERNAL ${outside.address} 41005 → ${outside.node.address} 30081 (${translated}) 7 7`,
    ]);
  });

  test("in IPv6", () => {
    const [pod, otherPod] = [address6(node.pod), address6(node.otherPod)];
    expect(told(41_006)).toEqual([
      `CLIENT ${pod} 41006 → ${SERVICE.local6} 7100 (${pod} 41006 → ${otherPod} 7100) 7 7`,
    ]);
  });

  test("by masquerade alone", () => {
    const translated = `${node.outside.node.address} 41007 → ${node.outside.address} 7100`;
    expect(told(41_007)).toEqual([
      `CLIENT ${node.pod.address} 41007 → ${node.outside.address} 7100 (${translated}) 7 7`,
    ]);
  });

  test("of ICMP, also by masquerade", () => {
    const { pod, otherPod, outside } = node;
    const pings = here.spans.filter(({ attributes }) => attributes["network.transport"] === "icmp");
    const masqueraded = `${outside.node.address} 0 → ${outside.address} 0`;
    expect(pings.map(tell).toSorted()).toEqual(
      [
        `CLIENT ${pod.address} 0 → ${SERVICE.local} 0 (${pod.address} 0 → ${otherPod.address} 0) 5 5`,
        `CLIENT ${pod.address} 0 → ${SERVICE.remote} 0 (${masqueraded}) 5 5`,
        `CLIENT ${pod.address} 0 → ${outside.address} 0 (${masqueraded}) 5 5`,
      ].toSorted(),
    );
  });

  test("of TCP to another port, counted as the caller's kernel counts it", () => {
    const [span, ...others] = here.spans.filter(
      ({ attributes }) => attributes["network.transport"] === "tcp",
    );
    expect(others).toEqual([]);
    const a = span?.attributes;
    expect([a?.["destination.port"], a?.["source.address"]]).toEqual([80, node.pod.address]);
    expect([a?.["flow.packets.total"], a?.["flow.bytes.total"]]).toEqual([...counted("out")]);
    expect([a?.["flow.reverse.packets.total"], a?.["flow.reverse.bytes.total"]]).toEqual([...counted("in")]);
    expect(tell(span as AgentSpan)).toContain(`→ ${node.otherPod.address} 7000)`);
  });
});

test("a conversation that is not translated says nothing of it", () => {
  expect(told(41_008)).toEqual([`CLIENT ${node.pod.address} 41008 → ${node.otherPod.address} 7100 7 7`]);
});

test("the other node's record, which knows the translated view alone, is in the same trace", () => {
  for (const port of [41_002, 41_007]) {
    const [own, ...others] = spansWith(here, port);
    const [theirs, ...more] = spansWith(there, port);
    expect([...others, ...more]).toEqual([]);
    const { attributes, traceId } = own as AgentSpan;
    expect(theirs?.traceId).toBe(traceId);
    expect(theirs?.attributes["flow.community_id"]).toBe(
      String(Object.entries(attributes).find(([name]) => name === "flow.nat.community_id")?.[1]),
    );
    expect(theirs?.attributes).not.toHaveProperty(["flow.nat.community_id"]);
    expect(theirs?.spanId).not.toBe(own?.spanId);
  }
});

test("every packet is told, or counted as told by the other view", () => {
  const { statistics } = here;
  expect(lossesOf(here)).toEqual([]);
  // Views without a record: of seven conversations of UDP, of the pings, of the TCP connection.
  const tcp = counted("out")[0] + counted("in")[0];
  expect(statistics.get("packets_translated")).toBe(7 * 2 * REQUESTS + 3 * 2 * 5 + tcp);
});
