// Where one agent follows another: what an earlier one left is used, and what a later one needs is kept.
// Comes in: a probe that is not loaded, the lock. Goes out: pins, the table, the handover.

import type { Interfaces } from "./capture/interfaces.ts";
import type { Listeners } from "./capture/listeners.ts";
import { Pins } from "./capture/pins.ts";
import type { Probe } from "./capture/probe.ts";
import type { Reader } from "./capture/reader.ts";
import type { Config } from "./config/schema.ts";
import type { ExportThread } from "./export-thread.ts";
import { ExportedLog } from "./flow/exported-log.ts";
import { createRecordFilter } from "./flow/filter.ts";
import type { FlowTable } from "./flow/table.ts";
import { createFlowTable } from "./flow-table.ts";
import { Handover } from "./handover.ts";
import type { HostLock } from "./host-lock.ts";
import type { Logger } from "./lib/log.ts";

/** Records that wait for the export thread; beyond it the oldest are let go. 60 MB, 115 where all have details. */
const MOST_RECORDS_WAITING = 262_144;

export interface UsedPins {
  readonly pins: Pins;
  /** Whether what is attached and pinned stays when this agent ends. */
  readonly isKept: boolean;
  /** Whether maps of an earlier agent are used. */
  readonly hasEarlier: boolean;
}

/**
 * Decides which maps the probe will be loaded with: what an earlier agent left is used also where this one will leave
 * nothing. @throws ShimError where the pins cannot be looked at
 */
export function usePins(probe: Probe, lock: HostLock, isWanted: boolean, log: Logger): UsedPins {
  const pins = new Pins(probe);
  if (!lock.isPinnable) {
    if (isWanted) log.warn("nothing persists: /sys/fs/bpf is no BPF file system that can be written to");
    return { pins, isKept: false, hasEarlier: false };
  }
  const { hasEarlier, refusal } = pins.use({ directory: lock.path, isKept: isWanted });
  if (refusal !== undefined)
    log.warn("nothing persists: maps of another agent are pinned, and left alone", { reason: refusal });
  if (hasEarlier) log.info("flows of the agent before go on", { directory: lock.path });
  return { pins, isKept: isWanted && refusal === undefined, hasEarlier };
}

/** What the table is made of. */
export interface TableSources extends UsedPins {
  readonly config: Config;
  readonly thread: ExportThread;
  readonly interfaces: Interfaces;
  readonly listeners: Listeners;
  readonly reader: Reader;
}

/** The table, which knows what an earlier agent told, and the handover to a later one, if there may be one. */
export function openTable(sources: TableSources): {
  readonly table: FlowTable;
  readonly handover: Handover | undefined;
} {
  const { config, interfaces, listeners, reader, thread, pins } = sources;
  const exported = sources.isKept || sources.hasEarlier ? new ExportedLog() : undefined;
  const table = createFlowTable(config.span, interfaces, listeners, {
    mapCapacity: config.flow.table_capacity,
    samplingRate: config.capture.sampling,
    filter: createRecordFilter(config.filter, (ifindex) => interfaces.nameOf(ifindex)),
    findDetails: (keys, at) => reader.findDetails(keys, at),
    exported,
  });
  table.records.bound(MOST_RECORDS_WAITING);
  if (sources.hasEarlier) reader.forgetCounters();
  if (exported === undefined) return { table, handover: undefined };
  const handover = new Handover({ log: exported, pins, table, thread });
  handover.takeOver(reader.clock());
  return { table, handover };
}
