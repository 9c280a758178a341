// Sockets and addresses of real namespaces, in a namespace of the test's own thread as the host's.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, type ListenOptions, type Server } from "node:net";
import { listLinks } from "../../src/capture/links.ts";
import { decodeListeners } from "../../src/capture/listener-record.ts";
import { Listeners } from "../../src/capture/listeners.ts";
import { createLogger } from "../../src/lib/log.ts";
import { parseAddress } from "../../src/lib/parse-address.ts";
import { Bench } from "../bpf/bench.ts";
import { ThreadNamespace } from "../bpf/thread-namespace.ts";
import { startAgent } from "../support/agent.ts";
import { withTransport } from "../support/agent-spans.ts";
import { ownCgroupId } from "../support/cgroups.ts";
import { Namespace } from "../support/namespace.ts";
import { makePair } from "../support/namespace-pair.ts";
import { runCommand } from "../support/namespace-process.ts";
import { ping } from "../support/namespace-traffic.ts";

const TALK = new URL("../support/namespace-talk.ts", import.meta.url).pathname;
const [TCP, UDP] = [6, 17];
const HERE = "10.79.0.1";
const POD = "10.79.0.2";
const OTHER = "10.79.0.3";
/** Of both pods: who is meant, only the interface tells. */
const SHARED = "10.79.0.9";

/** A moment at which everything that can be due is. */
let later = performance.now();

interface Bed extends AsyncDisposable {
  readonly listeners: Listeners;
  readonly warnings: string[];
  readonly pods: readonly Namespace[];
  readonly devices: readonly number[];
}

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());

/** The thread's namespace with two pods behind `to1` and `to2`. The probe's watch on addresses is of this namespace. */
function makeBed(): Bed {
  const pods = [new Namespace("pod"), new Namespace("pod")];
  const home = new ThreadNamespace();
  ip("link", "set", "lo", "up");
  ip("address", "add", `${HERE}/32`, "dev", "lo");
  for (const [i, pod] of pods.entries()) addPod(pod, `to${i + 1}`, i === 0 ? POD : OTHER);
  const warnings: string[] = [];
  const log = createLogger({ level: "warn", format: "text", write: (line) => warnings.push(line) });
  const probe = new Bench();
  const listeners = new Listeners(probe.probe, log);
  follow(listeners);
  const devices = listLinks(bench.probe.library).filter(({ name }) => name.startsWith("to"));
  return {
    ...{ listeners, warnings, pods, devices: devices.map(({ ifindex }) => ifindex) },
    [Symbol.asyncDispose]: async () => {
      probe[Symbol.dispose]();
      home[Symbol.dispose]();
      for (const pod of pods) await pod[Symbol.asyncDispose]();
    },
  };
}

function ip(...words: readonly string[]): void {
  runCommand(["ip", ...words]);
}

function addPod(pod: Namespace, device: string, address: string): void {
  ip("link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", pod.name);
  for (const own of [address, SHARED]) pod.ip("address", "add", `${own}/32`, "dev", "eth0");
  pod.ip("link", "set", "eth0", "up");
}

function follow(listeners: Listeners): void {
  const links = listLinks(bench.probe.library).filter(({ kind }) => kind === "veth");
  listeners.follow(links, () => "workload");
}

/** Reads whatever is due at once, or will be. */
function readAll(listeners: Listeners): void {
  for (let turn = 0; turn < 400; turn++) turnAfter(listeners, 1000);
}

function turnAfter(listeners: Listeners, milliseconds: number): void {
  later += milliseconds;
  listeners.turn(later);
}

function words(address: string): Uint32Array {
  const bytes = new Uint8Array(new ArrayBuffer(16));
  bytes.set(parseAddress(address) ?? []);
  return new Uint32Array(bytes.buffer);
}

async function serve(pod: Namespace, mode: string, address: string, port: number): Promise<void> {
  const server = pod.start([process.execPath, TALK, mode, address, String(port)]);
  await server.until(({ output }) => output.includes("ready"));
}

