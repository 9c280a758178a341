// An agent in a network namespace of its own that watches the host's, as a pod with the host's process ids does.

import { describe, expect, test } from "bun:test";
import { Agent, startAgent } from "../support/agent.ts";
import { packetsSent } from "../support/agent-spans.ts";
import { connect, Namespace } from "../support/namespace.ts";
import { makePair } from "../support/namespace-pair.ts";
import { ping } from "../support/namespace-traffic.ts";

const MODES = ["tcx", "clsact"] as const;

describe("capture.host_netns", () => {
  test.each(MODES)("watches the interfaces of that namespace and no other, by %s", async (attach_mode) => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    await using pod = new Namespace("pod");
    await using beside = new Namespace("beside");
    connect({ namespace: pod, device: "pod0" }, { namespace: beside, device: "beside0" });
    const agent = await startAgent(pod, {
      config: { capture: { host_netns: left.namespace.path, attach_mode } },
    });
    await ping(left.ipv4, right.ipv4, 4);
    const { namespace, device } = left;
    namespace.ip("link", "add", "late0", "type", "veth", "peer", "late1");
    namespace.ip("link", "set", "late0", "up");
    await agent.process.until(({ errors }) => errors.includes("interface attached interface=late0"));
    namespace.ip("link", "delete", "late0");
    await agent.process.until(({ errors }) => errors.includes("interface left interface=late0"));
    const { exitCode, spans, stderr } = await agent.stopped("SIGTERM");
    expect(exitCode).toBe(0);
    expect(stderr).not.toContain("pod0");
    expect(packetsSent(spans, left.addresses).icmp4).toBe(4);
    expect(new Set(spans.map(({ attributes }) => attributes["network.interface.name"]))).toEqual(
      new Set([device]),
    );
    expect(namespace.run("bpftool", "--json", "net", "show")).not.toContain("mermin");
    expect(namespace.run("tc", "qdisc", "show", "dev", device)).not.toContain("clsact");
  });

  test("knows whose addresses and routes are the host's", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    await using pod = new Namespace("pod");
    left.namespace.ip("route", "add", "default", "via", right.ipv4.address);
    const agent = await startAgent(pod, { config: { capture: { host_netns: left.namespace.path } } });
    await ping(left.ipv4, right.ipv4, 2);
    const { spans } = await agent.stopped("SIGTERM");
    const [span] = spans.filter(({ attributes }) => attributes["source.address"] === left.ipv4.address);
    expect(span?.kind).toBe("CLIENT");
  });

  test.each([
    [
      "a namespace that it may not enter",
      ["setpriv", "--bounding-set", "-sys_admin"],
      undefined,
      "CAP_SYS_ADMIN",
    ],
    ["a path that leads nowhere", [], "/nowhere/net", "/nowhere/net"],
    ["a file that is none", [], "/etc/passwd", "capture.host_netns"],
  ] as const)("is refused in one line: %s", async (_, prefix, path, named) => {
    await using pod = new Namespace("pod");
    const host_netns = path ?? pod.path;
    const { exitCode, stdout, stderr } = await new Agent(pod, {
      config: { capture: { host_netns } },
      prefix,
    }).stopped();
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/^mermin: [^\n]*\n$/);
    expect(stderr).toContain(named);
  });
});
