// What one packet adds to its flow, beyond the key.

import { ENCAPSULATION } from "../../src/capture/record.ts";
import type { Layer } from "./reference-packet.ts";
import type { Transport } from "./reference-transport.ts";
import type { Carried, WireguardIndices } from "./reference-tunnel.ts";

/** Headers of one encapsulation, in the packet's own direction. */
export interface LayerFields {
  /** {@link ENCAPSULATION}. */
  readonly kind: number;
  readonly ipVersion: number;
  readonly protocol: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly id?: number;
  readonly ahSpi: number;
  readonly overheadBytes: number;
}

export interface FlowFields {
  readonly packets: number;
  readonly bytes: number;
  readonly tcpFlags: number;
  readonly ttl: number;
  readonly trafficClass: number;
  readonly flowLabel: number;
  readonly icmpType: number;
  readonly icmpCode: number;
  readonly vlan: number;
  readonly mac?: Uint8Array;
  /** The outermost encapsulation. */
  readonly tunnel?: LayerFields;
  /** The outermost IP-in-IP inside of that. */
  readonly ipip?: LayerFields;
  /** Source of the outermost frame; only of a packet in a tunnel. */
  readonly tunnelMac?: Uint8Array;
  readonly espSpi: number;
  readonly ahSpi: number;
  readonly wireguard?: WireguardIndices;
  readonly isFragment: boolean;
  /** A packet around it is a first fragment. */
  readonly isInFragment: boolean;
}

export interface FlowParts {
  readonly layers: readonly Layer[];
  readonly carried: Carried;
  /** Of the innermost packet; a later fragment's are its first one's. */
  readonly ports: Transport;
  readonly counted: { readonly packets: number; readonly bytes: number };
}

const IP_IN_IP: ReadonlySet<number> = new Set([
  ENCAPSULATION.ipip,
  ENCAPSULATION.ip6ip6,
  ENCAPSULATION.sixInFour,
  ENCAPSULATION.fourInSix,
]);

export function describeFlow({ layers, carried, ports, counted }: FlowParts): FlowFields {
  const innermost = layers.at(-1) as Layer;
  const { datagram } = innermost;
  return {
    ...counted,
    tcpFlags: ports.tcpFlags,
    ttl: datagram.ttl,
    trafficClass: datagram.trafficClass,
    flowLabel: datagram.flowLabel,
    icmpType: ports.icmpType,
    icmpCode: ports.icmpCode,
    vlan: innermost.vlan,
    ...(innermost.mac === undefined ? {} : { mac: innermost.mac }),
    ...describeLayers(layers, counted.packets),
    espSpi: carried.kind === "esp" ? carried.spi : ports.espSpi,
    ahSpi: datagram.ahSpi,
    ...(carried.kind === "wireguard" ? { wireguard: carried.indices } : {}),
    isFragment: datagram.fragment !== "whole",
    isInFragment: layers.some((layer) => layer !== innermost && layer.datagram.fragment === "first"),
  };
}

function describeLayers(
  layers: readonly Layer[],
  segments: number,
): Pick<FlowFields, "tunnel" | "ipip" | "tunnelMac"> {
  const last = layers.length - 1;
  if (last === 0) return {};
  const found = layers.findIndex(
    ({ carries }, index) => index > 0 && index < last && IP_IN_IP.has(carries?.kind ?? 0),
  );
  const mac = layers[0]?.mac;
  return {
    tunnel: describeLayer(layers, 0, found < 0 ? last : found, segments),
    ...(found < 0 ? {} : { ipip: describeLayer(layers, found, last, segments) }),
    ...(mac === undefined ? {} : { tunnelMac: mac }),
  };
}

/** @param next index of the layer up to which this one's overhead counts */
function describeLayer(layers: readonly Layer[], index: number, next: number, segments: number): LayerFields {
  const { datagram, transport, carries } = layers[index] as Layer;
  const inside = (layers[next] as Layer).datagram;
  const headerBytes = inside.offset - datagram.offset;
  // What goes on in later fragments is longer than its carrier.
  const isCut = datagram.fragment === "first" || datagram.bytes < inside.bytes;
  const once = isCut ? headerBytes : datagram.bytes - inside.bytes;
  return {
    kind: carries?.kind ?? ENCAPSULATION.none,
    ipVersion: datagram.version,
    protocol: transport.protocol,
    source: datagram.source,
    destination: datagram.destination,
    sourcePort: transport.sourcePort,
    destinationPort: transport.destinationPort,
    ...(carries?.id === undefined ? {} : { id: carries.id }),
    ahSpi: datagram.ahSpi,
    // A jumbo header of the kernel's own is in no segment.
    overheadBytes: once + (segments - 1) * (headerBytes - datagram.jumboBytes),
  };
}
