// Other programs at the same hooks: they keep running, the agent tells what reaches it, and takes nothing of theirs
// away.

import { describe, expect, test } from "bun:test";
import { startAgent } from "../support/agent.ts";
import { packetsSent } from "../support/agent-spans.ts";
import { attachForeign, type Place, type Verdict } from "../support/namespace-foreign.ts";
import { type Host, makePair, type Pair } from "../support/namespace-pair.ts";
import { readSent, sentBetween } from "../support/witness.ts";

const PINGS = 5;

/** Echo requests from right to left; whether answers come back is left open. */
async function pingLeft({ hosts: [left, right] }: Pair): Promise<void> {
  const command = ["ping", "-c", String(PINGS), "-i", "0.01", "-W", "0.2", "-q", left.ipv4.address];
  await right.namespace.start(command).ended();
}

function qdiscAndFilters({ namespace, device }: Host): string {
  const filters = ["ingress", "egress"].map((side) =>
    namespace.run("tc", "filter", "show", "dev", device, side),
  );
  return [namespace.run("tc", "qdisc", "show", "dev", device), ...filters].join("");
}

const TCX_FIRST = { attach_mode: "tcx", tcx_order: "first" };
const TCX_LAST = { attach_mode: "tcx", tcx_order: "last" };
const CLSACT_EARLY = { attach_mode: "clsact", tc_priority: 1 };
const CLSACT_LATE = { attach_mode: "clsact", tc_priority: 20 };
const HEAD: Place = { kind: "tcx", order: "first" };
const TAIL: Place = { kind: "tcx", order: "last" };
const FILTER: Place = { kind: "clsact", priority: 10 };

describe("agent beside a program of somebody else", () => {
  test.each([
    ["tells what a later TCX program drops", TCX_FIRST, TAIL, "drop", PINGS],
    ["tells nothing of what an earlier TCX program drops", TCX_LAST, HEAD, "drop", 0],
    ["tells what a later TCX program passes on", TCX_FIRST, TAIL, "next", PINGS],
    ["tells what an earlier TCX program passes on", TCX_LAST, HEAD, "next", PINGS],
    ["tells what a later filter drops", CLSACT_EARLY, FILTER, "drop", PINGS],
    ["tells nothing of what an earlier filter drops", CLSACT_LATE, FILTER, "drop", 0],
    ["tells what an earlier filter passes on", CLSACT_LATE, FILTER, "next", PINGS],
    ["tells by TCX what a filter drops", TCX_LAST, FILTER, "drop", PINGS],
  ] as const)("%s, and leaves it where it is", async (_, capture, place, verdict: Verdict, told) => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const foreign = await attachForeign(left, place, verdict);
    const placed = qdiscAndFilters(left);
    const agent = await startAgent(left.namespace, { config: { capture } });
    const before = readSent(left.namespace);
    await pingLeft(pair);
    const answers = sentBetween(before, readSent(left.namespace)).icmp4;
    expect(foreign.count()).toBe(PINGS);
    const { exitCode, spans } = await agent.stopped("SIGTERM");
    expect(exitCode).toBe(0);
    expect(packetsSent(spans, right.addresses).icmp4).toBe(told);
    expect(packetsSent(spans, left.addresses).icmp4).toBe(answers);
    expect(answers).toBe(verdict === "drop" ? 0 : PINGS);
    expect(qdiscAndFilters(left)).toBe(placed);
    await pingLeft(pair);
    expect(foreign.count()).toBe(2 * PINGS);
  });

  test("leaves the qdisc that it made to a filter that came later", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const agent = await startAgent(left.namespace, { config: { capture: CLSACT_EARLY } });
    const foreign = await attachForeign(left, FILTER, "next");
    await pingLeft(pair);
    const { spans } = await agent.stopped("SIGTERM");
    expect(packetsSent(spans, right.addresses).icmp4).toBe(PINGS);
    await pingLeft(pair);
    expect(foreign.count()).toBe(2 * PINGS);
    expect(qdiscAndFilters(left)).not.toContain("mermin_egress");
  });
});
