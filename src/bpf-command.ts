// `mermin bpf list|prune|uninstall`: what agents have in the kernel, and taking it out. Comes in: the kernel's lists,
// /proc, the pins. Goes out: lines of text. Never takes what a living process holds, nor what is not Mermin's.

import { unlinkSync } from "node:fs";
import { join } from "node:path";
import { findHolders, type Holder, type Holders } from "./bpf-holders.ts";
import { loadLibrary } from "./capture/library.ts";
import { listLinks } from "./capture/links.ts";
import { openLockHandle } from "./capture/probe.ts";
import { SCHEMA_VERSION } from "./capture/record.ts";
import {
  findMapName,
  findPinnedLink,
  type KernelHook,
  type KernelProgram,
  listFiltersOf,
  listLinksOf,
  listPrograms,
  removeFiltersOf,
  removeLink,
} from "./capture/registry.ts";
import { watchNamespace } from "./capture/watched-namespace.ts";
import type { BpfAction, ConfigOptions } from "./cli.ts";
import { loadConfig } from "./config/load.ts";
import { acquireHostLock, listPins, PIN_DIRECTORY, removeHostLock, versionOf } from "./host-lock.ts";

type Write = (text: string) => void;

/**
 * Lists, prunes or uninstalls. Returns the exit code: 0, or 1 where something of Mermin's had to stay.
 * @throws Error in one line: no privilege, a running agent (uninstall), a config that is wrong
 */
export function bpfCommand(action: BpfAction, options: ConfigOptions, write: Write): number {
  watchNamespace(loadConfig(options).capture.host_netns);
  switch (action) {
    case "list":
      return list(write);
    case "prune":
      return prune(write);
    case "uninstall":
      return uninstall(write);
    default:
      return action satisfies never;
  }
}

interface Found {
  readonly programs: readonly KernelProgram[];
  readonly hooks: readonly KernelHook[];
  readonly holders: Holders;
  /** Of the watched namespace, by index. */
  readonly names: ReadonlyMap<number, string>;
  /** Ids of the links that are pinned in {@link PIN_DIRECTORY}. */
  readonly pinnedLinks: ReadonlySet<number>;
}

function find(): Found {
  const programs = listPrograms();
  const names = new Map(listLinks(loadLibrary()).map(({ ifindex, name }) => [ifindex, name]));
  const filters = [...names.keys()].flatMap(listFiltersOf);
  const links = programs.length === 0 ? [] : listLinksOf(programs);
  const pinnedLinks = new Set(listPins().flatMap((name) => findPinnedLink(join(PIN_DIRECTORY, name)) ?? []));
  return { programs, hooks: [...links, ...filters], holders: findHolders(), names, pinnedLinks };
}

function list(write: Write): number {
  const found = find();
  const { programs, hooks, holders } = found;
  const maps = new Set(programs.flatMap((program) => program.maps));
  const lines = [
    ...programs.map(({ id, name }) => `program ${id} ${name}, ${describeHolder(holders.programs.get(id))}`),
    ...[...maps].map((id) => `map ${id} ${findMapName(id) ?? "gone"}`),
    ...hooks.map((hook) => describeHook(hook, found)),
    ...listPins().map((name) => `pin ${join(PIN_DIRECTORY, name)}, ${describeVersion(versionOf(name))}`),
  ];
  write(lines.length === 0 ? "nothing of Mermin is in the kernel\n" : `${lines.join("\n")}\n`);
  return 0;
}

function prune(write: Write): number {
  const old = listPins().filter((name) => (versionOf(name) ?? SCHEMA_VERSION) < SCHEMA_VERSION);
  for (const name of old) removePin(name, write);
  if (old.length === 0) write("no pin of an older version\n");
  return 0;
}

function uninstall(write: Write): number {
  using probe = openLockHandle();
  const lock = acquireHostLock(probe);
  try {
    const found = find();
    const mine = found.hooks.filter((hook) => !isElsewhere(hook, found));
    const held = mine.filter((hook) => holderOf(hook, found.holders) !== undefined);
    // Filters of one interface go together, with their qdisc.
    const heldFilters = new Set(held.filter(({ kind }) => kind === "filter").map(({ ifindex }) => ifindex));
    const isKept = (hook: KernelHook): boolean =>
      held.includes(hook) || (hook.kind === "filter" && heldFilters.has(hook.ifindex));
    const kept = mine.filter(isKept);
    for (const hook of mine) {
      if (isKept(hook)) continue;
      if (hook.kind === "link") removeLink(hook.id);
      else removeFiltersOf(hook.ifindex);
      write(`removed ${describeHook(hook, found)}\n`);
    }
    for (const name of listPins()) removePin(name, write);
    for (const hook of kept) write(`left ${describeHook(hook, found)}\n`);
    if (mine.length === 0) write("no hook of Mermin is left here\n");
    return kept.length === 0 ? 0 : 1;
  } finally {
    removeHostLock(lock);
  }
}

function holderOf({ kind, id, programId }: KernelHook, { links, programs }: Holders): Holder | undefined {
  return kind === "link" ? links.get(id) : programs.get(programId);
}

/** A link that no process holds is pinned somewhere; where not here, it is of an installation that this one knows nothing of. */
function isElsewhere(hook: KernelHook, { holders, pinnedLinks }: Found): boolean {
  return hook.kind === "link" && holderOf(hook, holders) === undefined && !pinnedLinks.has(hook.id);
}

function describeHook(hook: KernelHook, { names, holders }: Found): string {
  const { kind, id, ifindex, side, programId, priority, hasMadeQdisc, isHere } = hook;
  const name = isHere ? names.get(ifindex) : undefined;
  const elsewhere = ifindex === 0 ? "an interface that is gone" : `interface ${ifindex} of another namespace`;
  const what = kind === "link" ? `link ${id}` : `filter of priority ${priority}`;
  const qdisc = hasMadeQdisc ? ", on a qdisc of Mermin" : "";
  const holder = describeHolder(holderOf(hook, holders));
  return `${what} at ${side} of ${name ?? elsewhere}, program ${programId}${qdisc}, ${holder}`;
}

function describeHolder(holder: Holder | undefined): string {
  return holder === undefined ? "held by no process" : `held by process ${holder.pid} (${holder.name})`;
}

function describeVersion(version: number | undefined): string {
  if (version === undefined) return "of any version";
  return version === SCHEMA_VERSION
    ? `version ${version}`
    : `version ${version}, not of this binary (${SCHEMA_VERSION})`;
}

function removePin(name: string, write: Write): void {
  const path = join(PIN_DIRECTORY, name);
  unlinkSync(path);
  write(`removed pin ${path}\n`);
}
