// Finds cgroups by their ids, which are the inode numbers of their folders: a walk, as opening one by its id would take
// CAP_DAC_READ_SEARCH. A generator, so that thousands of folders are gone through in slices.

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type CgroupPlace, placeBelow, ROOT_PLACE } from "./cgroup-place.ts";

/** A cgroup, and the folder that it has as long as there is a process in it. */
export interface FoundCgroup {
  readonly place: CgroupPlace;
  readonly path: string;
}

/** What a search found. */
export interface CgroupSearch {
  readonly places: ReadonlyMap<bigint, FoundCgroup>;
  /** Whether there is any cgroup of a container in a pod. */
  readonly hasPods: boolean;
}

export interface CgroupSearchOptions {
  readonly wanted: ReadonlySet<bigint>;
  /** Whether to look at all folders, also once everything is found. */
  readonly isWhole: boolean;
}

/** Folders looked at in one search: several times those of a node with as many pods as the kubelet takes. */
const MOST_FOLDERS = 65_536;
const MOST_DEPTH = 32;

/** Yields after each folder. Folders that go meanwhile are left out. */
export function* searchCgroups(
  root: string,
  { wanted, isWhole }: CgroupSearchOptions,
): Generator<void, CgroupSearch, void> {
  const places = new Map<bigint, FoundCgroup>();
  let hasPods = false;
  let folders = 0;
  const stack: { path: string; place: CgroupPlace; depth: number }[] = [
    { path: root, place: ROOT_PLACE, depth: 0 },
  ];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { path, place, depth } = next;
    if (++folders > MOST_FOLDERS) break;
    if (depth === 0) note(places, wanted, { id: ownedIdOf(path)?.id, place, path });
    for (const name of depth < MOST_DEPTH ? foldersIn(path) : []) {
      const below = join(path, name);
      const found = ownedIdOf(below);
      if (found === undefined) continue;
      const inside = placeBelow(place, name, found.ownerUid);
      hasPods ||= inside.kind === "pod" && inside.containerId !== "";
      note(places, wanted, { id: found.id, place: inside, path: below });
      stack.push({ path: below, place: inside, depth: depth + 1 });
      yield;
    }
    if (!isWhole && places.size === wanted.size) break;
  }
  return { places, hasPods };
}

/** Whether the folder is still that of the cgroup. */
export function isThere(id: bigint, { path }: FoundCgroup): boolean {
  return ownedIdOf(path)?.id === id;
}

function note(
  places: Map<bigint, FoundCgroup>,
  wanted: ReadonlySet<bigint>,
  { id, ...found }: FoundCgroup & { readonly id: bigint | undefined },
): void {
  if (id !== undefined && wanted.has(id)) places.set(id, found);
}

function ownedIdOf(path: string): { readonly id: bigint; readonly ownerUid: number } | undefined {
  try {
    const { ino, uid } = statSync(path, { bigint: true });
    return { id: ino, ownerUid: Number(uid) };
  } catch {
    return undefined;
  }
}

function foldersIn(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? entry.name : [],
    );
  } catch {
    return [];
  }
}
