// How the agent comes and goes: what it leaves behind, what it says where it cannot start.

import { describe, expect, test } from "bun:test";
import { until } from "../collector/until.ts";
import { Agent, type AgentOptions, holdMounts, startAgent } from "../support/agent.ts";
import { packetsSent } from "../support/agent-spans.ts";
import { countTraces, leftOf, readTraces } from "../support/agent-traces.ts";
import { connect, Namespace } from "../support/namespace.ts";
import { startCollector } from "../support/namespace-collector.ts";
import { makePair } from "../support/namespace-pair.ts";
import { runCommand } from "../support/namespace-process.ts";
import { ping } from "../support/namespace-traffic.ts";
import { readSent } from "../support/witness.ts";

/** The kernel frees the programs of a qdisc after a grace period of seconds. */
const FREE_MS = 20_000;

describe("agent that is stopped", () => {
  test.each([
    ["SIGTERM", "tcx"],
    ["SIGINT", "tcx"],
    ["SIGTERM", "clsact"],
  ] as const)("leaves nothing behind at %s, attached by %s", async (signal, attachMode) => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const { namespace, device } = left;
    const mounts = await holdMounts(namespace);
    const show = (): string => {
      const pins = runCommand(["nsenter", `--mount=/proc/${mounts.pid}/ns/mnt`, "ls", "/sys/fs/bpf"]);
      const filters = ["ingress", "egress"].map((side) =>
        namespace.run("tc", "filter", "show", "dev", device, side),
      );
      return [namespace.run("tc", "qdisc", "show", "dev", device), ...filters, pins].join("");
    };
    const before = show();
    const agent = await startAgent(namespace, {
      config: { capture: { attach_mode: attachMode } },
      mountsOf: mounts,
    });
    const traces = readTraces(agent.process.pid);
    // Of both sides, and that which takes flows out.
    expect(traces.prog.length).toBe(3);
    expect(traces.link.length).toBe(attachMode === "tcx" ? 2 : 0);
    expect(show()).not.toBe(before);
    expect(leftOf(traces)).toEqual(traces);
    await ping(left.ipv4, right.ipv4, 3);
    const end = await agent.stopped(signal);
    expect(end.exitCode).toBe(0);
    expect(show()).toBe(before);
    await until(() => countTraces(leftOf(traces)) === 0, FREE_MS);
    expect(packetsSent(end.spans, left.addresses).icmp4).toBe(3);
  });

  test("says at the end what it counted", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const agent = await startAgent(left.namespace);
    await ping(left.ipv4, right.ipv4, 7);
    const { spans, statistics } = await agent.stopped("SIGTERM");
    const told = spans.reduce(
      (sum, { attributes }) =>
        sum + attributes["flow.packets.delta"] + attributes["flow.reverse.packets.delta"],
      0,
    );
    expect(told).toBe(14);
    expect(Object.fromEntries(statistics)).toMatchObject({ packets: told, records: spans.length, active: 0 });
    expect([...statistics.keys()].filter((name) => name.startsWith("lost_"))).toEqual([]);
  });

  test("ends at once at the second signal", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const collector = await startCollector(left.namespace, "stall");
    const agent = await startAgent(left.namespace, {
      config: {
        "": { shutdown_timeout: "60s" },
        "export.otlp": { endpoint: collector.endpoint, timeout: "60s" },
      },
    });
    const traces = readTraces(agent.process.pid);
    await ping(left.ipv4, right.ipv4, 1);
    agent.process.signal("SIGTERM");
    await collector.process.until(({ output }) => output.includes("request"));
    const started = performance.now();
    expect((await agent.stopped("SIGTERM")).exitCode).toBe(1);
    expect(performance.now() - started).toBeLessThan(2000);
    await until(() => countTraces(leftOf(traces)) === 0, FREE_MS);
  });

  test("ends by itself past shutdown_timeout, and counts what it could not send", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const collector = await startCollector(left.namespace, "stall");
    const agent = await startAgent(left.namespace, {
      config: {
        "": { shutdown_timeout: "1s" },
        "export.otlp": { endpoint: collector.endpoint, timeout: "60s" },
      },
    });
    await ping(left.ipv4, right.ipv4, 1);
    const started = performance.now();
    const { exitCode, stderr, statistics } = await agent.stopped("SIGTERM");
    expect(performance.now() - started).toBeLessThan(3000);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("not everything was sent");
    expect(statistics.get("lost_queue_shutdown")).toBe(1);
  });
});

