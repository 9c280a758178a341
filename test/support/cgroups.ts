// Cgroups of a test in the kernel's own hierarchy (v2), named for this process: what a killed run left behind is found and
// removed by the next.

import { describe } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";

const PREFIX = "mermin-test";
const END_MS = 10_000;

/** `describe` for tests that need cgroups: skipped, with the reason, where there is no v2 or it cannot be written. */
export const describeWithCgroups: typeof describe | typeof describe.skip = isWritable()
  ? describe
  : skipWithReason();

function isWritable(): boolean {
  const mount = findMount();
  if (mount === undefined) return false;
  try {
    const path = join(mount, `${PREFIX}-${process.pid}-probe`);
    mkdirSync(path);
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function skipWithReason(): typeof describe.skip {
  console.warn("skipped: no cgroup v2 is mounted, or it cannot be written");
  return describe.skip;
}

/** A cgroup of the test with others in it. */
export class TestCgroups implements AsyncDisposable {
  readonly root: string;

  constructor() {
    const mount = findMount();
    if (mount === undefined) throw new Error("no cgroup v2 is mounted");
    removeForgotten(mount);
    this.root = join(mount, `${PREFIX}-${process.pid}`);
    mkdirSync(this.root);
  }

  /** Words before a command that put it into the cgroup at that path, which is made. */
  enter(path: string): readonly string[] {
    const folder = join(this.root, path);
    mkdirSync(folder, { recursive: true });
    return ["sh", "-c", `echo $$ >'${folder}/cgroup.procs' && exec "$@"`, "sh"];
  }

  /** Waits for the last process to go, and removes all. */
  async [Symbol.asyncDispose](): Promise<void> {
    const deadline = performance.now() + END_MS;
    while (!removeTree(this.root)) {
      if (performance.now() > deadline) throw new Error(`${this.root} cannot be removed`);
      await Bun.sleep(20);
    }
  }
}

/** What the kernel calls this process' cgroup: the inode number of its folder; 0 without cgroup v2. */
export function ownCgroupId(): bigint {
  const mount = findMount();
  const [, path] = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8")) ?? [];
  return mount === undefined || path === undefined ? 0n : statSync(join(mount, path), { bigint: true }).ino;
}

function findMount(): string | undefined {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.find((line) => line.includes(" - cgroup2 "))?.split(" ")[4];
}

function removeForgotten(mount: string): void {
  for (const name of readdirSync(mount)) {
    const [, pid] = new RegExp(`^${PREFIX}-(\\d+)`).exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeTree(join(mount, name));
  }
}

/** False where a process is still in it. */
function removeTree(path: string): boolean {
  if (!existsSync(path)) return true;
  const inside = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  if (!inside.every(({ name }) => removeTree(join(path, name)))) return false;
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}
