// Replays a capture in this process and hands over its records as plain objects.

import * as v from "valibot";
import { captureSection } from "../../src/capture/config.ts";
import { parserSection } from "../../src/capture/parser-config.ts";
import type { CaptureStats } from "../../src/capture/stats.ts";
import { COUNTER_NAMES } from "../../src/capture/stats.ts";
import { decorate } from "../../src/decorate.ts";
import { type FlowConfig, flowSection, type SpanConfig, spanSection } from "../../src/flow/config.ts";
import { filterSection } from "../../src/flow/filter-config.ts";
import { type FlowRecordBatch, RECORD, RECORD_FLAG, RECORD_WORDS } from "../../src/flow/flow.ts";
import type { TableStats } from "../../src/flow/stats.ts";
import { formatIpv4, formatIpv6, formatMac } from "../../src/lib/address.ts";
import { defaultedSection } from "../../src/lib/setting.ts";
import { runReplay } from "../../src/replay.ts";
import { type Overheads, readDetails, type ToldDetails } from "./told-details.ts";

/** One direction of a record. */
export interface ToldWay {
  readonly packets: number;
  readonly bytes: number;
  /** Bytes around the packets, by encapsulation told: tunnel, IP in IP. */
  readonly overheads: Overheads;
  readonly packetsTotal: number;
  readonly bytesTotal: number;
  readonly tcpFlags: number;
  readonly retransmits: number;
  readonly outOfOrder: number;
}

/** One record. Times are UnixNanos. */
export interface Told {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly communityId: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly flowStart: bigint;
  readonly number: number;
  readonly kind: number;
  readonly reason: number;
  readonly ifindex: number;
  readonly hasMac: boolean;
  /** Source of the innermost Ethernet header; undefined without {@link hasMac}. */
  readonly mac: string | undefined;
  readonly vlanId: number;
  readonly details: ToldDetails;
  readonly forward: ToldWay;
  readonly reverse: ToldWay;
}

/** Everything that a replay gave. */
export interface Replayed {
  readonly records: readonly Told[];
  /** Packets read from the file. */
  readonly packets: number;
  readonly error: string | undefined;
  readonly capture: CaptureStats;
  readonly table: TableStats;
  /** COUNTERS that are not 0, by name, and `short`: packets judged before the program. */
  readonly counters: Readonly<Record<string, number>>;
}

/** What differs from the defaults of the config, as in TOML. */
export interface ReplaySettings {
  readonly span?: Readonly<Record<string, unknown>>;
  readonly capture?: Readonly<Record<string, unknown>>;
  readonly parser?: Readonly<Record<string, unknown>>;
  readonly flow?: Readonly<Record<string, unknown>>;
  readonly filter?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  readonly onBatch?: (count: number) => void;
}

/** @throws CaptureFileError where the file cannot be opened */
export async function replayFile(file: string, settings: ReplaySettings = {}): Promise<Replayed> {
  const capture = v.parse(captureSection, settings.capture ?? {});
  const parser = v.parse(parserSection, settings.parser ?? {});
  const flow: FlowConfig = v.parse(flowSection, settings.flow ?? {});
  const span: SpanConfig = v.parse(spanSection, settings.span ?? {});
  const filter = v.parse(defaultedSection(filterSection), settings.filter ?? {});
  const records: Told[] = [];
  let isDelivering = false;
  let stats: { readonly capture: CaptureStats; readonly table: TableStats } | undefined;
  const result = await runReplay({
    file,
    config: { capture, parser, flow, span, filter },
    deliver: async (batch) => {
      if (isDelivering) throw new Error("A batch came before the last one was taken");
      isDelivering = true;
      settings.onBatch?.(batch.count);
      records.push(...readBatch(batch, span));
      await new Promise((resolve) => setImmediate(resolve));
      isDelivering = false;
    },
    tellStats: (capture, table) => {
      stats = { capture, table };
    },
    signal: settings.signal ?? new AbortController().signal,
  });
  if (stats === undefined) throw new Error("The replay told no statistics");
  return {
    records,
    packets: result.packets,
    error: result.error?.message,
    ...stats,
    counters: countersOf(stats.capture),
  };
}

