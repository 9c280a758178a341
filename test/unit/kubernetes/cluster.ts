// A directory with what is asked of it in short.

import { Directory, type DirectoryOptions } from "../../../src/kubernetes/directory.ts";
import { newResolution, type Resolution } from "../../../src/kubernetes/directory-resolve.ts";
import type { ObjectEvent } from "../../../src/kubernetes/objects.ts";
import { BEGAN, wordsOf } from "./objects.ts";

export const SECOND = 1000;

/** Now, in every test that does not say otherwise: an hour after everything began. */
export const NOW: number = BEGAN + 3600 * SECOND;

interface Asked {
  readonly port?: number;
  readonly protocol?: number;
  readonly startMs?: number;
  readonly now?: number;
  readonly isDestination?: boolean;
  readonly isCaller?: boolean;
}

/** A directory that has seen `events` at the time they give, or at {@link NOW}. */
export function clusterOf(
  events: readonly (ObjectEvent | readonly [number, ObjectEvent])[],
  options: Partial<DirectoryOptions> = {},
): Directory {
  const directory = new Directory({ graceMs: 60 * SECOND, keptMs: 120 * SECOND, ...options });
  for (const event of events) {
    const [at, change] = "type" in event ? [NOW, event] : event;
    directory.apply(change, at);
  }
  return directory;
}

/** Who had `address`: by default at {@link NOW}, asked a minute after that. */
export function resolve(directory: Directory, address: string, asked: Asked = {}): Resolution {
  const found = newResolution();
  const { port = 0, protocol = 6, startMs = NOW, isDestination = true, isCaller = false } = asked;
  const query = { words: wordsOf(address), at: 0, port, protocol, startMs, isDestination, isCaller };
  directory.resolve(query, asked.now ?? startMs + 60 * SECOND, found);
  return found;
}

/** The same as text: `Kind name`, the Service behind a node port, `namespace/` where that alone is shared, the outcome. */
export function holderOf(directory: Directory, address: string, asked: Asked = {}): string {
  const { holder, service, sharedNamespace, outcome } = resolve(directory, address, asked);
  const names = [holder, service].flatMap((known) =>
    known ? `${known.told.kind} ${known.told.object.name}` : [],
  );
  if (sharedNamespace !== "") names.push(`${sharedNamespace}/`);
  return outcome === "resolved" ? names.join(" ") : [outcome, ...names].join(" ");
}
