// One agent a host: the lock's place and its removal. The kernel frees it however the process ends.

import { readFileSync, rmdirSync } from "node:fs";
import type { Probe } from "./capture/probe.ts";

const BPF_FILE_SYSTEM = "/sys/fs/bpf";

/**
 * Takes the lock and returns its path.
 * @throws Error where another agent runs, or no place for the lock can be written.
 */
export function acquireHostLock(probe: Probe): string {
  const path = isBpfFileSystemMounted() ? `${BPF_FILE_SYSTEM}/mermin` : "/run/mermin";
  if (!probe.tryLock(path)) {
    throw new Error(`Another Mermin agent runs on this host (it holds the lock ${path}); stop it first`);
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

function isBpfFileSystemMounted(): boolean {
  try {
    return readFileSync("/proc/self/mounts", "utf8").includes(` ${BPF_FILE_SYSTEM} bpf `);
  } catch {
    return false;
  }
}
