// Where the benchmarks run: two network namespaces joined by a veth, compiled tools, and a process whose end ends
// every other one. Nothing of it stays.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { removeCgroup } from "./cgroup.ts";
import { run } from "./command.ts";
import type { Ground } from "./figure.ts";

const DEVICE = "bench0";
const PEER_DEVICE = "bench1";
const ADDRESS = "192.0.2.1";
const PEER_ADDRESS = "192.0.2.2";
/** The repository. */
export const ROOT: string = join(import.meta.dir, "..");

/** The argument by which run.ts knows that it is the process inside. */
export const INSIDE = "inside";

/** Makes the ground, runs run.ts inside with `names`, removes the ground. Returns its exit code. */
export async function runInside(names: readonly string[]): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "mermin-bench-"));
  const near = `mermin-bench-${process.pid}`;
  const peer = `${near}-peer`;
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    await compile(directory);
    await joinNamespaces(near, peer);
    return await startInside(near, peer, directory, names, abort.signal);
  } finally {
    await removeCgroup(peer);
    await remove(near);
    await remove(peer);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The ground from the arguments that {@link runInside} gave, and the names of steps after them. */
export function groundOf(args: readonly string[]): {
  readonly ground: Ground;
  readonly names: readonly string[];
} {
  const [peer, directory, ...names] = args;
  if (peer === undefined || directory === undefined) throw new Error("Run bench/run.ts without arguments");
  return { ground: { directory, device: DEVICE, peer, peerAddress: PEER_ADDRESS }, names };
}

/** Compiles a BPF program as the Makefile does. `source` is a path from the repository's root, or absolute. */
export async function compileProgram(source: string, object: string): Promise<void> {
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
  const dependencies = (await run(join(ROOT, "libmerminbpf", "dependencies.sh"), "--directory")).trim();
  const includes = [`-I/usr/include/${architecture}-linux-gnu`, `-I${dependencies}/include`];
  const target = ["clang-19", "-target", "bpf", "-mcpu=v3", "-O2", "-g", ...includes];
  await run(...target, "-c", resolve(ROOT, source), "-o", object);
}

async function compile(directory: string): Promise<void> {
  for (const name of ["empty", "sink"]) {
    await compileProgram(join("bench", `${name}.bpf.c`), join(directory, `${name}.bpf.o`));
  }
  await run("cc", "-O2", "-o", join(directory, "traffic"), join(ROOT, "bench", "traffic.c"));
}

async function joinNamespaces(near: string, peer: string): Promise<void> {
  await run("ip", "netns", "add", near);
  await run("ip", "netns", "add", peer);
  await run(
    "ip",
    "-n",
    near,
    "link",
    "add",
    DEVICE,
    "type",
    "veth",
    "peer",
    "name",
    PEER_DEVICE,
    "netns",
    peer,
  );
  // IPv6 would add flows of its own: neighbour discovery and multicast listeners.
  const silence = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 || true";
  const ends = [
    [near, DEVICE, ADDRESS],
    [peer, PEER_DEVICE, PEER_ADDRESS],
  ] as const;
  for (const [namespace, device, address] of ends) {
    await run("ip", "netns", "exec", namespace, "sh", "-c", silence);
    await run("ip", "-n", namespace, "address", "add", `${address}/24`, "dev", device);
    await run("ip", "-n", namespace, "link", "set", device, "up");
    await run("ip", "-n", namespace, "link", "set", "lo", "up");
  }
}

/**
 * A PID namespace whose first process is run.ts: when it ends, so does everything it started. A mount namespace with
 * a BPF file system of its own: the host's lock, and an agent that holds it, are not met.
 */
async function startInside(
  near: string,
  peer: string,
  directory: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const script = 'mount -t bpf bpf /sys/fs/bpf 2>/dev/null; exec "$@"';
  const isolated = [
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "sh",
    "-c",
    script,
    "sh",
  ];
  const inside = [process.execPath, join(import.meta.dir, "run.ts"), INSIDE, peer, directory, ...names];
  const child = Bun.spawn(["nsenter", `--net=/run/netns/${near}`, ...isolated, ...inside], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  const kill = (): void => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  return await child.exited;
}

async function remove(namespace: string): Promise<void> {
  await run("ip", "netns", "del", namespace).catch(() => undefined);
}
