// What a record row says of TCP beside flags and handshake, turned to the flow's orientation.

import { write64 } from "./clock.ts";
import { RECORD, RECORD_FLAG } from "./flow.ts";
import type { Reading } from "./reading.ts";
import { connectionState } from "./tcp.ts";
import type { TcpCounts } from "./tcp-counts.ts";

const TCP = 6;

/** Writes into the row at `at` of `out`, whose identity and ports are written; `forward` is the way from source. */
export function writeTcp(
  out: Uint32Array,
  at: number,
  counts: TcpCounts,
  slot: number,
  reading: Reading,
  forward: number,
): void {
  const protocol = (out[at + RECORD.identity] as number) & 0xff;
  // Later fragments have no ports: their transport header is in another packet.
  if (protocol !== TCP || out[at + RECORD.communityPorts] === 0) return;
  let flags = RECORD_FLAG.hasTcp as number;
  out[at + RECORD.connectionState] = connectionState(reading.tcpFlags, reading.tcpState, forward);
  out[at + RECORD.retransmitsDelta] = counts.retransmits(slot, forward);
  out[at + RECORD.reverseRetransmitsDelta] = counts.retransmits(slot, 1 - forward);
  out[at + RECORD.outOfOrderDelta] = counts.outOfOrder(slot, forward);
  out[at + RECORD.reverseOutOfOrderDelta] = counts.outOfOrder(slot, 1 - forward);
  const responses = counts.responses(reading, slot);
  if (responses !== 0) {
    flags |= RECORD_FLAG.hasResponse;
    write64(out, at + RECORD.responseNs, Math.floor(counts.responseSumNs(reading, slot) / responses));
    if (reading.responseCount > 1) {
      flags |= RECORD_FLAG.hasJitter;
      out[at + RECORD.responseJitterNs] = reading.responseJitterNs;
    }
  }
  out[at + RECORD.flags] = (out[at + RECORD.flags] as number) | flags;
}
