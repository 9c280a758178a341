// One agent a host: the lock's place, waiting for it, and its removal. The kernel frees it however the process ends.

import { readdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { findLockHolder } from "./bpf-holders.ts";
import type { Probe } from "./capture/probe.ts";
import { BUILD } from "./version.ts";

/** Where the kernel shows what is pinned. */
export const BPF_FILE_SYSTEM = "/sys/fs/bpf";
/** What an agent that waits is told of the one that holds the lock. */
const LABEL = `mermin ${BUILD.version} commit ${BUILD.commit}`;
/** Between two tries. */
const RETRY_MS = 100;

/** A lock that is held. */
export interface HostLock {
  readonly path: string;
  /** Whether maps and links can be pinned beside it. */
  readonly isPinnable: boolean;
}

/** How long to wait for another agent's end. */
export interface LockPatience {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Where pins are, and the lock where the BPF file system is mounted. */
export const PIN_DIRECTORY: string = `${BPF_FILE_SYSTEM}/mermin`;

/** Names in {@link PIN_DIRECTORY}, sorted; none where it is not there. */
export function listPins(): readonly string[] {
  try {
    return readdirSync(PIN_DIRECTORY).toSorted();
  } catch {
    return [];
  }
}

/** The schema version that a pin's name ends with; undefined where it has none. */
export function versionOf(pin: string): number | undefined {
  const [, version] = /_v(\d+)$/.exec(pin) ?? [];
  return version === undefined ? undefined : Number(version);
}

/** Versions of what is pinned, rising. */
export function listVersions(): readonly number[] {
  const versions = new Set(listPins().flatMap((name) => versionOf(name) ?? []));
  return [...versions].sort((one, other) => one - other);
}

/**
 * Takes the lock.
 * @throws Error where another agent runs, or no place for the lock can be written.
 */
export function acquireHostLock(probe: Probe): HostLock {
  const lock = findPlace();
  if (probe.tryLock(lock.path, LABEL)) return lock;
  throw new Error(`Another Mermin agent runs on this host (${describeHolder(lock.path)}); stop it first`);
}

/**
 * {@link acquireHostLock}, once the agent that holds it has ended.
 * @throws Error likewise, where another agent runs on past the timeout or until `signal` aborts
 */
export async function awaitHostLock(probe: Probe, { timeoutMs, signal }: LockPatience): Promise<HostLock> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline && !signal.aborted) {
    const lock = findPlace();
    if (probe.tryLock(lock.path, LABEL)) return lock;
    await Bun.sleep(RETRY_MS);
  }
  return acquireHostLock(probe);
}

/** Removes the lock's directory, while the lock is held; what is pinned in it stays. */
export function removeHostLock({ path }: HostLock): void {
  try {
    rmdirSync(path);
  } catch {
    // Not empty, or gone: neither is ours to mend.
  }
}

function describeHolder(path: string): string {
  const holder = findLockHolder(statSync(path).ino);
  return holder === undefined
    ? `it holds the lock ${path}`
    : `process ${holder.pid}, ${holder.label ?? holder.name}, holds the lock ${path}`;
}

function findPlace(): HostLock {
  const isPinnable = isBpfFileSystemWritable();
  return { path: isPinnable ? PIN_DIRECTORY : "/run/mermin", isPinnable };
}

function isBpfFileSystemWritable(): boolean {
  try {
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    // The last one mounted there is the one that is seen.
    const mount = mounts.findLast((line) => line.split(" ")[1] === BPF_FILE_SYSTEM);
    const [, , type, options = ""] = mount?.split(" ") ?? [];
    return type === "bpf" && options.split(",").includes("rw");
  } catch {
    return false;
  }
}
