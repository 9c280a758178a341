// One agent a host: the lock's place and its removal. The kernel frees it however the process ends.

import { readFileSync, rmdirSync, statSync } from "node:fs";
import { findLockHolder } from "./bpf-holders.ts";
import type { Probe } from "./capture/probe.ts";

const BPF_FILE_SYSTEM = "/sys/fs/bpf";

/** Where pins are, and the lock where the BPF file system is mounted. */
export const PIN_DIRECTORY: string = `${BPF_FILE_SYSTEM}/mermin`;

/**
 * Takes the lock and returns its path.
 * @throws Error where another agent runs, or no place for the lock can be written.
 */
export function acquireHostLock(probe: Probe): string {
  const path = isBpfFileSystemMounted() ? PIN_DIRECTORY : "/run/mermin";
  if (!probe.tryLock(path)) {
    throw new Error(`Another Mermin agent runs on this host (${describeHolder(path)}); stop it first`);
  }
  return path;
}

/** Removes the lock's directory, while the lock is held; what is pinned in it stays. */
export function removeHostLock(path: string): void {
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
    : `process ${holder.pid}, ${holder.name}, holds the lock ${path}`;
}

function isBpfFileSystemMounted(): boolean {
  try {
    return readFileSync("/proc/self/mounts", "utf8").includes(` ${BPF_FILE_SYSTEM} bpf `);
  } catch {
    return false;
  }
}
