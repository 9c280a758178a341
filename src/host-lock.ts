// One agent a host: the lock's place, waiting for it, and its removal. The kernel frees it however the process ends.

import { readFileSync, rmdirSync, statSync } from "node:fs";
import type { Probe } from "./capture/probe.ts";

const BPF_FILE_SYSTEM = "/sys/fs/bpf";
const DIRECTORY = "/mermin";
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

/**
 * Takes the lock, once the agent that holds it has ended.
 * @throws Error where another agent runs on past the timeout, or no place for the lock can be written.
 */
export async function acquireHostLock(probe: Probe, patience: LockPatience): Promise<HostLock> {
  const isPinnable = isBpfFileSystemWritable();
  const path = `${isPinnable ? BPF_FILE_SYSTEM : "/run"}${DIRECTORY}`;
  const deadline = performance.now() + patience.timeoutMs;
  while (!probe.tryLock(path)) {
    if (performance.now() >= deadline || patience.signal.aborted) {
      const holder = findHolder(path);
      const who = holder === undefined ? "" : `, process ${holder}`;
      throw new Error(
        `Another Mermin agent runs on this host (it holds the lock ${path}${who}); stop it first`,
      );
    }
    await Bun.sleep(RETRY_MS);
  }
  return { path, isPinnable };
}

/** Removes the lock's directory, while the lock is held; what is pinned in it stays. */
export function removeHostLock({ path }: HostLock): void {
  try {
    rmdirSync(path);
  } catch {
    // Not empty, or gone: neither is ours to mend.
  }
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

/** The process that holds a lock, as /proc/locks names it: by the file's number; undefined where it is not seen. */
function findHolder(path: string): number | undefined {
  try {
    const { ino } = statSync(path);
    for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
      const [, kind, , , pid, file] = line.trim().split(/\s+/);
      if (kind === "FLOCK" && file?.endsWith(`:${ino}`) && Number(pid) > 0) return Number(pid);
    }
  } catch {
    // A process file system that is not there names nobody.
  }
  return undefined;
}
