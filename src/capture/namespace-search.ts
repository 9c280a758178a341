// Finds network namespaces by what the kernel calls them here (IFLA_LINK_NETNSID): those that have a name in /run/netns
// or a process. A generator, so that thousands of processes are gone through in slices.

import { closeSync, openSync, readdirSync, statSync } from "node:fs";
import type { SocketReader } from "./socket-reader.ts";

/** What a search found. */
export interface SearchResult {
  /** Path by id, of those that were looked for. */
  readonly paths: ReadonlyMap<number, string>;
  /** Candidates that could not be looked at for want of privilege. */
  readonly denied: number;
}

const NAMED = "/run/netns";

/** Yields after each candidate. Asks the kernel about each namespace once, whoever shares it. */
export function* searchNamespaces(
  reader: SocketReader,
  wanted: ReadonlySet<number>,
): Generator<void, SearchResult, void> {
  const paths = new Map<number, string>();
  const seen = new Set<string>();
  let denied = 0;
  for (const path of candidates()) {
    if (paths.size === wanted.size) break;
    try {
      const identity = identifyNamespace(path);
      if (!seen.has(identity)) {
        seen.add(identity);
        const id = openNamespace(path, (fd) => reader.namespaceId(fd));
        if (id !== undefined && wanted.has(id)) paths.set(id, path);
      }
    } catch (error) {
      if (isDenial(error)) denied++;
    }
    yield;
  }
  return { paths, denied };
}

/** Calls `use` with a descriptor of the namespace, which is kept no longer: it would keep a pod's devices alive. */
export function openNamespace<Result>(path: string, use: (fd: number) => Result): Result {
  const fd = openSync(path, "r");
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

/** Device and inode number: what a namespace is while it lives. */
function identifyNamespace(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}

function isDenial(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EACCES" || error.code === "EPERM");
}

function* candidates(): Generator<string, void, void> {
  for (const name of list(NAMED)) yield `${NAMED}/${name}`;
  for (const name of list("/proc")) if (/^\d+$/.test(name)) yield `/proc/${name}/ns/net`;
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
