// What the capture thread and the export thread (a Worker) say to each other. Order is kept in each direction.

import type { CaptureStats, KernelCounter } from "./capture/stats.ts";
import type { Config } from "./config/schema.ts";
import type { TableStats } from "./flow/stats.ts";
import type { Operation } from "./telemetry/tracing.ts";

/** What the export thread needs before the first record. */
export interface StartMessage {
  readonly kind: "start";
  readonly config: Config;
  /** replay: no servers, no periodic statistics line. */
  readonly mode: "run" | "replay";
}

/** Interfaces as they are now: record rows name them by index. Sent before the first record that needs it. */
export interface InterfacesMessage {
  readonly kind: "interfaces";
  readonly names: readonly (readonly [ifindex: number, name: string])[];
}

/** Addresses of the host's own interfaces as they are now, four words each in memory order. */
export interface AddressesMessage {
  readonly kind: "addresses";
  readonly words: Uint32Array;
}

/** A batch of records; answered by {@link AcceptedMessage}, which brings its buffers back. */
export interface RecordsMessage {
  readonly kind: "records";
  readonly count: number;
  readonly buffer: ArrayBuffer;
  /** Of the batch's detail rows; undefined where no record has one. */
  readonly details: ArrayBuffer | undefined;
}

/** The capture thread's counters, at every scan. */
export interface StatsMessage {
  readonly kind: "stats";
  readonly capture: CaptureStats;
  readonly table: TableStats;
  /** COUNTERS as the kernel had them, to come back in {@link ShownMessage}. Of a live agent. */
  readonly counted?: readonly KernelCounter[];
}

/** A reading of the sockets that listen on the host's network, see `HostReading` in capture/listeners.ts. */
export interface ListenersMessage {
  readonly kind: "listeners";
  readonly atMs: number;
  /** undefined where it says the same as the one before. */
  readonly changed: { readonly listeners: Uint8Array; readonly addresses: Uint32Array } | undefined;
}

/** What the capture thread did, for the agent's own traces; sent only where [telemetry] wants them. */
export interface OperationMessage {
  readonly kind: "operation";
  readonly operation: Operation;
}

/** Flush everything within `timeoutMs`, print the last statistics line, answer {@link FinishedMessage}. */
export interface FinishMessage {
  readonly kind: "finish";
  readonly timeoutMs: number;
  /** When the end began, in ms since 1970. */
  readonly beganMs: number;
}

export type ToExport =
  | StartMessage
  | InterfacesMessage
  | AddressesMessage
  | RecordsMessage
  | StatsMessage
  | ListenersMessage
  | OperationMessage
  | FinishMessage;

/** The export thread is ready, or cannot start (port busy …): then `error` is the one line to print. */
export interface StartedMessage {
  readonly kind: "started";
  readonly error: string | undefined;
}

/** A records message was decorated and handed to the exporters; its buffers are free again. */
export interface AcceptedMessage {
  readonly kind: "accepted";
  readonly buffer: ArrayBuffer;
  readonly details: ArrayBuffer | undefined;
}

/** Every exporter has sent, or dropped, so many batches, counted from the first. Of a live agent. */
export interface AcknowledgedMessage {
  readonly kind: "acknowledged";
  readonly batches: number;
}

/** The statistics that had these counters are in the log, or were answered as metrics. */
export interface ShownMessage {
  readonly kind: "shown";
  readonly counted: readonly KernelCounter[];
}

/** Everything is flushed or counted as lost; `isComplete` is false where the time ran out. */
export interface FinishedMessage {
  readonly kind: "finished";
  readonly isComplete: boolean;
}

/** An exporter can never send again (standard output is closed): the agent should stop. */
export interface FailedMessage {
  readonly kind: "failed";
  readonly error: string;
}

export type FromExport =
  | StartedMessage
  | AcceptedMessage
  | AcknowledgedMessage
  | ShownMessage
  | FinishedMessage
  | FailedMessage;
