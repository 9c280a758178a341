// Overflow events as the BPF programs send them.

import { EVENT, EVENT_KIND, type FlowEventBatch, OVERFLOW_EVENT_BYTES } from "../../../src/capture/record.ts";
import type { PacketFields } from "./kernel-model.ts";

export interface OverflowFields extends PacketFields {
  readonly vlanId?: number;
  readonly mac?: readonly number[];
}

/** A drain of the ring that holds these packets of these flows. */
export function overflowEvents(
  packets: readonly { readonly key: Uint32Array; readonly fields: OverflowFields }[],
): FlowEventBatch {
  const bytes = new Uint8Array(packets.length * (8 + OVERFLOW_EVENT_BYTES));
  for (const [i, { key, fields }] of packets.entries()) {
    const start = i * (8 + OVERFLOW_EVENT_BYTES);
    new DataView(bytes.buffer).setUint32(start, OVERFLOW_EVENT_BYTES, true);
    writeEvent(new DataView(bytes.buffer, start + 8, OVERFLOW_EVENT_BYTES), key, fields);
  }
  return { length: bytes.length, words: new Uint32Array(bytes.buffer) };
}

function writeEvent(event: DataView, key: Uint32Array, fields: OverflowFields): void {
  for (const [i, word] of key.entries()) event.setUint32(i * 4, word, true);
  event.setBigUint64(EVENT.timeNs, BigInt(Math.round(fields.at)), true);
  event.setUint8(EVENT.kind, EVENT_KIND.overflow);
  event.setUint8(EVENT.way, fields.way);
  event.setUint8(EVENT.tcpFlags + fields.way, fields.flags ?? 0);
  const packets = fields.packets ?? 1;
  event.setUint32(EVENT.overflowPackets, packets, true);
  event.setUint32(EVENT.overflowBytes, fields.bytes ?? packets * 100, true);
  event.setUint32(EVENT.overflowHook, fields.hook ?? 2 << 1, true);
  event.setUint32(EVENT.overflowFlowLabel, fields.label ?? 0, true);
  event.setUint16(EVENT.overflowVlanId, fields.vlanId ?? 0, true);
  event.setUint8(EVENT.overflowTrafficClass, fields.trafficClass ?? 0);
  event.setUint8(EVENT.overflowTtl, fields.ttl ?? 64);
  event.setUint8(EVENT.overflowIcmpType, fields.icmpType ?? 0);
  event.setUint8(EVENT.overflowIcmpCode, fields.icmpCode ?? 0);
  event.setUint8(EVENT.overflowEntered, fields.hasEntered === true ? 1 : 0);
  for (const [i, byte] of (fields.mac ?? []).entries()) event.setUint8(EVENT.overflowSourceMac + i, byte);
}
