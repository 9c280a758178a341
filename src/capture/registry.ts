// What agents have in the kernel: this one, others, dead ones. Comes in: the kernel's lists. Goes out: programs, maps,
// hooks. Needs no loaded program of its own.

import { loadLibrary, nulTerminated } from "./library.ts";
import { ShimError } from "./shim-error.ts";

/** A loaded program, by its name one of ours. */
export interface KernelProgram {
  readonly id: number;
  readonly name: string;
  readonly maps: readonly number[];
}

/** A program at a hook. */
export interface KernelHook {
  readonly kind: "link" | "filter";
  /** Of the link, or the filter's handle. */
  readonly id: number;
  readonly programId: number;
  /** 0 where the interface is gone. */
  readonly ifindex: number;
  readonly side: "ingress" | "egress";
  /** Whether the index is one of the watched namespace. */
  readonly isHere: boolean;
  /** Of a filter; 0 for a link. */
  readonly priority: number;
  /** Filter: an agent made the qdisc that it hangs on. */
  readonly hasMadeQdisc: boolean;
}

const MOST_ROWS = 65_536;
const FIRST_ROWS = 256;
const ENOSPC = -28;
const NAME_BYTES = 16;
const PROGRAM_MAPS = 32;
const PROGRAM_WORDS = 2 + PROGRAM_MAPS + NAME_BYTES / 4;
const HOOK_WORDS = 7;

/** Loaded programs of an agent: by their name and by a map that all have. @throws ShimError where the kernel does not list them. */
export function listPrograms(): readonly KernelProgram[] {
  const library = loadLibrary();
  const { words, count } = readRows(PROGRAM_WORDS, "Cannot list the BPF programs", (rows, max) =>
    library.merminbpf_programs_list(rows, max),
  );
  const programs = Array.from({ length: count }, (_, row) => {
    const [id = 0, mapCount = 0, ...rest] = words.subarray(row * PROGRAM_WORDS, (row + 1) * PROGRAM_WORDS);
    const name = new Uint8Array(words.buffer, (row * PROGRAM_WORDS + 2 + PROGRAM_MAPS) * 4, NAME_BYTES);
    return { id, name: decodeName(name), maps: rest.slice(0, mapCount) };
  });
  return programs.filter(({ maps }) => maps.some((id) => findMapName(id) === "FLOW_STATS"));
}

/** Name of a map; undefined where it has gone. */
export function findMapName(id: number): string | undefined {
  const name = new Uint8Array(new ArrayBuffer(NAME_BYTES));
  return loadLibrary().merminbpf_map_name(id, name, NAME_BYTES) < 0 ? undefined : decodeName(name);
}

/** TCX links of programs, in whatever network namespace. @throws ShimError */
export function listLinksOf(programs: readonly KernelProgram[]): readonly KernelHook[] {
  const ids = new Uint32Array(new ArrayBuffer(Math.max(1, programs.length) * 4));
  ids.set(programs.map(({ id }) => id));
  const library = loadLibrary();
  return readHooks("link", "Cannot list the BPF links", (rows, max) =>
    library.merminbpf_links_of(ids, programs.length, rows, max),
  );
}

/** Filters of ours at an interface of the watched namespace. @throws ShimError */
export function listFiltersOf(ifindex: number): readonly KernelHook[] {
  const library = loadLibrary();
  return readHooks("filter", `Cannot list the filters of interface ${ifindex}`, (rows, max) =>
    library.merminbpf_filters_of(ifindex, rows, max),
  );
}

/** The id of the link that is pinned at a path; undefined where none is. */
export function findPinnedLink(path: string): number | undefined {
  const id = loadLibrary().merminbpf_link_pinned(nulTerminated(path));
  return id < 0 ? undefined : id;
}

/** Detaches a link; one that is gone is no error. @throws ShimError */
export function removeLink(id: number): void {
  check(loadLibrary().merminbpf_link_remove(id), `Cannot detach link ${id}`);
}

/** Removes our filters of an interface, and its qdisc where an agent made it and nothing else hangs on it. @throws ShimError */
export function removeFiltersOf(ifindex: number): void {
  const result = loadLibrary().merminbpf_filters_remove(ifindex);
  check(result, `Cannot remove the filters of interface ${ifindex}`);
}

type ListRows = (rows: Uint32Array, max: number) => number;

function readHooks(kind: KernelHook["kind"], action: string, list: ListRows): readonly KernelHook[] {
  const { words, count } = readRows(HOOK_WORDS, action, list);
  return Array.from({ length: count }, (_, row) => {
    const fields = words.subarray(row * HOOK_WORDS, (row + 1) * HOOK_WORDS);
    const [id = 0, programId = 0, ifindex = 0, egress, priority = 0, isHere, hasMadeQdisc] = fields;
    const side = egress === 1 ? "egress" : "ingress";
    const flags = { isHere: isHere === 1, hasMadeQdisc: hasMadeQdisc === 1 };
    return { kind, id, programId, ifindex, side, priority, ...flags };
  });
}

function readRows(
  wordsEach: number,
  action: string,
  list: ListRows,
): { readonly words: Uint32Array; readonly count: number } {
  for (let max = FIRST_ROWS; ; max *= 4) {
    const words = new Uint32Array(new ArrayBuffer(max * wordsEach * 4));
    const count = list(words, max);
    if (count !== ENOSPC || max >= MOST_ROWS) return { words, count: check(count, action) };
  }
}

function check(result: number, action: string): number {
  if (result < 0) throw new ShimError(action, result, String(loadLibrary().merminbpf_error(null)));
  return result;
}

function decodeName(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
