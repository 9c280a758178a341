// Entry of the export thread: decoration, exporters, servers, statistics. Comes in and goes out: src/messages.ts.
// A throw, a garbage collection or a stalled peer here never delays the capture thread.

import { Acknowledgement } from "./acknowledgement.ts";
import { AddressTable } from "./capture/address-table.ts";
import type { Cluster } from "./cluster.ts";
import { decorate } from "./decorate.ts";
import { selectAttributes } from "./export/attributes-config.ts";
import { createExporters } from "./export/create-exporters.ts";
import type { RecordExporter } from "./export/exporter.ts";
import { createLogger, type Logger } from "./lib/log.ts";
import type {
  AddressesMessage,
  FromExport,
  InterfacesMessage,
  RecordsMessage,
  StartMessage,
  ToExport,
} from "./messages.ts";
import { openCluster } from "./open-cluster.ts";
import { openOwnResource } from "./own-resource.ts";
import { observeAttempts, openOwnTraces } from "./own-traces.ts";
import { Patience } from "./patience.ts";
import { livenessDeadline } from "./telemetry/health.ts";
import { type Servers, startServers } from "./telemetry/server.ts";
import { createRecorder, type Recorder, type Snapshot } from "./telemetry/snapshot.ts";
import { logStatistics, startStatistics } from "./telemetry/statistics.ts";
import type { Tracing } from "./telemetry/tracing.ts";
import { BUILD } from "./version.ts";

declare const self: Worker;

/** Everything the thread runs on, made by the start message. */
interface ExportSide {
  readonly start: StartMessage;
  readonly log: Logger;
  readonly exporters: readonly RecordExporter[];
  readonly recorder: Recorder;
  readonly servers: Servers | undefined;
  readonly statistics: Disposable | undefined;
  readonly acknowledgement: Acknowledgement | undefined;
  readonly patience: Patience;
  readonly tracing: Tracing | undefined;
  /** What is watched to say whose addresses are; a replay's are of another time. */
  readonly cluster: Cluster | undefined;
  /** Of interfaces by index: those watched, behind those gone of late. */
  readonly names: Map<number, string>;
  /** False once a flush left spans unsent. */
  isComplete: boolean;
  /** Aborted when the end is near: nothing waits longer for a peer than the end may take. */
  readonly ending: AbortController;
}

const GONE_NAMES = 1024;

let side: ExportSide | undefined;
/** Of the host's own interfaces; undefined where they could not be read. */
let hostAddresses: AddressTable<true> | undefined;
/** Messages are handled one after the other, also where handling one waits. */
let turn: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<ToExport>): void => {
  const arrived = performance.now();
  if (data.kind === "finish") setTimeout(() => side?.ending.abort(), data.timeoutMs / 2);
  turn = turn
    .then(() => receive(data, arrived))
    .catch((error: unknown) => {
      tellFailure(error);
      if (data.kind === "finish") post({ kind: "finished", isComplete: false });
    });
};

function post(message: FromExport, transferred: ArrayBuffer[] = []): void {
  self.postMessage(message, transferred);
}

function tellFailure(error: unknown): void {
  post({ kind: "failed", error: error instanceof Error ? error.message : String(error) });
}

async function receive(message: ToExport, arrived: number): Promise<void> {
  if (message.kind === "start") {
    await open(message);
    return;
  }
  if (side === undefined) return;
  switch (message.kind) {
    case "interfaces":
      rememberNames(side.names, message);
      return;
    case "addresses":
      rememberAddresses(message);
      return;
    case "records":
      await acceptRecords(side, message);
      return;
    case "stats":
      side.recorder.record(message);
      return;
    case "listeners":
      side.cluster?.sockets?.accept(message);
      return;
    case "operation":
      side.tracing?.record(message.operation);
      return;
    case "finish":
      await finish(side, arrived + message.timeoutMs, message.beganMs);
      return;
    default:
      message satisfies never;
  }
}

async function open(start: StartMessage): Promise<void> {
  const { config } = start;
  const log = createLogger({ level: config.log_level, format: config.log_format });
  const { attributes: resource, learn } = openOwnResource(config);
  const tracing =
    start.mode === "run" ? await openOwnTraces(config, { resource, version: BUILD.version, log }) : undefined;
  const exporters = createExporters(config.export, {
    resource,
    version: BUILD.version,
    attributes: selectAttributes(config.span),
    log,
    observe: observeAttempts(tracing, config.telemetry.export_sampling),
  });
  const isLive = start.mode === "run";
  let cluster: Cluster | undefined;
  try {
    if (isLive) cluster = await openCluster(config, { log, onOwnFacts: learn, mayBeHostAddress });
    const recorder = createRecorder({ build: BUILD, exporters, cluster: cluster?.snapshot });
    const servers = isLive
      ? await startServers({
          server: config.server,
          metrics: config.metrics,
          snapshot: recorder.snapshot,
          onShown: noteShown,
          livenessDeadline: livenessDeadline(config.flow.poll_interval),
        })
      : undefined;
    const statistics = isLive
      ? startStatistics(() => showStatistics(log, recorder), config.pipeline.stats_interval)
      : undefined;
    const acknowledgement = isLive ? acknowledge(exporters) : undefined;
    for (const exporter of exporters) void exporter.failure.then(tellFailure);
    side = {
      start,
      log,
      exporters,
      recorder,
      servers,
      statistics,
      acknowledgement,
      patience: new Patience(exporters),
      tracing,
      cluster,
      names: new Map(),
      isComplete: true,
      ending: new AbortController(),
    };
    post({ kind: "started", error: undefined });
  } catch (error) {
    await cluster?.[Symbol.asyncDispose]();
    for (const exporter of exporters) await exporter[Symbol.asyncDispose]();
    post({ kind: "started", error: error instanceof Error ? error.message : String(error) });
  }
}

