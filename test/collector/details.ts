// Makes detail rows for tests: by hand, field by field, or at random.

import fc from "fast-check";
import { RECORD_DETAIL, RECORD_DETAIL_FLAG, RECORD_DETAIL_WORDS, RECORD_LAYER } from "../../src/flow/flow.ts";

/** One encapsulation as a test writes it; what is left out is 0. */
export interface LayerFields {
  /** See `ENCAPSULATION` in capture/record.ts. */
  readonly encapsulation: number;
  readonly ipVersion: 4 | 6;
  readonly protocol: number;
  readonly id?: number | undefined;
  /** Eight groups, as an IPv6 address has them. */
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  readonly ports?: readonly [source: number, destination: number];
  readonly ahSpi?: number;
  /** Forward delta and total, reverse delta and total. */
  readonly bytes?: readonly bigint[];
}

/** A detail row as a test writes it; what is left out is 0. */
export interface DetailFields {
  readonly tunnel?: LayerFields | undefined;
  readonly ipip?: LayerFields | undefined;
  readonly mac?: readonly number[];
  readonly flags?: number;
  /** ESP's, AH's. */
  readonly spis?: readonly [esp: number, ah: number];
  /** WireGuard's. */
  readonly indices?: readonly [sender: number, receiver: number];
  readonly fragments?: bigint;
  /** The other view of a translated conversation. */
  readonly nat?: NatFields | undefined;
}

export interface NatFields {
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly ports: readonly [source: number, destination: number];
}

/** A tunnel by UDP over IPv4, with a value in every field that such a tunnel can have, and 6in4 inside of it. */
export const VXLAN_DETAIL: DetailFields = {
  tunnel: {
    encapsulation: 1,
    ipVersion: 4,
    protocol: 17,
    id: 0xff_ff42,
    source: [0, 0, 0, 0, 0, 0xffff, 0x0a00, 0x0001],
    destination: [0, 0, 0, 0, 0, 0xffff, 0x0a00, 0x0002],
    ports: [51_234, 4789],
    ahSpi: 0xffff_fff0,
    bytes: [600n, 5600n, 500n, 5_000_000_500n],
  },
  ipip: {
    encapsulation: 8,
    ipVersion: 4,
    protocol: 41,
    source: [0, 0, 0, 0, 0, 0xffff, 0xc0a8, 0x0001],
    destination: [0, 0, 0, 0, 0, 0xffff, 0xc0a8, 0x0002],
    bytes: [240n, 2240n, 200n, 2200n],
  },
  mac: [0x02, 0x42, 0x0a, 0, 0, 1],
  flags: 1,
  fragments: 6n,
};

/** The detail rows of `records`, in their order. */
export function detailRows(records: readonly DetailFields[]): Uint32Array<ArrayBuffer> {
  const rows = new Uint32Array(records.length * RECORD_DETAIL_WORDS);
  for (const [index, record] of records.entries()) {
    fill(new DataView(rows.buffer, index * RECORD_DETAIL_WORDS * 4, RECORD_DETAIL_WORDS * 4), record);
  }
  return rows;
}

function fill(view: DataView, record: DetailFields): void {
  if (record.tunnel !== undefined) fillLayer(view, RECORD_DETAIL.tunnel * 4, record.tunnel);
  if (record.ipip !== undefined) fillLayer(view, RECORD_DETAIL.ipip * 4, record.ipip);
  for (const [byte, value] of (record.mac ?? []).entries())
    view.setUint8(RECORD_DETAIL.tunnelMac * 4 + byte, value);
  const flags = (record.flags ?? 0) | (record.nat === undefined ? 0 : RECORD_DETAIL_FLAG.hasNat);
  view.setUint32(RECORD_DETAIL.flags * 4, flags, true);
  if (record.nat !== undefined) fillNat(view, record.nat);
  for (const [index, value] of [...(record.spis ?? [0, 0]), ...(record.indices ?? [])].entries())
    view.setUint32((RECORD_DETAIL.espSpi + index) * 4, value, true);
  view.setBigUint64(RECORD_DETAIL.fragmentsDelta * 4, record.fragments ?? 0n, true);
}

function fillNat(view: DataView, { source, destination, ports }: NatFields): void {
  for (const [group, value] of source.entries())
    view.setUint16(RECORD_DETAIL.natSource * 4 + group * 2, value);
  for (const [group, value] of destination.entries())
    view.setUint16(RECORD_DETAIL.natDestination * 4 + group * 2, value);
  view.setUint32(RECORD_DETAIL.natPorts * 4, ports[0] + ports[1] * 65_536, true);
}

function fillLayer(view: DataView, at: number, layer: LayerFields): void {
  const { encapsulation, ipVersion, protocol, id, ports = [0, 0] } = layer;
  const octets = [encapsulation, ipVersion, protocol, id === undefined ? 0 : 1];
  for (const [byte, value] of octets.entries()) view.setUint8(at + RECORD_LAYER.octets * 4 + byte, value);
  for (const [group, value] of (layer.source ?? []).entries())
    view.setUint16(at + RECORD_LAYER.sourceAddress * 4 + group * 2, value);
  for (const [group, value] of (layer.destination ?? []).entries())
    view.setUint16(at + RECORD_LAYER.destinationAddress * 4 + group * 2, value);
  view.setUint32(at + RECORD_LAYER.ports * 4, ports[0] + ports[1] * 65_536, true);
  view.setUint32(at + RECORD_LAYER.id * 4, id ?? 0, true);
  view.setUint32(at + RECORD_LAYER.ahSpi * 4, layer.ahSpi ?? 0, true);
  for (const [index, value] of (layer.bytes ?? []).entries())
    view.setBigUint64(at + RECORD_LAYER.bytesDelta * 4 + index * 8, value, true);
}

const word = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff_ffff }));
const port = fc.integer({ min: 0, max: 65_535 });
const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
const count = fc.oneof(fc.constant(0n), fc.bigInt(0n, 5_000n), fc.bigInt(0n, (1n << 63n) - 1n));

const anyLayer: fc.Arbitrary<LayerFields> = fc.record({
  encapsulation: fc.integer({ min: 0, max: 13 }),
  ipVersion: fc.constantFrom(4 as const, 6 as const),
  protocol: fc.constantFrom(4, 17, 41, 47),
  id: fc.option(word, { nil: undefined }),
  source: groups,
  destination: groups,
  ports: fc.tuple(port, port),
  ahSpi: word,
  bytes: fc.array(count, { minLength: 4, maxLength: 4 }),
});

/** Any detail row, sensible or not: every field over its whole range, layers often left out. */
export const anyDetail: fc.Arbitrary<DetailFields> = fc.record({
  tunnel: fc.option(anyLayer, { nil: undefined }),
  ipip: fc.option(anyLayer, { nil: undefined }),
  mac: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 6, maxLength: 6 }),
  flags: fc.integer({ min: 0, max: 3 }),
  spis: fc.tuple(word, word),
  indices: fc.tuple(word, word),
  fragments: count,
  nat: fc.option(fc.record({ source: groups, destination: groups, ports: fc.tuple(port, port) }), {
    nil: undefined,
  }),
});
