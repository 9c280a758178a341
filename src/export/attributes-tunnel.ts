// Rows of the attribute table that few records have: what is in a record's detail row. Tunnels, fragments, IPsec.

import { RECORD_DETAIL, RECORD_DETAIL_FLAG, RECORD_LAYER } from "../flow/flow.ts";
import { protocolName } from "../flow/names.ts";
import { formatMac } from "../lib/address.ts";
import { ABSENT, type Attribute, type AttributeGroup, positive } from "./attribute.ts";
import { conditional } from "./requirement.ts";
import { PROTOCOL, type RecordRow } from "./row.ts";
import { formatAddress, networkType } from "./span.ts";

/** By the encapsulation's number in a layer; what is never a layer has no name. */
const TUNNEL_TYPES: readonly (string | undefined)[] = [
  undefined,
  "vxlan",
  "vxlan", // VXLAN-GPE
  "geneve",
  "gre",
  "erspan",
  "ipip",
  "ip6ip6",
  "6in4",
  "4in6",
  "gtp",
  "fou",
  "teredo",
  "wireguard",
];

const WIREGUARD = "wireguard";

const ENDS = ["source", "destination"] as const;
type End = (typeof ENDS)[number];

/** An encapsulation that a record tells. */
interface Layer {
  readonly prefix: "tunnel." | "ipip.";
  /** Its first word in the detail row. */
  readonly at: number;
  /** When it is there, in words. */
  readonly present: string;
  /** The encapsulation in words. */
  readonly label: string;
}

const TUNNEL: Layer = {
  prefix: "tunnel.",
  at: RECORD_DETAIL.tunnel,
  present: "when the flow's packets are carried by others",
  label: "outermost encapsulation",
};

const IPIP: Layer = {
  prefix: "ipip.",
  at: RECORD_DETAIL.ipip,
  present: "when there is an IP-in-IP layer inside the outermost encapsulation (of several the outermost)",
  label: "IP-in-IP layer",
};

/** What only a record with a detail row can have. */
export const DETAIL_GROUPS: readonly AttributeGroup[] = [
  { attributes: fragmentAttributes(), applies: hasFragments },
  { attributes: [...ipsecAttributes(), tunnelTypeAttribute()], applies: () => true },
  {
    attributes: [
      tunnelIdAttribute(),
      ...ENDS.flatMap((end) => [addressAttribute(TUNNEL, end), tunnelPortAttribute(end)]),
      ...headerAttributes(TUNNEL),
      tunnelMacAttribute(),
      ...overheadAttributes(TUNNEL),
    ],
    applies: (row) => hasLayer(row, TUNNEL),
  },
  {
    attributes: [
      ipipTypeAttribute(),
      ...ENDS.map((end) => addressAttribute(IPIP, end)),
      ...headerAttributes(IPIP),
      ...overheadAttributes(IPIP),
    ],
    applies: (row) => hasLayer(row, IPIP),
  },
];

/** `vxlan 42 10.0.0.1 → 10.0.0.2`: type, id where there is one, and the outer ends; empty without a tunnel. */
export function formatTunnel(row: RecordRow): string {
  if (!row.hasDetail) return "";
  const type = tunnelType(row) ?? "";
  if (!hasLayer(row, TUNNEL)) return type;
  const id = tunnelId(row);
  const ends = `${layerAddress(row, TUNNEL, "source")} → ${layerAddress(row, TUNNEL, "destination")}`;
  return id === undefined ? `${type} ${ends}` : `${type} ${id} ${ends}`;
}

function hasFragments(row: RecordRow): boolean {
  const word = RECORD_DETAIL.fragmentsDelta;
  return (row.detailWord(word) | row.detailWord(word + 1)) !== 0;
}

function hasLayer(row: RecordRow, { at }: Layer): boolean {
  return row.detailOctet(at + RECORD_LAYER.octets, 0) !== 0;
}

