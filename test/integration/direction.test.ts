// Who began a flow, and whether that end is on this node, on a node with pods and two networks outside.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startAgent } from "../support/agent.ts";
import type { AgentSpan } from "../support/agent-spans.ts";
import { makeNode, type Node } from "../support/namespace-node.ts";
import type { TestProcess } from "../support/namespace-process.ts";
import { ping, type Speaker, startDatagrams, transfer } from "../support/namespace-traffic.ts";

const TALK = new URL("../support/namespace-talk.ts", import.meta.url).pathname;
/** Of otherPod: to that pod 45,000 is no port of a client, to the node it is. */
const OTHER_POD_RANGE = "32768 40000";

let node: Node;
let spans: readonly AgentSpan[];

beforeAll(async () => {
  node = makeNode();
  const { pod, otherPod, outside, beyond } = node;
  const run = ["sysctl", "-q", "-w", `net.ipv4.ip_local_port_range=${OTHER_POD_RANGE}`];
  otherPod.namespace.run(...run);
  const here = pod.node;
  const server = await talk(otherPod, "tcp-serve", otherPod.address, 45000);
  const client = await talk(pod, "tcp-call", otherPod.address, 45000);
  await server.until(({ output }) => output.includes("connected"));
  // The node has a server of its own at the port that the pod calls from.
  const callerPort = Number(/:(\d+) +10\.78\.2\.2:45000/.exec(pod.namespace.run("ss", "-Htn"))?.[1]);
  await talk(here, "tcp-serve", "0.0.0.0", callerPort);
  await talk(otherPod, "udp-serve", "0.0.0.0", 45000);
  await talk(otherPod, "udp-serve", "0.0.0.0", 6000);
  await talk(outside, "udp-serve", "0.0.0.0", 53);
  await talk(outside, "udp-serve", "0.0.0.0", 50001);
  const callers = [
    await talk(pod, "udp-call", pod.address, 45001, otherPod.address, 45000),
    await talk(pod, "udp-call", pod.address, 5000, otherPod.address, 6000),
    await talk(pod, "udp-bind", "0.0.0.0", 5001, otherPod.address, 6000),
    await talk(pod, "udp-call", pod.address, 50000, outside.address, 50001),
    await talk(pod, "udp-bind", "0.0.0.0", 5354, outside.address, 53),
    await talk(pod, "udp-bind", "0.0.0.0", 40053, outside.address, 53),
  ];
  const agent = await startAgent(node.namespace);
  server.signal("SIGUSR1");
  await client.until(({ output }) => output.includes("heard"));
  for (const caller of callers) caller.signal("SIGUSR1");
  for (const caller of callers) await caller.until(({ output }) => output.includes("heard"));
  for (const [from, to] of [
    [pod, outside],
    [outside, otherPod],
    [outside.node, outside],
    [outside, outside.node],
    [pod.node, pod],
    [pod, pod.node],
    [pod, otherPod],
    [outside, beyond],
  ] as const) {
    await transfer(from, to, 1000);
  }
  await Promise.all([ping(pod, outside, 2), ping(outside, pod, 2)]);
  await startDatagrams(beyond, otherPod, { port: 514, count: 2 }).ended();
  ({ spans } = await agent.stopped("SIGTERM"));
});
afterAll(() => node[Symbol.asyncDispose]());

async function talk({ namespace }: Speaker, ...words: readonly (string | number)[]): Promise<TestProcess> {
  const started = namespace.start([process.execPath, TALK, ...words.map(String)]);
  await started.until(({ output }) => output.includes("ready"));
  return started;
}

/** Kind, direction, source and destination of the flows between two addresses; `port` is one of either end. */
function told(one: string, other: string, transport: string, port?: number): readonly string[] {
  const found = spans.filter(({ attributes: a }) => {
    const [source, destination] = [a["source.address"], a["destination.address"]];
    const isBetween = (source === one && destination === other) || (source === other && destination === one);
    const isAtPort = port === undefined || a["source.port"] === port || a["destination.port"] === port;
    return isBetween && isAtPort && a["network.transport"] === transport;
  });
  return found.map(
    ({ kind, attributes: a }) =>
      `${kind} ${a["flow.direction"]} ${a["source.address"]} → ${a["destination.address"]}`,
  );
}

const POD = "10.78.1.2";
const OTHER_POD = "10.78.2.2";
const OUTSIDE = "10.78.3.2";
const BEYOND = "10.78.4.2";
const HERE_TO_POD = "10.78.1.1";
const HERE_TO_OUTSIDE = "10.78.3.1";
const CLIENT = "CLIENT forward";
const SERVER = "SERVER reverse";
const INTERNAL = "INTERNAL unknown";

interface Situation {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly transport?: string;
  readonly port?: number;
  readonly is: string;
}

const SITUATIONS: readonly Situation[] = [
  { name: "a pod calls outside", from: POD, to: OUTSIDE, port: 7000, is: CLIENT },
  { name: "a pod is called from outside", from: OUTSIDE, to: OTHER_POD, is: SERVER },
  { name: "the host calls outside", from: HERE_TO_OUTSIDE, to: OUTSIDE, is: CLIENT },
  { name: "the host is called from outside", from: OUTSIDE, to: HERE_TO_OUTSIDE, is: SERVER },
  { name: "the host calls a pod", from: HERE_TO_POD, to: POD, is: CLIENT },
  { name: "a pod calls the host", from: POD, to: HERE_TO_POD, is: CLIENT },
  { name: "a pod calls a pod", from: POD, to: OTHER_POD, port: 7000, is: CLIENT },
  { name: "neither end is local", from: OUTSIDE, to: BEYOND, is: INTERNAL },
  {
    name: "a connection met in mid-stream, server first, whose server only its pod knows",
    ...{ from: POD, to: OTHER_POD, port: 45000, is: CLIENT },
  },
  {
    name: "datagrams to a server above the node's range of ports, but not its pod's",
    ...{ from: POD, to: OTHER_POD, transport: "udp", port: 45000, is: CLIENT },
  },
  {
    name: "both ports low, one listens",
    ...{ from: POD, to: OTHER_POD, transport: "udp", port: 5000, is: CLIENT },
  },
  {
    name: "both ports low, both listen",
    ...{ from: POD, to: OTHER_POD, transport: "udp", port: 5001, is: INTERNAL },
  },
  {
    name: "both ports high, who listens is not known",
    ...{ from: POD, to: OUTSIDE, transport: "udp", port: 50000, is: INTERNAL },
  },
  {
    name: "DNS, and the client binds a low port",
    ...{ from: POD, to: OUTSIDE, transport: "udp", port: 5354, is: CLIENT },
  },
  {
    name: "DNS, and the client binds a high port",
    ...{ from: POD, to: OUTSIDE, transport: "udp", port: 40053, is: CLIENT },
  },
  {
    name: "datagrams from outside to a pod that never answers",
    ...{ from: BEYOND, to: OTHER_POD, transport: "udp", port: 514, is: SERVER },
  },
];

describe("flow.direction where", () => {
  for (const { name, from, to, transport = "tcp", port, is } of SITUATIONS) {
    test(name, () => {
      const between = told(from, to, transport, port);
      // The host and its network call each other at the same port.
      expect(between).toContain(`${is} ${from} → ${to}`);
      if (port !== undefined) expect(between).toHaveLength(1);
    });
  }

  test("two ends ping each other", () => {
    expect(told(POD, OUTSIDE, "icmp").toSorted()).toEqual([
      `${CLIENT} ${POD} → ${OUTSIDE}`,
      `${SERVER} ${OUTSIDE} → ${POD}`,
    ]);
  });
});