describe("agent that cannot start", () => {
  /** Runs an agent that has to fail, and returns the one line that it says. */
  async function refuse(options: AgentOptions, exitCode: number): Promise<string> {
    await using pair = makePair();
    const agent = new Agent(pair.hosts[0].namespace, options);
    const end = await agent.stopped();
    const lines = end.stderr.split("\n").filter(Boolean);
    expect({ exitCode: end.exitCode, stdout: end.stdout, lines: lines.length }).toEqual({
      exitCode,
      stdout: "",
      lines: 1,
    });
    return lines[0] ?? "";
  }

  test("names the privileges it lacks", async () => {
    const prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    expect(await refuse({ prefix }, 1)).toContain("CAP_BPF");
  });

  test.each(["bpf", "net_admin", "perfmon"])("says the same of a lack of %s alone", async (lacking) => {
    const kept = ["bpf", "net_admin", "perfmon"].filter((each) => each !== lacking);
    const prefix = ["setpriv", `--bounding-set=-all,${kept.map((each) => `+${each}`).join(",")}`];
    expect(await refuse({ prefix }, 1)).toBe(
      "mermin: Cannot load the BPF programs: permission denied; run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON",
    );
  });

  test("names the interfaces that it looked for", async () => {
    const config = { capture: { interfaces: ["nope*", "none0"] } };
    expect(await refuse({ config }, 1)).toContain(`"nope*", "none0"`);
  });

  test("says that some are left out, where some are", async () => {
    const config = { capture: { interfaces: ["left*"], exclude: ["left0"] } };
    expect(await refuse({ config }, 1)).toContain(`matches "left*", those of capture.exclude left out; set`);
  });

  test("names the key nearest to an unknown one", async () => {
    expect(await refuse({ config: { capture: { interface: ["left0"] } } }, 2)).toContain("interfaces");
  });

  test("names the setting of a port that is in use", async () => {
    await using pair = makePair();
    const { namespace } = pair.hosts[0];
    const { endpoint } = await startCollector(namespace, "accept");
    const listen = new URL(endpoint).host;
    const traced = await new Agent(namespace, { config: { metrics: { listen } } }).stopped();
    expect(traced.exitCode).toBe(1);
    expect(traced.stderr.split("\n").filter((line) => line.startsWith("mermin: "))).toEqual([
      `mermin: Cannot listen on ${listen} for metrics: address in use; set metrics.listen or stop the other process`,
    ]);
  });

  test("leaves a running agent alone, and says that there is one", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const mountsOf = await holdMounts(left.namespace);
    const first = await startAgent(left.namespace, { mountsOf });
    const impatient = { config: { capture: { takeover_timeout: "0s" } }, mountsOf };
    const second = await new Agent(left.namespace, impatient).stopped();
    expect(second.exitCode).toBe(1);
    expect(second.stdout).toBe("");
    expect(second.stderr).toMatch(/^mermin: Another Mermin agent runs on this host \(.*\); stop it first\n$/);
    expect(second.stderr).toContain(`(process ${first.process.pid}, `);
    await ping(left.ipv4, right.ipv4, 4);
    const { exitCode, spans } = await first.stopped("SIGTERM");
    expect(exitCode).toBe(0);
    expect(packetsSent(spans, left.addresses).icmp4).toBe(4);
    const third = await startAgent(left.namespace, { mountsOf });
    expect((await third.stopped("SIGTERM")).exitCode).toBe(0);
  });
});

describe("agent that runs", () => {
  test("takes in an interface that comes, and forgets one that goes", async () => {
    await using left = new Namespace("left");
    await using right = new Namespace("right");
    const ends = (number: number): Parameters<typeof connect> => [
      { namespace: left, device: `left${number}` },
      { namespace: right, device: `right${number}` },
    ];
    connect(...ends(0));
    const agent = await startAgent(left, { config: { capture: { interfaces: ["left*"] } } });
    connect(...ends(1));
    await agent.process.until(({ errors }) => errors.includes("interface attached interface=left1"));
    left.ip("address", "add", "10.77.1.1/24", "dev", "left1");
    right.ip("address", "add", "10.77.1.2/24", "dev", "right1");
    const before = readSent(left).icmp4;
    await ping({ namespace: left, address: "10.77.1.1" }, { namespace: right, address: "10.77.1.2" }, 6);
    const sent = readSent(left).icmp4 - before;
    left.ip("link", "delete", "left1");
    await agent.process.until(({ errors }) => errors.includes("interface left interface=left1"));
    const { exitCode, spans } = await agent.stopped("SIGTERM");
    expect(exitCode).toBe(0);
    expect(packetsSent(spans, ["10.77.1.1"]).icmp4).toBe(sent);
    expect(sent).toBe(6);
  });

  test("needs no file that it may write, and no /tmp", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const agent = await startAgent(left.namespace, {
      directory: "/",
      mounts: [
        "mount -t bpf bpf /sys/fs/bpf",
        "mount -t tmpfs -o ro,size=4k tmpfs /tmp",
        "mount -t tmpfs -o ro,size=4k tmpfs /var/tmp",
        "mount -o remount,bind,ro /",
        "mount --bind /run /run",
        "mount -o remount,bind,ro /run",
        "! touch /tmp/x /run/x /root/x 2>/dev/null",
      ].join(" && "),
    });
    await ping(left.ipv4, right.ipv4, 3);
    const { exitCode, spans } = await agent.stopped("SIGTERM");
    expect(exitCode).toBe(0);
    expect(packetsSent(spans, left.addresses).icmp4).toBe(3);
  });
});
