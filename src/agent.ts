// `mermin run`: builds the stages from the config, connects them, and takes them apart in reverse. Owns every part.

import { Interfaces } from "./capture/interfaces.ts";
import { Listeners } from "./capture/listeners.ts";
import { Pins } from "./capture/pins.ts";
import { loadProbe, type Probe, type ProbeOptions, prepareProbe } from "./capture/probe.ts";
import { Reader } from "./capture/reader.ts";
import { CaptureLoop } from "./capture-loop.ts";
import type { Config } from "./config/schema.ts";
import { ExportThread } from "./export-thread.ts";
import { PRESSURE_SHARE } from "./flow/eviction.ts";
import { ExportedLog } from "./flow/exported-log.ts";
import { createRecordFilter } from "./flow/filter.ts";
import { compileKernelFilter } from "./flow/filter-kernel.ts";
import type { FlowTable } from "./flow/table.ts";
import { createFlowTable } from "./flow-table.ts";
import { Handover } from "./handover.ts";
import { acquireHostLock, type HostLock, removeHostLock } from "./host-lock.ts";
import { createLogger, type Logger } from "./lib/log.ts";
import { BUILD } from "./version.ts";

/** Records that wait for the export thread; beyond it the oldest are let go. 60 MB, 115 where all have details. */
const MOST_RECORDS_WAITING = 262_144;

/**
 * Runs the agent until `signal` aborts or a part fails for good.
 * @throws Error whose message is the one line to print: no privilege, no BPF, no interface, lock held, port busy, or
 * the part that failed.
 */
export async function runAgent(config: Config, signal: AbortSignal): Promise<void> {
  const log = createLogger({ level: config.log_level, format: config.log_format });
  const failure = Promise.withResolvers<Error>();
  const thread = new ExportThread(config, "run", (reason) => failure.resolve(new Error(reason)));
  const options = probeOptions(config);
  try {
    using probe = prepareProbe(options);
    const lock = await acquireHostLock(probe, { timeoutMs: config.capture.takeover_timeout, signal });
    try {
      const pins = usePins(probe, lock, config.capture.persist, log);
      loadProbe(probe, options);
      await runLoop({ config, probe, thread, log, failure, signal, ...pins });
    } finally {
      removeHostLock(lock);
    }
  } finally {
    thread.terminate();
  }
}

function probeOptions(config: Config): ProbeOptions {
  const { capture, flow } = config;
  return {
    tableCapacity: flow.table_capacity,
    ringBufferBytes: flow.ring_buffer_bytes,
    isReplay: false,
    parser: config.parser,
    sampling: capture.sampling,
    keyIncludes: flow.key_includes,
    filter: compileKernelFilter(config.filter),
    orphanAfterMs: capture.persist ? capture.orphan_after : 0,
  };
}

interface UsedPins {
  readonly pins: Pins;
  /** Whether what is attached and pinned stays when this agent ends. */
  readonly isKept: boolean;
  /** Whether maps of an earlier agent are used. */
  readonly hasEarlier: boolean;
}

/** What an earlier agent left is taken over, also where this one will leave nothing. */
function usePins(probe: Probe, lock: HostLock, isWanted: boolean, log: Logger): UsedPins {
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

interface Running extends UsedPins {
  readonly config: Config;
  readonly probe: Probe;
  readonly thread: ExportThread;
  readonly log: Logger;
  readonly failure: PromiseWithResolvers<Error>;
  readonly signal: AbortSignal;
}

async function runLoop(running: Running): Promise<void> {
  const { config, probe, thread, log, failure, signal, pins, isKept } = running;
  const interfaces = new Interfaces(
    probe,
    { ...config.capture, key_includes: config.flow.key_includes },
    log,
  );
  const listeners = new Listeners(probe, log);
  const reader = new Reader(probe);
  const { table, handover } = openTable(running, { interfaces, listeners, reader });
  const loop = new CaptureLoop({
    reader,
    table,
    interfaces,
    listeners,
    thread,
    log,
    pollIntervalMs: config.flow.poll_interval,
    tableCapacity: config.flow.table_capacity,
    handover,
    isKept,
    onFailure: failure.resolve,
  });
  reader.setPressure(Math.floor(config.flow.table_capacity * PRESSURE_SHARE));
  try {
    await watchFirstInterfaces(interfaces, config, signal);
    pins.prune();
    listeners.follow(interfaces.links, (ifindex) => interfaces.roleOf(ifindex));
    await listeners.start(signal);
    await thread.started();
  } catch (error) {
    if (!isKept) await interfaces.detachAll();
    throw error;
  }
  log.info("agent started", { version: BUILD.version, interfaces: interfaces.count });
  loop.start();
  const error = await Promise.race([failure.promise, aborted(signal)]);
  await stopLoop(loop, { config, thread, log });
  while (handover?.turn());
  if (!isKept) pins.remove();
  if (error !== undefined) throw error;
}

interface TableSources {
  readonly interfaces: Interfaces;
  readonly listeners: Listeners;
  readonly reader: Reader;
}

/** The table, which knows what an earlier agent told, and the handover to a later one, if there may be one. */
function openTable(
  { config, pins, isKept, hasEarlier, thread }: Running,
  { interfaces, listeners, reader }: TableSources,
): { readonly table: FlowTable; readonly handover: Handover | undefined } {
  const exported = isKept || hasEarlier ? new ExportedLog() : undefined;
  const table = createFlowTable(config.span, interfaces, listeners, {
    mapCapacity: config.flow.table_capacity,
    samplingRate: config.capture.sampling,
    filter: createRecordFilter(config.filter, (ifindex) => interfaces.nameOf(ifindex)),
    findDetails: (keys, at) => reader.findDetails(keys, at),
    exported,
  });
  table.records.bound(MOST_RECORDS_WAITING);
  if (exported === undefined) return { table, handover: undefined };
  const handover = new Handover({ log: exported, pins, table, thread });
  handover.takeOver(reader.clock());
  return { table, handover };
}

/** An agent that watches nothing is a mistake in the config or a missing privilege: said at once. */
async function watchFirstInterfaces(
  interfaces: Interfaces,
  config: Config,
  signal: AbortSignal,
): Promise<void> {
  interfaces.isRefreshDue();
  do {
    interfaces.refresh();
    await new Promise((resolve) => setImmediate(resolve));
  } while (interfaces.isUnfinished && !signal.aborted);
  if (interfaces.count === 0) {
    const patterns = config.capture.interfaces.map((pattern) => `"${pattern}"`).join(", ");
    const wanted = patterns === "" ? "No interface is up" : `No interface that is up matches ${patterns}`;
    throw new Error(`${wanted}; set capture.interfaces, \`ip link\` lists what there is`);
  }
  if (interfaces.failed === interfaces.count) {
    throw new Error(`Cannot attach to any of ${interfaces.count} interfaces: ${interfaces.lastFailure}`);
  }
}

async function stopLoop(loop: CaptureLoop, parts: Pick<Running, "config" | "thread" | "log">): Promise<void> {
  const { config, thread, log } = parts;
  const deadline = performance.now() + config.shutdown_timeout;
  try {
    // Half of the time for telling, so that half is left for sending.
    await loop.stop(AbortSignal.timeout(config.shutdown_timeout / 2));
  } finally {
    // What was told is sent, also where the kernel can no longer be read.
    const isComplete = await thread.finish(Math.max(0, deadline - performance.now()));
    if (!isComplete)
      log.warn("not everything was sent before the end", { shutdown_timeout: config.shutdown_timeout });
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined), { once: true }));
}
