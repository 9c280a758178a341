// Which side of the node an interface faces, to the last record. Seen from a namespace without a default route, the
// other end of its veth is a workload of this node, as a pod is: the local initiator of what it begins.

import { describe, expect, test } from "bun:test";
import { type AgentEnd, startAgent } from "../support/agent.ts";
import { makePair } from "../support/namespace-pair.ts";
import { ping } from "../support/namespace-traffic.ts";

describe("flow.direction", () => {
  test("is told as it was while the agent ran, in the records of its end", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const agent = await startAgent(left.namespace);
    await ping(right.ipv4, left.ipv4, 2);
    const end = await agent.stopped("SIGTERM");
    expect(directionOf(end, right.ipv4.address)).toEqual(["CLIENT forward forced_end"]);
  });

  test("outlives the interface, as a pod's last record does its device", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    left.namespace.ip("link", "add", "stays", "type", "veth", "peer", "stayed");
    left.namespace.ip("link", "set", "stays", "up");
    const agent = await startAgent(left.namespace);
    await ping(right.ipv4, left.ipv4, 2);
    left.namespace.ip("link", "delete", left.device);
    await agent.process.until(({ errors }) => errors.includes("interface left"));
    const end = await agent.stopped("SIGTERM");
    expect(directionOf(end, right.ipv4.address)).toEqual(["CLIENT forward forced_end"]);
    expect(end.spans.map(({ attributes }) => attributes["network.interface.name"])).toContain(left.device);
  });
});

/** Kind, direction and end reason of the pings that an address began. */
function directionOf(end: AgentEnd, source: string): readonly string[] {
  return end.spans
    .filter(({ attributes }) => attributes["source.address"] === source)
    .map(
      ({ kind, attributes }) => `${kind} ${attributes["flow.direction"]} ${attributes["flow.end_reason"]}`,
    );
}