function layerType(row: RecordRow, { at }: Layer): string | undefined {
  return TUNNEL_TYPES[row.detailOctet(at + RECORD_LAYER.octets, 0)];
}

/** A WireGuard flow carries others that cannot be read: it has a type, and no layer. */
function tunnelType(row: RecordRow): string | undefined {
  const isWireguard = (row.detailWord(RECORD_DETAIL.flags) & RECORD_DETAIL_FLAG.isWireguard) !== 0;
  return layerType(row, TUNNEL) ?? (isWireguard ? WIREGUARD : undefined);
}

function layerIpVersion(row: RecordRow, { at }: Layer): number {
  return row.detailOctet(at + RECORD_LAYER.octets, 1);
}

function layerProtocol(row: RecordRow, { at }: Layer): number {
  return row.detailOctet(at + RECORD_LAYER.octets, 2);
}

function tunnelId(row: RecordRow): string | undefined {
  const isSet = row.detailOctet(TUNNEL.at + RECORD_LAYER.octets, 3) !== 0;
  return isSet ? String(row.detailWord(TUNNEL.at + RECORD_LAYER.id)) : undefined;
}

function layerAddress(row: RecordRow, layer: Layer, end: End): string {
  const word = end === "source" ? RECORD_LAYER.sourceAddress : RECORD_LAYER.destinationAddress;
  return formatAddress(row.detailOctets, row.detailOctetOffset(layer.at + word), layerIpVersion(row, layer));
}

function fragmentAttributes(): readonly Attribute[] {
  return [
    {
      name: "flow.fragments.delta",
      kind: "detail-counter",
      unit: "{fragment}",
      requirement: conditional("when the record counts IP fragments"),
      description: "IP fragments among the record's packets, both directions; a datagram's first is one too.",
      word: RECORD_DETAIL.fragmentsDelta,
    },
  ];
}

function ipsecAttributes(): readonly Attribute[] {
  const row = (name: string, word: number, present: string, description: string): Attribute => {
    return {
      name: `flow.ipsec.${name}`,
      kind: "int",
      requirement: conditional(present),
      description,
      read: (record) => positive(record.detailWord(word)),
    };
  };
  const spi = "of the forward packets, of the reverse ones where there was none";
  const wireguard = "WireGuard, once a message with it was seen";
  return [
    row(
      "esp.spi",
      RECORD_DETAIL.espSpi,
      "ESP, in UDP too",
      `Security parameters index of the encapsulating security payload, ${spi}.`,
    ),
    row(
      "ah.spi",
      RECORD_DETAIL.ahSpi,
      "when the flow's packets have an authentication header",
      `Security parameters index of that header, ${spi}.`,
    ),
    row("sender_index", RECORD_DETAIL.senderIndex, wireguard, "Session index that the source chose."),
    row(
      "receiver_index",
      RECORD_DETAIL.receiverIndex,
      wireguard,
      "Session index that the destination chose.",
    ),
  ];
}

function tunnelTypeAttribute(): Attribute {
  return {
    name: "tunnel.type",
    kind: "string",
    hasFewValues: true,
    requirement: conditional(`${TUNNEL.present}, and on a WireGuard flow itself`),
    description:
      "Type of the outermost encapsulation: `vxlan` (VXLAN-GPE too), `geneve`, `gre`, `erspan`, `ipip`, `ip6ip6`, `6in4`, `4in6`, `gtp`, `fou`, `teredo`. On a WireGuard flow `wireguard`, and no other attribute of a tunnel: what it carries cannot be read.",
    read: tunnelType,
  };
}

function ipipTypeAttribute(): Attribute {
  return {
    name: "ipip.type",
    kind: "string",
    requirement: conditional(IPIP.present),
    description: `Type of the ${IPIP.label}: \`ipip\`, \`ip6ip6\`, \`6in4\`, \`4in6\`.`,
    read: (row) => layerType(row, IPIP),
  };
}

