// `mermin run`: builds the stages from the config, connects them, and takes them apart in reverse. Owns every part.

import { Interfaces } from "./capture/interfaces.ts";
import { Listeners } from "./capture/listeners.ts";
import { openProbe, type Probe } from "./capture/probe.ts";
import { Reader } from "./capture/reader.ts";
import { watchNamespace } from "./capture/watched-namespace.ts";
import { CaptureLoop } from "./capture-loop.ts";
import type { Config } from "./config/schema.ts";
import { ExportThread } from "./export-thread.ts";
import { PRESSURE_SHARE } from "./flow/eviction.ts";
import { createRecordFilter } from "./flow/filter.ts";
import { compileKernelFilter } from "./flow/filter-kernel.ts";
import { createFlowTable } from "./flow-table.ts";
import { acquireHostLock, removeHostLock } from "./host-lock.ts";
import { createLogger, type Logger } from "./lib/log.ts";
import { BUILD } from "./version.ts";

/** Records that wait for the export thread; beyond it the oldest are let go. 60 MB, 115 where all have details. */
const MOST_RECORDS_WAITING = 262_144;

/** Between two looks at what became of the first interface, and of all. */
const FIRST_TURN_MS = 1;
const SETTLED_TURN_MS = 10;

/**
 * Runs the agent until `signal` aborts or a part fails for good.
 * @throws Error whose message is the one line to print: no privilege, no BPF, no interface, lock held, port busy, or
 * the part that failed.
 */
export async function runAgent(config: Config, signal: AbortSignal): Promise<void> {
  const log = createLogger({ level: config.log_level, format: config.log_format });
  const failure = Promise.withResolvers<Error>();
  const thread = new ExportThread(config, "run", (reason) => failure.resolve(new Error(reason)));
  try {
    watchNamespace(config.capture.host_netns);
    using probe = openProbe({
      tableCapacity: config.flow.table_capacity,
      ringBufferBytes: config.flow.ring_buffer_bytes,
      isReplay: false,
      parser: config.parser,
      sampling: config.capture.sampling,
      keyIncludes: config.flow.key_includes,
      filter: compileKernelFilter(config.filter),
    });
    const lock = acquireHostLock(probe);
    try {
      await runLoop({ config, probe, thread, log, failure, signal });
    } finally {
      removeHostLock(lock);
    }
  } finally {
    thread.terminate();
  }
}

interface Running {
  readonly config: Config;
  readonly probe: Probe;
  readonly thread: ExportThread;
  readonly log: Logger;
  readonly failure: PromiseWithResolvers<Error>;
  readonly signal: AbortSignal;
}

async function runLoop({ config, probe, thread, log, failure, signal }: Running): Promise<void> {
  const interfaces = new Interfaces(
    probe,
    { ...config.capture, key_includes: config.flow.key_includes },
    log,
  );
  const listeners = new Listeners(probe, log);
  const reader = new Reader(probe);
  const { table_capacity: tableCapacity } = config.flow;
  const table = createFlowTable(config.span, interfaces, listeners, {
    mapCapacity: tableCapacity,
    samplingRate: config.capture.sampling,
    filter: createRecordFilter(config.filter, (ifindex) => interfaces.nameOf(ifindex)),
    findDetails: (keys, at) => reader.findDetails(keys, at),
  });
  table.records.bound(MOST_RECORDS_WAITING);
  const loop = new CaptureLoop({
    reader,
    table,
    interfaces,
    listeners,
    thread,
    log,
    pollIntervalMs: config.flow.poll_interval,
    tableCapacity,
    onFailure: failure.resolve,
  });
  reader.setPressure(Math.floor(tableCapacity * PRESSURE_SHARE));
  const ending = { loop, interfaces, config, thread, log };
  try {
    await attachFirst(interfaces, config, signal);
    listeners.follow(interfaces.links, (ifindex) => interfaces.roleOf(ifindex));
    await listeners.start(signal);
    await thread.started();
  } catch (error) {
    await interfaces.detachAll();
    throw error;
  }
  // What is attached is counted while the rest still is.
  loop.start();
  const stopped = Promise.race([failure.promise, aborted(signal)]);
  if (await isSettled(interfaces, stopped))
    log.info("agent started", { version: BUILD.version, interfaces: interfaces.count });
  const error = await stopped;
  await stopLoop(ending);
  if (error !== undefined) throw error;
}

/**
 * Waits until one interface is attached. An agent that watches nothing is a mistake in the config or a missing
 * privilege: said at once.
 */
async function attachFirst(interfaces: Interfaces, config: Config, signal: AbortSignal): Promise<void> {
  do {
    interfaces.turn(performance.now());
    await sleep(FIRST_TURN_MS);
  } while (!signal.aborted && interfaces.attached === 0 && !interfaces.isSettled);
  if (signal.aborted || interfaces.attached > 0) return;
  if (interfaces.count > 0)
    throw new Error(`Cannot attach to any of ${interfaces.count} interfaces: ${interfaces.lastFailure}`);
  const patterns = config.capture.interfaces.map((pattern) => `"${pattern}"`).join(", ");
  const wanted = patterns === "" ? "No interface is up" : `No interface that is up matches ${patterns}`;
  throw new Error(`${wanted}; set capture.interfaces, \`ip link\` lists what there is`);
}

/** Waits until each interface was tried. False: the agent is stopped before. */
async function isSettled(interfaces: Interfaces, stopped: Promise<unknown>): Promise<boolean> {
  let isStopped = false;
  void stopped.then(() => {
    isStopped = true;
  });
  while (!interfaces.isSettled && !isStopped) await sleep(SETTLED_TURN_MS);
  return !isStopped;
}

interface Ending extends Pick<Running, "config" | "thread" | "log"> {
  readonly loop: CaptureLoop;
  readonly interfaces: Interfaces;
}

/** Hooks that count no more are taken away while the records are sent: that may take the kernel seconds. */
async function stopLoop({ loop, interfaces, config, thread, log }: Ending): Promise<void> {
  const deadline = performance.now() + config.shutdown_timeout;
  try {
    // Half of the time for telling, so that half is left for sending.
    await loop.stop(AbortSignal.timeout(config.shutdown_timeout / 2));
  } finally {
    const detached = interfaces.detachAll();
    // What was told is sent, also where the kernel can no longer be read.
    const isComplete = await thread.finish(Math.max(0, deadline - performance.now()));
    if (!isComplete)
      log.warn("not everything was sent before the end", { shutdown_timeout: config.shutdown_timeout });
    await detached;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined), { once: true }));
}
