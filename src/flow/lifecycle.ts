// When a flow is told and when it ends: pure decisions over numbers, times in nanoseconds.
// Comes in: what a scan saw of one flow. Goes out: an end reason, or none. Never touches the table.

import { END_REASON } from "./flow.ts";

/** Timeouts of the flow table, in nanoseconds (spans.md, "When a record is emitted"). */
export interface FlowTimeouts {
  readonly tcpNs: number;
  readonly udpNs: number;
  readonly icmpNs: number;
  readonly genericNs: number;
  /** Quiet time after FIN both ways, after RST. */
  readonly tcpFinNs: number;
  readonly tcpRstNs: number;
  readonly maxRecordIntervalNs: number;
}

/** Only an entry quiet for this long is removed: no program still holds its value. */
const QUIET_NS = 1e9;

const TCP = 6;
const FIN = 1;
const RST = 4;

/** Quiet time after which a flow of `protocol` is idle. */
export function idleTimeoutNs(timeouts: FlowTimeouts, protocol: number): number {
  switch (protocol) {
    case TCP:
      return Math.max(timeouts.tcpNs, QUIET_NS);
    case 17:
    case 136:
      return Math.max(timeouts.udpNs, QUIET_NS);
    case 1:
    case 58:
      return Math.max(timeouts.icmpNs, QUIET_NS);
    default:
      return Math.max(timeouts.genericNs, QUIET_NS);
  }
}

/** True where the flags of both ways say that the TCP connection is over: FIN both ways, or RST. */
export function isClosed(protocol: number, flagsLow: number, flagsHigh: number): boolean {
  return protocol === TCP && (((flagsLow | flagsHigh) & RST) !== 0 || (flagsLow & flagsHigh & FIN) !== 0);
}

/**
 * Quiet time after which a flow ends. A closed connection waits for its own, shorter timeout.
 * @param flags TCP flags of both ways, low → high | high → low << 8
 */
export function endsAfterNs(timeouts: FlowTimeouts, protocol: number, flags: number): number {
  const idle = idleTimeoutNs(timeouts, protocol);
  if (!isClosed(protocol, flags & 0xff, flags >>> 8)) return idle;
  const closed = ((flags | (flags >>> 8)) & RST) !== 0 ? timeouts.tcpRstNs : timeouts.tcpFinNs;
  return Math.min(Math.max(closed, QUIET_NS), idle);
}

/**
 * The reason for which a flow ends now, or 0.
 * @param flags as for {@link endsAfterNs}
 * @param quietNs since the last packet of either way
 */
export function endReason(timeouts: FlowTimeouts, protocol: number, flags: number, quietNs: number): number {
  if (quietNs < endsAfterNs(timeouts, protocol, flags)) return 0;
  const isOver = isClosed(protocol, flags & 0xff, flags >>> 8);
  return isOver ? END_REASON.endOfFlowDetected : END_REASON.idleTimeout;
}

/**
 * Time after the previous record, or the flow's start, at which a live flow with packets to tell is due. A closed one
 * waits a further interval, so that its last record has packets and the true reason; but not longer, or a forged RST
 * would silence a live flow.
 */
export function recordIntervalNs(timeouts: FlowTimeouts, isConnectionClosed: boolean): number {
  return timeouts.maxRecordIntervalNs * (isConnectionClosed ? 2 : 1);
}
