// A memory cgroup of the benchmark's own, below ours (version 1) or beside it (version 2, which keeps processes to the
// leaves).

import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

const REMOVE_MS = 5000;
const RETRY_MS = 50;

/** A cgroup that exists until it is removed by {@link removeCgroup}. */
export interface Cgroup {
  /** The file into which a process writes itself. */
  readonly procs: string;
  /** Bytes charged now: `memory.current`, or what version 1 calls it. */
  readonly bytes: () => number;
  /** Most bytes ever charged: `memory.peak`, or what version 1 calls it. */
  readonly peakBytes: () => number;
}

/** Makes the cgroup, or takes it where it exists; undefined where there is no memory controller. */
export function openCgroup(name: string): Cgroup | undefined {
  const place = findPlace(name);
  if (place === undefined) return undefined;
  mkdirSync(place.path, { recursive: true });
  return {
    procs: join(place.path, "cgroup.procs"),
    bytes: () => Number(readFileSync(join(place.path, place.usage), "utf8")),
    peakBytes: () => Number(readFileSync(join(place.path, place.peak), "utf8")),
  };
}

/** Removes the cgroup once its processes have ended. @throws Error where they do not end in time. */
export async function removeCgroup(name: string): Promise<void> {
  const path = findPlace(name)?.path;
  const deadline = performance.now() + REMOVE_MS;
  while (path !== undefined && existsSync(path)) {
    try {
      rmdirSync(path);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await Bun.sleep(RETRY_MS);
    }
  }
}

interface Place {
  readonly path: string;
  /** Names of its files. */
  readonly usage: string;
  readonly peak: string;
}

function findPlace(name: string): Place | undefined {
  for (const line of readFileSync("/proc/self/cgroup", "utf8").trim().split("\n")) {
    const [, controllers = "", path = "/"] = line.split(":");
    if (controllers.split(",").includes("memory"))
      return {
        path: join("/sys/fs/cgroup/memory", path, name),
        usage: "memory.usage_in_bytes",
        peak: "memory.max_usage_in_bytes",
      };
    const parent = join("/sys/fs/cgroup", path, "..");
    if (controllers === "" && existsSync(join(parent, "memory.stat")))
      return { path: join(parent, name), usage: "memory.current", peak: "memory.peak" };
  }
  return undefined;
}
