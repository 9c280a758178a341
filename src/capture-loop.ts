// The capture thread's clockwork: ring every 10 ms, scan every poll interval in slices between, at once where the
// kernel's table is nearly full, interfaces and listeners when they change. Comes in: the kernel. Goes out: record batches and counters to the export thread.

import type { OwnCounters } from "./capture/counters.ts";
import type { Interfaces } from "./capture/interfaces.ts";
import type { Listeners } from "./capture/listeners.ts";
import type { Reader } from "./capture/reader.ts";
import { type CaptureStats, type KernelCounter, NOT_FOLLOWED, type Persistence } from "./capture/stats.ts";
import type { ExportThread } from "./export-thread.ts";
import { PRESSURE_SHARE } from "./flow/eviction.ts";
import type { FlowTable } from "./flow/table.ts";
import type { Handover } from "./handover.ts";
import type { Logger } from "./lib/log.ts";
import { drainEvents, scanFinally, scanForHandover, scanSteps } from "./scan.ts";
import type { Operation } from "./telemetry/tracing.ts";
import { monotonicNs, type TranslationFeed } from "./translation-feed.ts";

/** Parts of the loop; all belong to the agent. */
export interface CaptureParts {
  readonly reader: Reader;
  readonly counters: OwnCounters;
  readonly table: FlowTable;
  /** Absent: nobody tells what the node translates. */
  readonly feed: TranslationFeed | undefined;
  readonly interfaces: Interfaces;
  readonly listeners: Listeners;
  readonly thread: ExportThread;
  readonly log: Logger;
  readonly pollIntervalMs: number;
  readonly tableCapacity: number;
  /** Where something persists: what is told is written to the kernel once it is acknowledged. */
  readonly handover: Handover | undefined;
  /** Whether flows go on without this agent when it stops. */
  readonly isKept: boolean;
  readonly persistence: Persistence;
  /** Whether changes of interfaces are told as operations. */
  readonly isTraced: boolean;
  /** Told once, where the kernel can no longer be read. */
  readonly onFailure: (error: Error) => void;
}

const TICK_MS = 10;
/** Of each tick: a scan never takes more than 30 % of a core. */
const SCAN_BUDGET_MS = 3;
/** Twice as much where the table is nearly full, so that eviction keeps up with a flood. */
const PRESSED_SCAN_BUDGET_MS = 6;

/** Runs from {@link start} to {@link stop}; not restarted. */
export class CaptureLoop {
  readonly #parts: CaptureParts;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #scan: Generator<void, void, void> | undefined;
  #nextScan = 0;
  #scans = 0;
  #stretchedScans = 0;
  #pressedScans = 0;
  #isStretched = false;
  /** Whether the present scan, or the last, was begun because the table was nearly full. */
  #isPressed = false;
  /** As the kernel had them last, of whatever agents. */
  #counted: readonly KernelCounter[] = [];
  /** As {@link Listeners.hostAddresses} was when it was told last. */
  #toldAddresses: Uint32Array | undefined;
  #packetsSetOff = 0;

  constructor(parts: CaptureParts) {
    this.#parts = parts;
  }

  /** Begins; the first scan is one poll interval away. */
  start(): void {
    const now = performance.now();
    this.#nextScan = now + this.#parts.pollIntervalMs;
    this.#tellInterfaces();
    this.#tellListeners();
    // Without counters: no flow was read yet, and what was counted since the hooks are there would seem to be lost.
    this.#tellStats(this.#counted);
    this.#schedule(now);
  }

  /** Packets are lost that an agent of another version counted. */
  noteSetOff(packets: number): void {
    this.#packetsSetOff += packets;
  }

