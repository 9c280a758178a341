// FLOW_DETAILS as an object that tests can compare: offsets of record.ts, read by DataView.

import { DETAILS, DETAILS_BYTES, LAYER, LAYER_FLAG, LAYER_WORDS } from "../../src/capture/record.ts";
import { addressText, macText, pair, uint64 } from "./decode-bytes.ts";

/** One encapsulation; pairs are by way, and undefined where that way was not seen or has none. */
export interface Layer {
  /** Outer source, destination. */
  readonly ends: readonly [readonly [string, string] | undefined, readonly [string, string] | undefined];
  readonly ids: readonly [number | undefined, number | undefined];
  /** Source, destination. */
  readonly ports: readonly [readonly [number, number] | undefined, readonly [number, number] | undefined];
  readonly ahSpi: readonly [number, number];
  readonly encapsulation: number;
  readonly ipVersion: number;
  readonly protocol: number;
}

/** What FLOW_DETAILS has of a flow; pairs are by way, WireGuard's indices by end. */
export interface Details {
  readonly tunnel: Layer | undefined;
  readonly ipip: Layer | undefined;
  readonly tunnelOverhead: readonly [number, number];
  readonly ipipOverhead: readonly [number, number];
  readonly baseTunnelOverhead: readonly [number, number];
  readonly baseIpipOverhead: readonly [number, number];
  readonly fragments: number;
  readonly baseFragments: number;
  readonly tunnelSeenNs: readonly [number, number];
  readonly tunnelHook: readonly [number, number];
  readonly espSpi: readonly [number, number];
  readonly ahSpi: readonly [number, number];
  readonly wireguardIndex: readonly [number, number];
  readonly tunnelMac: string;
  readonly flags: number;
}

/** Details of a flow that has none of all that they can hold. */
export const NO_DETAILS: Details = {
  tunnel: undefined,
  ipip: undefined,
  tunnelOverhead: [0, 0],
  ipipOverhead: [0, 0],
  baseTunnelOverhead: [0, 0],
  baseIpipOverhead: [0, 0],
  fragments: 0,
  baseFragments: 0,
  tunnelSeenNs: [0, 0],
  tunnelHook: [0, 0],
  espSpi: [0, 0],
  ahSpi: [0, 0],
  wireguardIndex: [0, 0],
  tunnelMac: "00:00:00:00:00:00",
  flags: 0,
};

/** One row of FLOW_DETAILS as a batch has it. */
export function decodeDetails(words: Uint32Array, index: number): Details {
  const view = new DataView(words.buffer, words.byteOffset + index * DETAILS_BYTES, DETAILS_BYTES);
  const two = (word: number): readonly [number, number] => [
    view.getUint32(word * 4, true),
    view.getUint32(word * 4 + 4, true),
  ];
  return {
    tunnel: decodeLayer(view, DETAILS.tunnel),
    ipip: decodeLayer(view, DETAILS.ipip),
    tunnelOverhead: pair(view, DETAILS.overheadBytes * 4),
    ipipOverhead: pair(view, DETAILS.overheadBytes * 4 + 16),
    baseTunnelOverhead: pair(view, DETAILS.baseOverheadBytes * 4),
    baseIpipOverhead: pair(view, DETAILS.baseOverheadBytes * 4 + 16),
    fragments: uint64(view, DETAILS.fragments * 4),
    baseFragments: uint64(view, DETAILS.baseFragments * 4),
    tunnelSeenNs: pair(view, DETAILS.tunnelSeenNs * 4),
    tunnelHook: two(DETAILS.tunnelHook),
    espSpi: two(DETAILS.espSpi),
    ahSpi: two(DETAILS.ahSpi),
    wireguardIndex: two(DETAILS.wireguardIndex),
    tunnelMac: macText(view, DETAILS.tunnelMac * 4),
    flags: view.getUint8(DETAILS.tunnelMac * 4 + 6),
  };
}

function decodeLayer(details: DataView, word: number): Layer | undefined {
  const view = new DataView(details.buffer, details.byteOffset + word * 4, LAYER_WORDS * 4);
  const flags = view.getUint8(LAYER.octets * 4 + 3);
  const encapsulation = view.getUint8(LAYER.octets * 4);
  // What is kept of a life before is not this one's.
  if (encapsulation === 0 || (flags & (LAYER_FLAG.seen * 3)) === 0) return undefined;
  const id = (way: 0 | 1): number | undefined =>
    (flags & (LAYER_FLAG.hasId << way)) === 0 ? undefined : view.getUint32((LAYER.id + way) * 4, true);
  const isSeen = (way: 0 | 1): boolean => (flags & (LAYER_FLAG.seen << way)) !== 0;
  const ends = (way: 0 | 1): readonly [string, string] | undefined => {
    const address = (word: number): string => addressText(view, (word + way * 4) * 4);
    return isSeen(way) ? [address(LAYER.source), address(LAYER.destination)] : undefined;
  };
  const ahSpi = (way: 0 | 1): number => (isSeen(way) ? view.getUint32((LAYER.ahSpi + way) * 4, true) : 0);
  const ports = (way: 0 | 1): readonly [number, number] | undefined => {
    const at = (LAYER.ports + way) * 4;
    return isSeen(way) ? [view.getUint16(at), view.getUint16(at + 2)] : undefined;
  };
  return {
    ends: [ends(0), ends(1)],
    ids: [id(0), id(1)],
    ports: [ports(0), ports(1)],
    ahSpi: [ahSpi(0), ahSpi(1)],
    encapsulation,
    ipVersion: view.getUint8(LAYER.octets * 4 + 1),
    protocol: view.getUint8(LAYER.octets * 4 + 2),
  };
}