/** IP in IP has none: neither number, nor ports, nor a frame of its own. */
function tunnelIdAttribute(): Attribute {
  return {
    name: "tunnel.id",
    kind: "string",
    requirement: conditional(`${TUNNEL.present}, and the encapsulation has a number`),
    description:
      "That number in decimal: VNI of VXLAN and Geneve, GRE's key, ERSPAN's session, GTP's TEID; of the forward packets, of the reverse ones where there was none.",
    read: tunnelId,
  };
}

function tunnelMacAttribute(): Attribute {
  return {
    name: "tunnel.network.interface.mac",
    kind: "string",
    requirement: conditional(`${TUNNEL.present}, and a forward packet came in an Ethernet frame`),
    description: "Link-layer address the outermost frames of forward packets came from.",
    read: (row) =>
      (row.detailWord(RECORD_DETAIL.flags) & RECORD_DETAIL_FLAG.hasTunnelMac) === 0
        ? undefined
        : formatMac(row.detailOctets, row.detailOctetOffset(RECORD_DETAIL.tunnelMac)),
  };
}

function addressAttribute(layer: Layer, end: End): Attribute {
  return {
    name: `${layer.prefix}${end}.address`,
    kind: "string",
    requirement: conditional(layer.present),
    description: `Outer address on the ${end}'s side, as RFC 5952 writes it.`,
    read: (row) => layerAddress(row, layer, end),
  };
}

function tunnelPortAttribute(end: End): Attribute {
  const shift = end === "source" ? 0 : 16;
  return {
    name: `tunnel.${end}.port`,
    kind: "int",
    requirement: conditional(`${TUNNEL.present}, by UDP`),
    description: `Outer port on the ${end}'s side, as the first such packet had it.`,
    read: (row) =>
      layerProtocol(row, TUNNEL) === PROTOCOL.udp
        ? (row.detailWord(TUNNEL.at + RECORD_LAYER.ports) >>> shift) & 0xffff
        : ABSENT,
  };
}

function headerAttributes(layer: Layer): readonly Attribute[] {
  const { prefix, at, present, label } = layer;
  return [
    {
      name: `${prefix}network.type`,
      kind: "string",
      hasFewValues: true,
      requirement: conditional(present),
      description: `\`ipv4\` or \`ipv6\`: the outer IP header of the ${label}.`,
      read: (row) => networkType(layerIpVersion(row, layer)),
    },
    {
      name: `${prefix}network.transport`,
      kind: "string",
      hasFewValues: true,
      requirement: conditional(present),
      description:
        "Protocol of that header, named as in `network.transport`: `udp`, `gre`; `ipv4` and `ipv6` where that is what it carries.",
      read: (row) => protocolName(layerProtocol(row, layer)),
    },
    {
      name: `${prefix}ipsec.ah.spi`,
      kind: "int",
      requirement: conditional(`${present}, behind an authentication header`),
      description: `Security parameters index of the authentication header in front of the ${label}.`,
      read: (row) => positive(row.detailWord(at + RECORD_LAYER.ahSpi)),
    },
  ];
}

/** What the outer headers weigh. */
function overheadAttributes({ prefix, at, present, label }: Layer): readonly Attribute[] {
  const bytes = `Layer-3 bytes that the ${label} adds, its packets less those they carry`;
  const row = (name: string, word: number, text: string): Attribute => {
    const description = `${bytes}, ${text}; not in \`flow.bytes.*\`.`;
    const [kind, requirement] = ["detail-counter" as const, conditional(present)];
    return { name: prefix + name, kind, unit: "By", requirement, description, word: at + word };
  };
  return [
    row("bytes.delta", RECORD_LAYER.bytesDelta, "source → destination, since the previous record"),
    row("bytes.total", RECORD_LAYER.bytesTotal, "source → destination, since the flow began"),
    row(
      "reverse.bytes.delta",
      RECORD_LAYER.reverseBytesDelta,
      "destination → source, since the previous record",
    ),
    row("reverse.bytes.total", RECORD_LAYER.reverseBytesTotal, "destination → source, since the flow began"),
  ];
}