  /**
   * Ends the loop: stops counting, reads everything a last time and tells every flow, as fast as the export thread
   * takes them until `signal` aborts. The hooks are still there.
   * @throws ShimError where the kernel refuses the last reading
   */
  async stop(signal: AbortSignal): Promise<void> {
    clearTimeout(this.#timer);
    const { reader, table, interfaces, thread, handover, isKept } = this.#parts;
    if (!isKept) reader.stopCounting();
    const finalStats = interfaces.stats();
    while (this.#scan?.next().done === false);
    this.#counted = reader.counters();
    this.#drain();
    if (isKept) scanForHandover(reader, table, reader.clock());
    else scanFinally(reader, table, reader.clock());
    handover?.prepare();
    for (let batch = table.takeRecords(); batch !== undefined; batch = table.takeRecords()) {
      await thread.deliver(batch, signal);
      handover?.noteSent();
    }
    this.#scans++;
    this.#tellStats(this.#counted, finalStats);
  }

  #schedule(started: number): void {
    const spent = performance.now() - started;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, TICK_MS - spent));
  }

  #tick(): void {
    const now = performance.now();
    try {
      this.#turn(now);
    } catch (error) {
      this.#parts.onFailure(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#schedule(now);
  }

  #turn(now: number): void {
    const { table } = this.#parts;
    this.#drain();
    this.#followLinks(now);
    this.#followAddresses(now);
    this.#tellListeners();
    if (this.#scan === undefined && (table.isPressed || now >= this.#nextScan)) this.#beginScan(now);
    this.#continueScan(now);
    this.#sendRecords();
  }

  #drain(): void {
    const { reader, table, feed } = this.#parts;
    const clock = reader.clock();
    feed?.read();
    drainEvents(reader, table, clock);
    feed?.apply(monotonicNs(clock));
  }

  #followLinks(now: number): void {
    const { interfaces, listeners, isTraced } = this.#parts;
    if (!interfaces.turn(now)) return;
    this.#tellInterfaces();
    listeners.follow(interfaces.links, (ifindex) => interfaces.roleOf(ifindex));
    if (isTraced) this.#tellSync(now);
  }

  #followAddresses(now: number): void {
    const { listeners, thread } = this.#parts;
    listeners.turn(now);
    if (listeners.hostAddresses === this.#toldAddresses) return;
    this.#toldAddresses = listeners.hostAddresses;
    thread.tell({ kind: "addresses", words: this.#toldAddresses });
  }

  #tellSync(began: number): void {
    const { thread, interfaces } = this.#parts;
    const operation: Operation = {
      name: "interfaces.sync",
      beganMs: performance.timeOrigin + began,
      endedMs: performance.timeOrigin + performance.now(),
      attributes: {
        "mermin.interfaces": interfaces.count,
        "mermin.interfaces.attached": interfaces.attached,
      },
    };
    thread.tell({ kind: "operation", operation });
  }

  #beginScan(now: number): void {
    const { reader, table, pollIntervalMs } = this.#parts;
    // Read before the flows: what is counted while they are read is then never taken for lost.
    this.#counted = reader.counters();
    this.#isStretched = false;
    this.#notePressure();
    this.#nextScan = this.#isPressed ? now + pollIntervalMs : Math.max(this.#nextScan + pollIntervalMs, now);
    this.#scan = scanSteps(reader, table, reader.clock());
  }

  /** An episode of pressure ends when a whole poll interval has passed without: a line in the log at either end. */
  #notePressure(): void {
    const { reader, table, tableCapacity, log } = this.#parts;
    const entries = reader.entriesUsed();
    // An event of pressure may be lost in a full ring.
    const isPressed = table.isPressed || entries > tableCapacity * PRESSURE_SHARE;
    if (isPressed) this.#pressedScans++;
    if (isPressed === this.#isPressed) return;
    this.#isPressed = isPressed;
    const message = isPressed ? "flow table nearly full: flows are evicted" : "flow table has room again";
    log.warn(message, { entries, capacity: tableCapacity, evicted: table.stats().evicted });
  }

  #continueScan(started: number): void {
    if (this.#scan === undefined) return;
    do {
      if (this.#scan.next().done === true) {
        this.#endScan();
        return;
      }
    } while (performance.now() - started < (this.#isPressed ? PRESSED_SCAN_BUDGET_MS : SCAN_BUDGET_MS));
    this.#isStretched ||= performance.now() >= this.#nextScan;
  }

  #endScan(): void {
    this.#scan = undefined;
    this.#scans++;
    if (this.#isStretched) this.#stretchedScans++;
    this.#tellStats(this.#counted);
  }

  #sendRecords(): void {
    const { table, thread, handover } = this.#parts;
    handover?.turn();
    handover?.prepare();
    for (let spent = thread.takeSpent(); spent !== undefined; spent = thread.takeSpent())
      table.records.giveBack(spent);
    while (thread.hasRoom) {
      const batch = table.takeRecords();
      if (batch === undefined) return;
      thread.send(batch);
      handover?.noteSent();
    }
  }

  #tellInterfaces(): void {
    this.#parts.thread.tell({ kind: "interfaces", names: this.#parts.interfaces.names() });
  }

  #tellListeners(): void {
    const { listeners, thread } = this.#parts;
    const reading = listeners.takeHostReading();
    if (reading === undefined) return;
    const { atMs, isNew, listeners: sockets, addresses } = reading;
    thread.tell({ kind: "listeners", atMs, changed: isNew ? { listeners: sockets, addresses } : undefined });
  }

  #tellStats(counted: readonly KernelCounter[], interfaceStats = this.#parts.interfaces.stats()): void {
    const { reader, counters, table, interfaces, listeners, thread, tableCapacity } = this.#parts;
    const tableStats = table.stats();
    const { sent, refused } = thread.counts;
    const capture: CaptureStats = {
      counters: counters.of(counted),
      interfaces: interfaceStats,
      failedInterfaces: interfaces.failed,
      namespaces: listeners.stats(),
      shadowedInterfaces: interfaces.shadowed,
      interfaceResyncs: interfaces.resyncs,
      ringBytesPending: reader.ringBytesPending(),
      scans: this.#scans,
      stretchedScans: this.#stretchedScans,
      pressedScans: this.#pressedScans,
      mapEntries: reader.entriesUsed(),
      mapCapacity: tableCapacity,
      recordsSent: sent,
      recordsRefused: table.records.refused + refused,
      shortPackets: 0,
      packetsSetOff: this.#packetsSetOff,
      persistence: this.#parts.persistence,
      conntrack: this.#parts.feed?.stats() ?? NOT_FOLLOWED,
    };
    thread.tell({ kind: "stats", capture, table: tableStats, counted });
  }
}
