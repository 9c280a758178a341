// A record's detail row as plain objects.

import { ENCAPSULATION } from "../../src/capture/record.ts";
import {
  type FlowRecordBatch,
  RECORD_DETAIL,
  RECORD_DETAIL_FLAG,
  RECORD_DETAIL_WORDS,
  RECORD_LAYER,
} from "../../src/flow/flow.ts";
import { formatIpv4, formatIpv6, formatMac } from "../../src/lib/address.ts";

/** Bytes around packets: of the tunnel, of IP in IP inside of that. */
export type Overheads = readonly [tunnel: number, ipip: number];

export const NO_OVERHEADS: Overheads = [0, 0];

/** One encapsulation, in the flow's direction. */
export interface ToldLayer {
  /** Key of ENCAPSULATION. */
  readonly kind: string;
  readonly id: number | undefined;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** What few records have. */
export interface ToldDetails {
  readonly tunnel: ToldLayer | undefined;
  readonly ipip: ToldLayer | undefined;
  /** Ethernet source of the outermost frame. */
  readonly tunnelMac: string | undefined;
  /** Fragments both ways. */
  readonly fragments: number;
  /** Forward, reverse. */
  readonly overheads: readonly [Overheads, Overheads];
}

const NONE: ToldDetails = {
  tunnel: undefined,
  ipip: undefined,
  tunnelMac: undefined,
  fragments: 0,
  overheads: [NO_OVERHEADS, NO_OVERHEADS],
};

/** @param number of the row, counted from 1; 0: there is none */
export function readDetails({ details }: FlowRecordBatch, number: number): ToldDetails {
  if (number === 0) return NONE;
  const words = details.subarray((number - 1) * RECORD_DETAIL_WORDS, number * RECORD_DETAIL_WORDS);
  const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
  const octets = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  const wide = (at: number): number => Number(view.getBigUint64(at * 4, true));
  const overheads = (at: number): Overheads => [
    wide(RECORD_DETAIL.tunnel + at),
    wide(RECORD_DETAIL.ipip + at),
  ];
  const flags = view.getUint32(RECORD_DETAIL.flags * 4, true);
  const hasMac = (flags & RECORD_DETAIL_FLAG.hasTunnelMac) !== 0;
  return {
    tunnel: readLayer(view, octets, RECORD_DETAIL.tunnel * 4),
    ipip: readLayer(view, octets, RECORD_DETAIL.ipip * 4),
    tunnelMac: hasMac ? formatMac(octets, RECORD_DETAIL.tunnelMac * 4) : undefined,
    fragments: wide(RECORD_DETAIL.fragmentsDelta),
    overheads: [overheads(RECORD_LAYER.bytesDelta), overheads(RECORD_LAYER.reverseBytesDelta)],
  };
}

function readLayer(view: DataView, octets: Uint8Array, at: number): ToldLayer | undefined {
  const encapsulation = view.getUint8(at);
  if (encapsulation === ENCAPSULATION.none) return undefined;
  const isIpv4 = view.getUint8(at + 1) === 4;
  const hasId = view.getUint8(at + 3) !== 0;
  const word = (offset: number): number => view.getUint32(at + offset * 4, true);
  const address = (offset: number): string =>
    isIpv4 ? formatIpv4(octets, at + offset * 4) : formatIpv6(octets, at + offset * 4);
  return {
    kind: Object.entries(ENCAPSULATION).find(([, value]) => value === encapsulation)?.[0] ?? "unknown",
    id: hasId ? word(RECORD_LAYER.id) : undefined,
    source: address(RECORD_LAYER.sourceAddress),
    destination: address(RECORD_LAYER.destinationAddress),
    sourcePort: word(RECORD_LAYER.ports) & 0xffff,
    destinationPort: word(RECORD_LAYER.ports) >>> 16,
  };
}
