// An agent in a time namespace: its CLOCK_MONOTONIC is not the kernel's, by which packets are timed.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startAgent } from "../support/agent.ts";
import type { Namespace } from "../support/namespace.ts";
import { makePair } from "../support/namespace-pair.ts";
import { ping } from "../support/namespace-traffic.ts";

/** A day, by which the agent's clock is ahead of the kernel's. */
const AHEAD_S = 86_400;

/** A process in a time namespace of its own; returns its id. */
async function holdTime(namespace: Namespace): Promise<number> {
  const offsets = [`--monotonic=${AHEAD_S}`, `--boottime=${AHEAD_S}`];
  const script = "echo ready && exec sleep infinity";
  const holder = namespace.start(["unshare", "--time", ...offsets, "--fork", "sh", "-c", script]);
  await holder.until(({ output }) => output.includes("ready"));
  return Number(readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8").trim());
}

describe("agent in a time namespace", () => {
  test("tells the time of packets by the wall clock, and times flows out by the kernel's clock", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const holder = await holdTime(left.namespace);
    const before = Date.now();
    const agent = await startAgent(left.namespace, {
      prefix: ["nsenter", `--time=/proc/${holder}/ns/time`],
      config: { flow: { poll_interval: "100ms" }, span: { icmp_timeout: "2s" } },
    });
    await ping(right.ipv4, left.ipv4, 2);
    const asked = Date.now();
    await agent.process.until(({ output }) => output.includes("idle_timeout"));
    const { spans } = await agent.stopped("SIGTERM");
    const pings = spans.filter(({ attributes }) => attributes["network.transport"] === "icmp");
    expect(pings.length).toBe(1);
    for (const { startTimeUnixNano, endTimeUnixNano } of pings) {
      expect(Number(startTimeUnixNano) / 1e6).toBeGreaterThan(before - 1000);
      expect(Number(endTimeUnixNano) / 1e6).toBeLessThan(asked + 1000);
    }
  });
});
