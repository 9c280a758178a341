// A capture file from packets to records: what the agent does live, driven by the packets' own times. Comes in: a path
// and the config. Goes out: record batches, one after another as they are taken. Knows no exporter.

import { CaptureFileError } from "./capture/byte-source.ts";
import { type CaptureFile, openCaptureFile } from "./capture/capture-file.ts";
import type { ParserConfig } from "./capture/parser-config.ts";
import { openProbe, type Probe } from "./capture/probe.ts";
import type { CaptureStats } from "./capture/stats.ts";
import { compileKernelFilter } from "./flow/filter-kernel.ts";
import type { FlowRecordBatch } from "./flow/flow.ts";
import type { TableStats } from "./flow/stats.ts";
import { Poller, type PollerConfig } from "./replay-poller.ts";

/** The sections of the config that a replay follows. */
export interface ReplayConfig extends PollerConfig {
  readonly parser: ParserConfig;
}

/** What a replay needs; `deliver` is awaited before the next packet is read. */
export interface ReplayOptions {
  readonly file: string;
  readonly config: ReplayConfig;
  readonly deliver: (batch: FlowRecordBatch) => Promise<void>;
  /** Told once, behind the last batch. */
  readonly tellStats: (capture: CaptureStats, table: TableStats) => void;
  /** Aborted: no further packet is read, what was read is told. */
  readonly signal: AbortSignal;
}

/** How a replay went. */
export interface ReplayResult {
  /** Packets read from the file. */
  readonly packets: number;
  /** What was wrong with the file; everything before was told. */
  readonly error: CaptureFileError | undefined;
}

/** The event loop turns at least this often, for signals. */
const TURN_MS = 20;
const PACKETS_BETWEEN_LOOKS = 1024;

/**
 * Replays a file.
 * @throws CaptureFileError where it cannot be opened; ShimError where the kernel takes no BPF
 */
export async function runReplay(options: ReplayOptions): Promise<ReplayResult> {
  using file = openCaptureFile(options.file);
  const { capture, filter, flow, parser } = options.config;
  using probe = openProbe({
    tableCapacity: flow.table_capacity,
    ringBufferBytes: flow.ring_buffer_bytes,
    isReplay: true,
    parser,
    sampling: capture.sampling,
    keyIncludes: flow.key_includes,
    filter: compileKernelFilter(filter),
  });
  return await replayPackets(file, probe, options);
}

async function replayPackets(file: CaptureFile, probe: Probe, options: ReplayOptions): Promise<ReplayResult> {
  const poller = new Poller(probe, options.config, options.deliver);
  let error: CaptureFileError | undefined;
  try {
    await readPackets(file, poller, options.signal);
  } catch (thrown) {
    if (!(thrown instanceof CaptureFileError)) throw thrown;
    error = thrown;
  }
  await poller.finish();
  options.tellStats(poller.captureStats(), poller.tableStats());
  return { packets: poller.packets, error };
}

async function readPackets({ packets }: CaptureFile, poller: Poller, signal: AbortSignal): Promise<void> {
  let turned = performance.now();
  while (!signal.aborted && packets.next()) {
    const pause = poller.add(packets.packet);
    if (pause !== undefined) await pause;
    if (poller.packets % PACKETS_BETWEEN_LOOKS !== 0 || performance.now() - turned < TURN_MS) continue;
    await new Promise((resolve) => setImmediate(resolve));
    turned = performance.now();
  }
}
