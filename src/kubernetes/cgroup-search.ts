// Finds cgroups by their ids, which are the inode numbers of their folders: a walk, as opening one by its id would take
// CAP_DAC_READ_SEARCH. A generator, so that thousands of folders are gone through in slices.

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type CgroupPlace, placeBelow, ROOT_PLACE } from "./cgroup-place.ts";

/** What a search found. */
export interface CgroupSearch {
  readonly places: ReadonlyMap<bigint, CgroupPlace>;
  /** Whether there is any cgroup that pods are in. */
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
  const places = new Map<bigint, CgroupPlace>();
  let hasPods = false;
  let folders = 0;
  const stack: { path: string; place: CgroupPlace; depth: number }[] = [
    { path: root, place: ROOT_PLACE, depth: 0 },
  ];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { path, place, depth } = next;
    if (++folders > MOST_FOLDERS) break;
    if (depth === 0) note(places, wanted, { id: idOf(path)?.id, place });
    for (const name of depth < MOST_DEPTH ? foldersIn(path) : []) {
      const below = join(path, name);
      const found = idOf(below);
      if (found === undefined) continue;
      const inside = placeBelow(place, name, found.ownerUid);
      hasPods ||= inside.kind === "pods" || inside.kind === "pod";
      note(places, wanted, { id: found.id, place: inside });
      stack.push({ path: below, place: inside, depth: depth + 1 });
      yield;
    }
    if (!isWhole && places.size === wanted.size) break;
  }
  return { places, hasPods };
}

function note(
  places: Map<bigint, CgroupPlace>,
  wanted: ReadonlySet<bigint>,
  { id, place }: { readonly id: bigint | undefined; readonly place: CgroupPlace },
): void {
  if (id !== undefined && wanted.has(id)) places.set(id, place);
}

function idOf(path: string): { readonly id: bigint; readonly ownerUid: number } | undefined {
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