/** A server of the thread's namespace. */
async function listenHere(options: ListenOptions): Promise<Server> {
  const server = createServer().listen(options);
  await once(server, "listening");
  return server;
}

describe("Listeners", () => {
  test("asks the namespace of the end: by its interface, else by its address", async () => {
    await using bed = makeBed();
    const { listeners, pods, devices } = bed;
    const [pod, other] = pods;
    const [toPod = 0, toOther = 0] = devices;
    if (!pod || !other) throw new Error("two pods");
    await serve(pod, "tcp-serve", "0.0.0.0", 8080);
    await serve(other, "tcp-serve", OTHER, 8081);
    await using _own = await listenHere({ host: "0.0.0.0", port: 8082 });
    readAll(listeners);
    const asks = (address: string, port: number, behind = 0): boolean =>
      listeners.isListening(TCP, port, words(address), 0, behind);
    expect([asks(POD, 8080), asks(POD, 8081), asks(POD, 8082)]).toEqual([true, false, false]);
    expect([asks(OTHER, 8080), asks(OTHER, 8081)]).toEqual([false, true]);
    expect([asks(HERE, 8080), asks(HERE, 8081), asks(HERE, 8082)]).toEqual([false, false, true]);
    expect([asks(SHARED, 8080), asks(SHARED, 8080, toPod), asks(SHARED, 8080, toOther)]).toEqual([
      false,
      true,
      false,
    ]);
    expect(asks("10.79.0.77", 8080, toPod)).toBe(false);
    expect(listeners.isLocalAddress(words(SHARED), 0)).toBe(true);
    expect(listeners.isLocalAddress(words("10.79.0.77"), 0)).toBe(false);
    expect(listeners.stats()).toMatchObject({ read: 3, unread: 0 });
    expect(bed.warnings).toEqual([]);
  });

  test("knows for which family a socket listens, and which ports are clients'", async () => {
    await using bed = makeBed();
    const { listeners, pods } = bed;
    const [pod] = pods;
    if (!pod) throw new Error("a pod");
    ip("address", "add", "fd79::1/128", "dev", "lo");
    await using _any = await listenHere({ host: "::", port: 8001 });
    await using _only = await listenHere({ host: "::", port: 8002, ipv6Only: true });
    await using _four = await listenHere({ host: "0.0.0.0", port: 8003 });
    pod.run("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=20000 20100");
    for (const port of [19_999, 20_000, 20_100, 20_101]) await serve(pod, "udp-serve", "0.0.0.0", port);
    readAll(listeners);
    const families = (port: number): readonly boolean[] =>
      [HERE, "fd79::1"].map((address) => listeners.isListening(TCP, port, words(address), 0, 0));
    expect([families(8001), families(8002), families(8003)]).toEqual([
      [true, true],
      [false, true],
      [true, false],
    ]);
    const isServer = (port: number): boolean => listeners.isListening(UDP, port, words(POD), 0, 0);
    expect([19_999, 20_000, 20_100, 20_101].map(isServer)).toEqual([true, false, false, true]);
  });

  test("tells the host's sockets once after each reading, with the cgroups of who made them", async () => {
    await using bed = makeBed();
    const { listeners } = bed;
    await using _any = await listenHere({ host: "0.0.0.0", port: 8001 });
    await using _bound = await listenHere({ host: HERE, port: 8002 });
    readAll(listeners);
    const reading = listeners.takeHostReading();
    if (reading === undefined) throw new Error("no reading");
    const of = { protocol: TCP, ipVersion: 4, ifindex: 0, cgroupId: ownCgroupId() };
    expect(decodeListeners(reading.listeners).toSorted((one, other) => one.port - other.port)).toEqual([
      { ...of, port: 8001, address: new Uint32Array(4) },
      { ...of, port: 8002, address: words(HERE) },
    ]);
    expect([...reading.addresses].join()).toContain([...words(HERE)].join());
    expect([reading.isNew, listeners.takeHostReading()]).toEqual([true, undefined]);
    turnAfter(listeners, 30_000);
    expect(listeners.takeHostReading()?.isNew).toBe(false);
    await using _later = await listenHere({ host: HERE, port: 8003 });
    ip("address", "add", "10.79.0.50/32", "dev", "lo");
    turnAfter(listeners, 10);
    // Addresses alone are no reading of the sockets, which follows.
    expect(listeners.takeHostReading()).toBeUndefined();
    for (let turn = 0; turn < 3; turn++) turnAfter(listeners, 1000);
    const later = listeners.takeHostReading();
    expect(later?.isNew).toBe(true);
    expect(decodeListeners(later?.listeners ?? new Uint8Array()).map(({ port }) => port)).toContain(8003);
  });

  test("reads one namespace at a turn, each again after 1, 2, 4 … 30 seconds", async () => {
    await using bed = makeBed();
    const { listeners } = bed;
    const readAt: number[] = [];
    for (let second = 0; second < 100; second++) {
      for (let turn = 0; turn < 5; turn++) {
        const before = listeners.stats().reads;
        turnAfter(listeners, 200);
        const more = listeners.stats().reads - before;
        expect(more).toBeLessThanOrEqual(1);
        if (more > 0) readAt.push(second);
      }
    }
    // The host's at 0, 30, 60 and 90 seconds, two pods' at 0, 1, 3, 7, 15, 31, 61 and 91.
    expect(readAt.length).toBe(4 + 2 * 8);
  });

  test("knows a new address of the host at its next turn, and forgets one that is gone", async () => {
    await using bed = makeBed();
    const { listeners } = bed;
    readAll(listeners);
    const revision = listeners.revision;
    const added = words("10.79.0.50");
    ip("address", "add", "10.79.0.50/32", "dev", "lo");
    turnAfter(listeners, 10);
    expect(listeners.isLocalAddress(added, 0)).toBe(true);
    expect(listeners.revision).toBe(revision + 1);
    ip("address", "delete", "10.79.0.50/32", "dev", "lo");
    turnAfter(listeners, 10);
    expect(listeners.isLocalAddress(added, 0)).toBe(false);
  });

  test("follows namespaces that come and go, and keeps what was behind an interface for its last flows", async () => {
    await using bed = makeBed();
    const { listeners, pods, devices } = bed;
    const [pod] = pods;
    const [toPod = 0] = devices;
    if (!pod) throw new Error("a pod");
    await serve(pod, "tcp-serve", "0.0.0.0", 8080);
    readAll(listeners);
    ip("link", "delete", "to1");
    follow(listeners);
    readAll(listeners);
    expect(listeners.isListening(TCP, 8080, words(POD), 0, 0)).toBe(false);
    expect(listeners.isListening(TCP, 8080, words(POD), 0, toPod)).toBe(true);
    expect(listeners.stats()).toMatchObject({ read: 2, unread: 0 });
    await using young = new Namespace("young");
    addPod(young, "to3", POD);
    await serve(young, "tcp-serve", "0.0.0.0", 8090);
    follow(listeners);
    readAll(listeners);
    expect(listeners.isListening(TCP, 8090, words(POD), 0, 0)).toBe(true);
    expect(listeners.isListening(TCP, 8080, words(POD), 0, 0)).toBe(false);
  });
});

test("an agent that may enter no other namespace says so once, and counts all the same", async () => {
  await using pair = makePair();
  const [left, right] = pair.hosts;
  const dropped = "-sys_admin,-sys_ptrace";
  const prefix = ["setpriv", `--bounding-set=${dropped}`, `--inh-caps=${dropped}`];
  const agent = await startAgent(left.namespace, { prefix });
  await ping(right.ipv4, left.ipv4, 2);
  const { spans, stderr, exitCode } = await agent.stopped("SIGTERM");
  expect(exitCode).toBe(0);
  expect(withTransport(spans, "icmp")).toHaveLength(1);
  expect(stderr.split("listening sockets of a network namespace not read")).toHaveLength(2);
  expect(stderr).toContain("CAP_SYS_ADMIN");
});
