// When a replay polls: by the packets' times, as the live agent does by the clock, and earlier where a map would fill.
// Comes in: packets. Goes out: record batches. Polls that would find nothing are left out.

import type { CaptureConfig } from "./capture/config.ts";
import type { CapturedPacket } from "./capture/packet.ts";
import type { Probe } from "./capture/probe.ts";
import { Reader } from "./capture/reader.ts";
import { REOPENED_EVENT_BYTES } from "./capture/record.ts";
import { PacketRunner } from "./capture/replay.ts";
import { ReplayClock } from "./capture/replay-clock.ts";
import { type CaptureStats, NOT_FOLLOWED } from "./capture/stats.ts";
import type { FlowConfig, SpanConfig } from "./flow/config.ts";
import { createRecordFilter } from "./flow/filter.ts";
import type { FilterConfig } from "./flow/filter-config.ts";
import { type FlowRecordBatch, RECORD, RECORD_WORDS } from "./flow/flow.ts";
import type { TableStats } from "./flow/stats.ts";
import type { FlowTable } from "./flow/table.ts";
import { createFlowTable } from "./flow-table.ts";
import { drainEvents, scanFinally, scanOnce } from "./scan.ts";

const NS_PER_MS = 1e6;
/** The largest event with its head in the ring, twice: it is read when half full at most. */
const RING_BYTES_PER_PACKET = 2 * (REOPENED_EVENT_BYTES + 8);
/** Of the map's capacity: from where on, and after how many further flows, a scan comes early. */
const FULL = 0.8;
const FULL_STEP = 1 / 16;

/** The sections of the config that decide about flows and records. */
export interface PollerConfig {
  readonly capture: Pick<CaptureConfig, "sampling">;
  readonly flow: FlowConfig;
  readonly span: SpanConfig;
  readonly filter: FilterConfig;
}

/** A file's packets on their way into the flow table. */
export class Poller {
  readonly #reader: Reader;
  readonly #runner: PacketRunner;
  readonly #table: FlowTable;
  readonly #clock = new ReplayClock();
  readonly #deliver: (batch: FlowRecordBatch) => Promise<void>;
  readonly #intervalNs: number;
  readonly #capacity: number;
  readonly #packetsPerDrain: number;
  #undrained = 0;
  /** The latest packet's time; of the next poll; of the last scan. 0: there was no packet. */
  #latestNs = 0;
  #nextPollNs = 0;
  #activeAtScan = 0;
  #scans = 0;
  #records = 0;