/** Counters of packets that are counted elsewhere too. */
const COUNTED_TWICE: ReadonlySet<string> = new Set([
  "fragment",
  "fragment_reordered",
  "encapsulated_unread",
  "details_full",
  "taken_over",
  "ring_full",
  "merged_incarnation",
]);

/** Packets that are in a flow, or in one of the counters that say why not. `fragment` packets are in flows. */
export function accountedFor({ capture }: Replayed): number {
  const sum = capture.counters.reduce(
    (total, counter, index) => total + (COUNTED_TWICE.has(COUNTER_NAMES[index] ?? "") ? 0 : counter.packets),
    0,
  );
  return sum + capture.shortPackets;
}

function countersOf(capture: CaptureStats): Readonly<Record<string, number>> {
  const named = capture.counters.map(
    (counter, index) => [COUNTER_NAMES[index] ?? "", counter.packets] as const,
  );
  return Object.fromEntries(
    [...named, ["short", capture.shortPackets] as const].filter(([, packets]) => packets !== 0),
  );
}

function readBatch(batch: FlowRecordBatch, span: SpanConfig): readonly Told[] {
  const { communityIds } = decorate(batch, {
    communityIdSeed: span.community_id_seed,
    traceIdTimeoutMs: span.trace_id_timeout,
    interfaceName: () => undefined,
  });
  return Array.from({ length: batch.count }, (_, row) => {
    const id = new TextDecoder().decode(communityIds.subarray(row * 30, row * 30 + 30));
    const words = batch.words.subarray(row * RECORD_WORDS, (row + 1) * RECORD_WORDS);
    return readRow(words, id, readDetails(batch, words[RECORD.detail] ?? 0));
  });
}

function readRow(words: Uint32Array, communityId: string, details: ToldDetails): Told {
  const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
  const word = (at: number): number => view.getUint32(at * 4, true);
  const wide = (at: number): bigint => view.getBigUint64(at * 4, true);
  const octets = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  const identity = word(RECORD.identity);
  const isIpv4 = ((identity >>> 8) & 0xff) === 4;
  const address = (at: number): string => (isIpv4 ? formatIpv4(octets, at * 4) : formatIpv6(octets, at * 4));
  const hasMac = (word(RECORD.flags) & RECORD_FLAG.hasMac) !== 0;
  const way = (at: number, shift: number): ToldWay => ({
    packets: Number(wide(at)),
    bytes: Number(wide(at + 2)),
    packetsTotal: Number(wide(at + 4)),
    bytesTotal: Number(wide(at + 6)),
    tcpFlags: (word(RECORD.octets) >>> shift) & 0xff,
    overheads: details.overheads[shift === 0 ? 0 : 1],
    retransmits: word(RECORD.retransmitsDelta + (shift === 0 ? 0 : 1)),
    outOfOrder: word(RECORD.outOfOrderDelta + (shift === 0 ? 0 : 1)),
  });
  return {
    protocol: identity & 0xff,
    source: address(RECORD.sourceAddress),
    destination: address(RECORD.destinationAddress),
    sourcePort: word(RECORD.ports) & 0xffff,
    destinationPort: word(RECORD.ports) >>> 16,
    communityId,
    start: wide(RECORD.startNs),
    end: wide(RECORD.endNs),
    flowStart: wide(RECORD.flowStartNs),
    number: word(RECORD.recordNumber),
    kind: (identity >>> 16) & 0xff,
    reason: identity >>> 24,
    ifindex: word(RECORD.ifindex),
    hasMac,
    mac: hasMac ? formatMac(octets, RECORD.sourceMac * 4) : undefined,
    vlanId: word(RECORD.vlanId),
    details,
    forward: way(RECORD.packetsDelta, 0),
    reverse: way(RECORD.reversePacketsDelta, 8),
  };
}
