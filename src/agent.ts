// `mermin run`: builds the stages from the config, connects them, and takes them apart in reverse. Owns every part.

import { OwnCounters } from "./capture/counters.ts";
import { Interfaces } from "./capture/interfaces.ts";
import { Listeners } from "./capture/listeners.ts";
import { loadProbe, type Probe, type ProbeOptions, prepareProbe } from "./capture/probe.ts";
import { Reader } from "./capture/reader.ts";
import { watchNamespace } from "./capture/watched-namespace.ts";
import { CaptureLoop } from "./capture-loop.ts";
import type { Config } from "./config/schema.ts";
import { ExportThread } from "./export-thread.ts";
import { PRESSURE_SHARE } from "./flow/eviction.ts";
import { compileKernelFilter } from "./flow/filter-kernel.ts";
import type { Handover } from "./handover.ts";
import { awaitHostLock, removeHostLock } from "./host-lock.ts";
import { createLogger, type Logger } from "./lib/log.ts";
import { clearLeftovers, openTable, type UsedPins, usePins } from "./takeover.ts";
import type { Operation } from "./telemetry/tracing.ts";
import { BUILD } from "./version.ts";

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
    const options = probeOptions(config);
    using probe = prepareProbe(options);
    const lock = await awaitHostLock(probe, { timeoutMs: config.capture.takeover_timeout, signal });
    try {
      const used = usePins(probe, lock, config.capture.persist, log);
      loadProbe(probe, options);
      await runLoop({ config, probe, thread, log, failure, signal, ...used });
    } finally {
      removeHostLock(lock);
    }
  } finally {
    thread.terminate();
  }
}

function probeOptions({ capture, flow, parser, filter }: Config): ProbeOptions {
  return {
    tableCapacity: flow.table_capacity,
    ringBufferBytes: flow.ring_buffer_bytes,
    isReplay: false,
    parser,
    sampling: capture.sampling,
    keyIncludes: flow.key_includes,
    filter: compileKernelFilter(filter),
    orphanAfterMs: capture.persist ? capture.orphan_after : 0,
  };
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
  const { config, probe, thread, log, failure, signal, isKept, persistence } = running;
  const interfaces = new Interfaces(
    probe,
    { ...config.capture, key_includes: config.flow.key_includes },
    log,
  );
  const listeners = new Listeners(probe, log);
  const reader = new Reader(probe);
  const counters = new OwnCounters(probe);
  const { table, feed, handover } = openTable({ ...running, interfaces, listeners, reader, counters });
  const { table_capacity: tableCapacity, poll_interval: pollIntervalMs } = config.flow;
  const loop = new CaptureLoop({
    ...{
      reader,
      counters,
      table,
      feed,
      interfaces,
      listeners,
      thread,
      log,
      pollIntervalMs,
      tableCapacity,
      handover,
      isKept,
      persistence,
    },
    isTraced: config.telemetry.traces,
    onFailure: failure.resolve,
  });
  const beganMs = Date.now();
  reader.setPressure(Math.floor(tableCapacity * PRESSURE_SHARE));
  const ending = { ...running, loop, interfaces, handover };
  try {
    await attachFirst(interfaces, config, signal);
    listeners.follow(interfaces.links, (ifindex) => interfaces.roleOf(ifindex));
    await listeners.start(signal);
    await thread.started();
  } catch (error) {
    if (!isKept) await interfaces.detachAll();
    throw error;
  }
  // What is attached is counted while the rest still is.
  loop.start();
  const stopped = Promise.race([failure.promise, aborted(signal)]);
  if (await isSettled(interfaces, stopped)) {
    loop.noteSetOff(clearLeftovers({ ...running, counters, interfaces }));
    log.info("agent started", { version: BUILD.version, interfaces: interfaces.count });
    if (config.telemetry.traces) tellStart(thread, interfaces, beganMs);
  }
  const error = await stopped;
  await stopLoop(ending);
  if (error !== undefined) throw error;
}

/** From the beginning of the process, and of it the first attaching. */
function tellStart(thread: ExportThread, interfaces: Interfaces, beganMs: number): void {
  const { count, attached } = interfaces;
  const attributes = { "mermin.interfaces": count, "mermin.interfaces.attached": attached };
  const rest = { endedMs: Date.now(), attributes };
  const start: Operation = { name: "agent.start", beganMs: performance.timeOrigin, ...rest };
  const sync: Operation = { name: "interfaces.sync", beganMs, ...rest };
  for (const operation of [start, sync]) thread.tell({ kind: "operation", operation });
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
  const left = config.capture.exclude.length === 0 ? "" : ", those of capture.exclude left out";
  throw new Error(`${wanted}${left}; set capture.interfaces, \`ip link\` lists what there is`);
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

interface Ending extends Running {
  readonly loop: CaptureLoop;
  readonly interfaces: Interfaces;
  readonly handover: Handover | undefined;
}

/** Hooks that count no more are taken away while the records are sent: that may take the kernel seconds. */
async function stopLoop(ending: Ending): Promise<void> {
  const { loop, interfaces, handover, config, thread, log, pins, isKept } = ending;
  const deadline = performance.now() + config.shutdown_timeout;
  const beganMs = Date.now();
  try {
    // Half of the time for telling, so that half is left for sending.
    await loop.stop(AbortSignal.timeout(config.shutdown_timeout / 2));
  } finally {
    const detached = isKept ? undefined : interfaces.detachAll();
    // What was told is sent, also where the kernel can no longer be read.
    const isComplete = await thread.finish(Math.max(0, deadline - performance.now()), beganMs);
    if (!isComplete)
      log.warn("not everything was sent before the end", { shutdown_timeout: config.shutdown_timeout });
    await detached;
    while (handover?.turn());
    if (!isKept) {
      pins.prune();
      pins.remove();
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined), { once: true }));
}
