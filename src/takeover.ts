// Where one agent follows another: what an earlier one left is used, and what a later one needs is kept.
// Comes in: a probe that is not loaded, the lock. Goes out: pins, the table, the handover.

import { findHolders } from "./bpf-holders.ts";
import type { OwnCounters } from "./capture/counters.ts";
import type { Interfaces } from "./capture/interfaces.ts";
import { loadLibrary } from "./capture/library.ts";
import { listLinks } from "./capture/links.ts";
import type { Listeners } from "./capture/listeners.ts";
import { Pins } from "./capture/pins.ts";
import type { Probe } from "./capture/probe.ts";
import type { Reader } from "./capture/reader.ts";
import { SCHEMA_VERSION } from "./capture/record.ts";
import { listFiltersOf, removeFiltersOf } from "./capture/registry.ts";
import type { Persistence } from "./capture/stats.ts";
import type { Config } from "./config/schema.ts";
import type { ExportThread } from "./export-thread.ts";
import { ExportedLog } from "./flow/exported-log.ts";
import { createRecordFilter } from "./flow/filter.ts";
import type { FlowTable } from "./flow/table.ts";
import { createFlowTable } from "./flow-table.ts";
import { Handover } from "./handover.ts";
import { BPF_FILE_SYSTEM, type HostLock, listVersions } from "./host-lock.ts";
import type { Logger } from "./lib/log.ts";
import { monotonicNs, TranslationFeed } from "./translation-feed.ts";

/** Records that wait for the export thread; beyond it the oldest are let go. 60 MB, 115 where all have details. */
const MOST_RECORDS_WAITING = 262_144;

export interface UsedPins {
  readonly pins: Pins;
  /** Whether what is attached and pinned stays when this agent ends. */
  readonly isKept: boolean;
  /** Whether maps of an earlier agent are used. */
  readonly hasEarlier: boolean;
  readonly persistence: Persistence;
}

/**
 * Decides which maps the probe will be loaded with: what an earlier agent left is used also where this one will leave
 * nothing. @throws ShimError where the pins cannot be looked at
 */
export function usePins(probe: Probe, lock: HostLock, isWanted: boolean, log: Logger): UsedPins {
  const pins = new Pins(probe);
  if (!lock.isPinnable) {
    const failure = isWanted ? `${BPF_FILE_SYSTEM} is no BPF file system that can be written to` : undefined;
    if (failure !== undefined) log.warn(`nothing persists: ${failure}`);
    return { pins, isKept: false, hasEarlier: false, persistence: { isWanted, failure } };
  }
  const { hasEarlier, refusal } = pins.use({ directory: lock.path, isKept: isWanted });
  if (refusal !== undefined)
    log.warn("nothing persists: maps of another agent are pinned, and left alone", { reason: refusal });
  if (hasEarlier) log.info("flows of the agent before go on", { directory: lock.path });
  const others = listVersions().filter((version) => version !== SCHEMA_VERSION);
  if (others.length > 0)
    log.warn(
      "maps of another version are pinned, not used, and left until `mermin bpf prune` or `uninstall`",
      {
        directory: lock.path,
        versions: others.join(","),
        own: SCHEMA_VERSION,
      },
    );
  const isKept = isWanted && refusal === undefined;
  return { pins, isKept, hasEarlier, persistence: { isWanted, failure: refusal } };
}

/** What {@link clearLeftovers} looks at. */
export interface Leftovers {
  readonly pins: Pins;
  readonly counters: OwnCounters;
  readonly interfaces: Interfaces;
  readonly log: Logger;
}

/**
 * Takes away what earlier agents left attached where this one is not, once it is attached itself, and takes on what
 * programs of another version, or with maps of another size, have counted.
 * Returns the packets of it that nobody can tell.
 * @throws ShimError where the kernel refuses to be asked
 */
export function clearLeftovers({ pins, counters, interfaces, log }: Leftovers): number {
  pins.prune();
  const watched = new Set(interfaces.names().map(([ifindex]) => ifindex));
  removeLeftFilters(watched, log);
  const packets = counters.takeOnOthers();
  if (packets > 0) log.warn("packets counted for an agent of another version cannot be told", { packets });
  return packets;
}

/** Filters go on counting wherever they are; what a living process holds is its own business. */
function removeLeftFilters(watched: ReadonlySet<number>, log: Logger): void {
  const others = listLinks(loadLibrary()).filter(({ ifindex }) => !watched.has(ifindex));
  const left = others.filter(({ ifindex }) => listFiltersOf(ifindex).length > 0);
  if (left.length === 0) return;
  const { programs } = findHolders();
  for (const { ifindex, name } of left) {
    if (listFiltersOf(ifindex).some(({ programId }) => programs.has(programId))) continue;
    removeFiltersOf(ifindex);
    log.info("filters of an earlier agent removed", { interface: name, ifindex });
  }
}

/** What the table is made of. */
export interface TableSources extends UsedPins {
  readonly config: Config;
  readonly thread: ExportThread;
  readonly interfaces: Interfaces;
  readonly listeners: Listeners;
  readonly reader: Reader;
  readonly counters: OwnCounters;
  readonly probe: Probe;
  readonly log: Logger;
}

/** The table, which knows what an earlier agent told, and the handover to a later one, if there may be one. */
export function openTable(sources: TableSources): {
  readonly table: FlowTable;
  readonly feed: TranslationFeed | undefined;
  readonly handover: Handover | undefined;
} {
  const { config, interfaces, listeners, reader, counters, thread, pins } = sources;
  const exported =
    sources.isKept || sources.hasEarlier ? new ExportedLog(config.flow.table_capacity) : undefined;
  const table = createFlowTable(config.span, interfaces, listeners, {
    mapCapacity: config.flow.table_capacity,
    // A flow that persists may stay in the kernel's table at its end, to be asked for again at each scan.
    maySeekNews: exported === undefined,
    samplingRate: config.capture.sampling,
    filter: createRecordFilter(config.filter, (ifindex) => interfaces.nameOf(ifindex)),
    findDetails: (keys, at) => reader.findDetails(keys, at),
    findFlow: (keys, at) => reader.findFlow(keys, at),
    exported,
  });
  table.records.bound(MOST_RECORDS_WAITING);
  // First: flows that are adopted are told with their translation.
  const feed = followConntrack(table, sources);
  if (exported === undefined) return { table, feed, handover: undefined };
  const handover = new Handover({ log: exported, counters, pins, reader, table, thread });
  handover.takeOver(reader.clock());
  return { table, feed, handover };
}

function followConntrack(
  { translator }: FlowTable,
  { config, reader, probe, log }: TableSources,
): TranslationFeed | undefined {
  if (config.capture.conntrack === "off") return undefined;
  const feed = new TranslationFeed({ probe, translator, log });
  feed.start(monotonicNs(reader.clock()));
  return feed;
}
