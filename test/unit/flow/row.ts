// Builds record rows from plain fields.

import { RECORD, RECORD_FLAG, RECORD_WORDS } from "../../../src/flow/flow.ts";
import { addressBytes } from "./kernel-model.ts";

export interface RowFields {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  /** Community ID's pair of ports, source's first. */
  readonly ports?: readonly [number, number];
  readonly isOneWay?: boolean;
  readonly flowStartNs?: bigint;
  readonly recordNumber?: number;
}

/** One row; addresses as {@link addressBytes} takes them. */
export function rowOf(fields: RowFields): Uint32Array<ArrayBuffer> {
  const row = new Uint32Array(RECORD_WORDS);
  const bytes = new Uint8Array(row.buffer);
  bytes.set(addressBytes(fields.source), RECORD.sourceAddress * 4);
  bytes.set(addressBytes(fields.destination), RECORD.destinationAddress * 4);
  const [source, destination] = fields.ports ?? [0, 0];
  row[RECORD.communityPorts] = source | (destination << 16);
  row[RECORD.identity] = fields.protocol | ((fields.source.includes(".") ? 4 : 6) << 8);
  row[RECORD.flags] = fields.isOneWay === true ? RECORD_FLAG.isOneWay : 0;
  const start = fields.flowStartNs ?? 0n;
  row[RECORD.flowStartNs] = Number(BigInt.asUintN(32, start));
  row[RECORD.flowStartNs + 1] = Number(start >> 32n);
  row[RECORD.recordNumber] = fields.recordNumber ?? 0;
  return row;
}