  constructor(probe: Probe, config: PollerConfig, deliver: (batch: FlowRecordBatch) => Promise<void>) {
    const { capture, filter, flow, span } = config;
    const reader = new Reader(probe);
    this.#reader = reader;
    this.#runner = new PacketRunner(probe);
    // Where the capture was taken is not known: no end is local, no socket listens, no interface has a name.
    this.#table = createFlowTable(span, { roleOf: () => "outward" }, undefined, {
      mapCapacity: flow.table_capacity,
      samplingRate: capture.sampling,
      filter: createRecordFilter(filter, undefined),
      findDetails: (keys, at) => reader.findDetails(keys, at),
    });
    this.#deliver = deliver;
    this.#intervalNs = flow.poll_interval * NS_PER_MS;
    this.#capacity = flow.table_capacity;
    const room = Math.min(flow.ring_buffer_bytes / RING_BYTES_PER_PACKET, flow.table_capacity * FULL_STEP);
    this.#packetsPerDrain = Math.max(1, Math.floor(room));
  }

  /** Packets added. */
  get packets(): number {
    return this.#runner.packets;
  }

  /**
   * Adds a packet; where polls come due, a promise that they are over: the packet is in hand until then.
   * @throws ShimError where the kernel refuses it
   */
  add(packet: CapturedPacket): Promise<void> | undefined {
    const timeNs = this.#latestNs === 0 ? this.#setClock(packet) : this.#clock.timeOf(packet);
    if (timeNs < this.#nextPollNs && timeNs > 0 && this.#undrained < this.#packetsPerDrain) {
      this.#run(packet, timeNs);
      return undefined;
    }
    return this.#addSlowly(packet, timeNs);
  }

  /** Tells everything that is left. @throws ShimError where the kernel refuses to be read */
  async finish(): Promise<void> {
    await this.#scan(this.#latestNs);
    scanFinally(this.#reader, this.#table, this.#clock.at(this.#latestNs));
    await this.#handOver();
  }

  /** The capture stage's counters. */
  captureStats(): CaptureStats {
    return {
      counters: this.#reader.counters(),
      interfaces: [],
      failedInterfaces: 0,
      namespaces: { read: 0, unread: 0, reads: 0 },
      shadowedInterfaces: 0,
      interfaceResyncs: 0,
      ringBytesPending: this.#reader.ringBytesPending(),
      scans: this.#scans,
      stretchedScans: 0,
      pressedScans: 0,
      mapEntries: this.#table.stats().active,
      mapCapacity: this.#capacity,
      recordsSent: this.#records,
      recordsRefused: 0,
      shortPackets: this.#runner.shortPackets,
      packetsSetOff: 0,
      persistence: { isWanted: false, failure: undefined },
      conntrack: NOT_FOLLOWED,
    };
  }

  /** The flow stage's counters. */
  tableStats(): TableStats {
    return this.#table.stats();
  }

  async #addSlowly(packet: CapturedPacket, timeNs: number): Promise<void> {
    await this.#pollUntil(timeNs);
    if (this.#undrained >= this.#packetsPerDrain) await this.#drain();
    let ownNs = timeNs;
    if (timeNs <= 0) await this.#outlive();
    if (timeNs <= 0 || (this.#clock.isLate(timeNs) && this.#table.stats().active === 0))
      ownNs = this.#setClock(packet);
    this.#run(packet, ownNs);
  }

  #setClock(packet: CapturedPacket): number {
    const timeNs = this.#clock.set(packet);
    this.#latestNs = timeNs;
    this.#nextPollNs = timeNs + this.#intervalNs;
    return timeNs;
  }

  #run(packet: CapturedPacket, timeNs: number): void {
    this.#runner.run(packet, timeNs);
    this.#undrained++;
    if (timeNs > this.#latestNs) this.#latestNs = timeNs;
  }

  /** The polls up to a moment. After the one that sees the last packets, those at which nothing is due are left out. */
  async #pollUntil(timeNs: number): Promise<void> {
    while (this.#nextPollNs <= timeNs) {
      await this.#poll();
      this.#passPolls(Math.min(this.#table.nextDueNs, timeNs));
    }
  }

  /** Polls on without packets until every flow has ended: the file goes on at another time. */
  async #outlive(): Promise<void> {
    await this.#poll();
    while (this.#table.stats().active > 0) {
      this.#passPolls(this.#table.nextDueNs);
      await this.#poll();
    }
  }

  async #poll(): Promise<void> {
    const timeNs = this.#nextPollNs;
    this.#latestNs = Math.max(this.#latestNs, timeNs);
    this.#nextPollNs = timeNs + this.#intervalNs;
    await this.#scan(timeNs);
  }

  /** Moves the next poll to the first one at or after a moment. */
  #passPolls(timeNs: number): void {
    const polls = Math.ceil((timeNs - this.#nextPollNs) / this.#intervalNs);
    if (polls > 0 && Number.isFinite(polls)) this.#nextPollNs += polls * this.#intervalNs;
  }

  async #drain(): Promise<void> {
    this.#undrained = 0;
    drainEvents(this.#reader, this.#table, this.#clock.at(this.#latestNs));
    const { active } = this.#table.stats();
    const isNearlyFull =
      active > this.#capacity * FULL && active - this.#activeAtScan > this.#capacity * FULL_STEP;
    if (isNearlyFull) await this.#scan(this.#latestNs);
  }

  async #scan(timeNs: number): Promise<void> {
    scanOnce(this.#reader, this.#table, this.#clock.at(timeNs));
    this.#scans++;
    this.#undrained = 0;
    this.#activeAtScan = this.#table.stats().active;
    await this.#handOver();
  }

  async #handOver(): Promise<void> {
    for (let batch = this.#table.takeRecords(); batch !== undefined; batch = this.#table.takeRecords()) {
      hideInterface(batch);
      this.#records += batch.count;
      await this.#deliver(batch);
    }
  }
}

/** A test run has loopback's index; which interface the packets were captured at, nobody knows. */
function hideInterface({ words, count }: FlowRecordBatch): void {
  for (let row = 0; row < count; row++) words[row * RECORD_WORDS + RECORD.ifindex] = 0;
}