function acknowledge(exporters: readonly RecordExporter[]): Acknowledgement {
  return new Acknowledgement(exporters, (batches) => post({ kind: "acknowledged", batches }));
}

function showStatistics(log: Logger, recorder: Recorder): void {
  const snapshot = recorder.snapshot();
  logStatistics(log, snapshot);
  if (log.isEnabled("info")) noteShown(snapshot);
}

/** What is seen of the kernel's counters is no later agent's to show. */
function noteShown({ report }: Snapshot): void {
  if (report?.counted !== undefined) post({ kind: "shown", counted: report.counted });
}

/** Flows outlive their interface by a timeout: the names of those gone are kept, the oldest forgotten. */
function rememberNames(names: Map<number, string>, { names: watched }: InterfacesMessage): void {
  for (const [ifindex, name] of watched) {
    names.delete(ifindex);
    names.set(ifindex, name);
  }
  for (const ifindex of names.keys()) {
    if (names.size <= watched.length + GONE_NAMES) break;
    names.delete(ifindex);
  }
}

function mayBeHostAddress(words: Uint32Array, at: number): boolean {
  return hostAddresses?.has(words, at) ?? true;
}

function rememberAddresses({ words }: AddressesMessage): void {
  // Every host has some.
  hostAddresses = words.length === 0 ? undefined : new AddressTable();
  for (let at = 0; at < words.length; at += 4) hostAddresses?.add(words, at, true);
}

async function acceptRecords(open: ExportSide, message: RecordsMessage): Promise<void> {
  const { span } = open.start.config;
  const { count, buffer, details } = message;
  const batch = {
    count,
    words: new Uint32Array(buffer),
    details: new Uint32Array(details ?? new ArrayBuffer(0)),
  };
  try {
    const decorated = decorate(batch, {
      communityIdSeed: span.community_id_seed,
      traceIdTimeoutMs: span.trace_id_timeout,
      interfaceName: (ifindex) => open.names.get(ifindex),
      attributor: open.cluster?.attribution,
    });
    // A burst waits here, in messages, not in queues that would drop their oldest.
    await open.patience.wait();
    for (const exporter of open.exporters) exporter.accept(decorated);
    open.acknowledgement?.accept(count);
    // A replay is as fast as its output, and loses nothing to a full queue.
    if (open.start.mode === "replay") await flushAll(open, open.ending.signal);
  } finally {
    // Also where that throws: the other thread waits for as many answers as it sent batches.
    post({ kind: "accepted", buffer, details }, details === undefined ? [buffer] : [buffer, details]);
  }
}

async function flushAll(open: ExportSide, signal: AbortSignal): Promise<void> {
  const results = await Promise.all(open.exporters.map((exporter) => exporter.flush(signal)));
  open.isComplete &&= results.every(Boolean);
}

/**
 * @param deadline of `performance.now()`: messages before this one may have taken part of the time
 * @param beganMs when the agent's end began, in ms since 1970
 */
async function finish(open: ExportSide, deadline: number, beganMs: number): Promise<void> {
  await flushAll(open, AbortSignal.timeout(Math.max(0, deadline - performance.now())));
  open.acknowledgement?.look();
  open.acknowledgement?.[Symbol.dispose]();
  for (const exporter of open.exporters) await exporter[Symbol.asyncDispose]();
  open.statistics?.[Symbol.dispose]();
  await open.cluster?.[Symbol.asyncDispose]();
  await open.servers?.[Symbol.asyncDispose]();
  showStatistics(open.log, open.recorder);
  await endTraces(open, beganMs);
  post({ kind: "finished", isComplete: open.isComplete });
}

async function endTraces({ tracing, isComplete }: ExportSide, beganMs: number): Promise<void> {
  const attributes = { "mermin.complete": String(isComplete) };
  tracing?.record({ name: "agent.stop", beganMs, endedMs: Date.now(), attributes });
  await tracing?.[Symbol.asyncDispose]();
}
