// Two pods with one address, in two zones of conntrack's that translate the same addresses and ports in two ways.

import { expect, test } from "bun:test";
import { startAgent } from "../support/agent.ts";
import { withTransport } from "../support/agent-spans.ts";
import { makeZonedNode, SERVICE } from "../support/namespace-nat.ts";
import { attributeOf, lossesOf, natOf, serveBackend, startAsking } from "../support/namespace-nat-talk.ts";
import { demandSuccess } from "../support/namespace-traffic.ts";

const QUICK = { flow: { poll_interval: "200ms" } };
const TO = SERVICE.local;

test("a conversation is told as without conntrack where zones differ about it, and once where they do not", async () => {
  await using zoned = await makeZonedNode();
  const { node, twin } = zoned;
  const { pod, otherPod, outside } = node;
  for (const each of [otherPod, outside]) await serveBackend(each);
  const agent = await startAgent(node.namespace, { config: QUICK });
  await demandSuccess(startAsking(pod, { from: 41_000, to: TO, count: 7 }));
  // Both live at once from here on: what the pod has told of the first was not told yet.
  await demandSuccess(startAsking(twin, { from: 41_000, to: TO, count: 9 }));
  await demandSuccess(startAsking(pod, { from: 41_001, to: TO, count: 5 }));
  await demandSuccess(startAsking(twin, { from: 41_002, to: TO, count: 4 }));
  const entries = node.namespace.run("sysctl", "-n", "net.netfilter.nf_conntrack_count");
  const end = await agent.stopped("SIGTERM");
  const told = (port: number): readonly unknown[] =>
    withTransport(end.spans, "udp")
      .filter((span) => attributeOf(span, "source.port") === port)
      .map((span) => [
        attributeOf(span, "destination.address"),
        natOf(span),
        span.attributes["flow.packets.total"],
        span.attributes["flow.reverse.packets.total"],
      ])
      .toSorted();
  expect(Number(entries)).toBe(4);
  // Before the translation both are one flow, whose packets count where it was seen first: a second pod's at another
  // device are taken for the same ones.
  expect(told(41_000)).toEqual([
    [otherPod.address, undefined, 7, 7],
    [outside.address, undefined, 9, 9],
    [TO, undefined, 7, 7],
  ]);
  expect(told(41_001)).toEqual([[TO, otherPod.address, 5, 5]]);
  expect(told(41_002)).toEqual([[TO, outside.address, 4, 4]]);
  expect(end.statistics.get("packets_translated")).toBe(2 * 5 + 2 * 4);
  expect(lossesOf(end)).toEqual([]);
}, 60_000);
