// Which processes hold BPF programs and links: what the kernel frees when they end. Comes in: /proc. Goes out: process
// ids by object.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process that holds something. */
export interface Holder {
  readonly pid: number;
  readonly name: string;
  /** Of the lock: what the holder says of itself, its version. */
  readonly label?: string | undefined;
}

/** Holders by id. */
export interface Holders {
  readonly programs: ReadonlyMap<number, Holder>;
  readonly links: ReadonlyMap<number, Holder>;
}

/** Looks through the descriptors of every process but this one. What may not be read holds nothing that is known. */
export function findHolders(): Holders {
  const programs = new Map<number, Holder>();
  const links = new Map<number, Holder>();
  for (const pid of list("/proc").map(Number)) {
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const holder = { pid, name: read(`/proc/${pid}/comm`).trim() };
    for (const fd of list(`/proc/${pid}/fdinfo`)) {
      const text = read(`/proc/${pid}/fdinfo/${fd}`);
      const [, link] = /^link_id:\s*(\d+)$/m.exec(text) ?? [];
      const [, program] = /^prog_id:\s*(\d+)$/m.exec(text) ?? [];
      if (link !== undefined) links.set(Number(link), holder);
      else if (program !== undefined) programs.set(Number(program), holder);
    }
  }
  return { programs, links };
}

/** The process that holds the `flock` of a directory; undefined where none does, or it is not seen. */
export function findLockHolder(inode: number): Holder | undefined {
  for (const line of read("/proc/locks").split("\n")) {
    const [, pid, , , held] = /FLOCK\s+\S+\s+\S+\s+(\d+)\s+([0-9a-f]+):([0-9a-f]+):(\d+)/.exec(line) ?? [];
    if (pid !== undefined && Number(held) === inode)
      return { pid: Number(pid), name: read(`/proc/${pid}/comm`).trim(), label: findLabel(Number(pid)) };
  }
  return undefined;
}

/** The name of the memfd that goes with the lock. */
function findLabel(pid: number): string | undefined {
  for (const fd of list(`/proc/${pid}/fd`)) {
    const [, label] = /^\/memfd:(mermin .*) \(deleted\)$/.exec(readLink(`/proc/${pid}/fd/${fd}`)) ?? [];
    if (label !== undefined) return label;
  }
  return undefined;
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
