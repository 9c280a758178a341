// The reference parser: one frame to the flow it belongs to, or to the counter that says why it belongs to none.

import type { ParserConfig } from "../../src/capture/parser-config.ts";
import { ENCAPSULATION } from "../../src/capture/record.ts";
import { describeFlow, type FlowFields } from "./reference-flow.ts";
import { FragmentTable } from "./reference-fragments.ts";
import { formKey, type OrientedKey } from "./reference-key.ts";
import { readEthernet } from "./reference-link.ts";
import { type Datagram, readDatagram } from "./reference-network.ts";
import { isRefused, type Refusal, type Refused, type Scope, uint16 } from "./reference-scope.ts";
import { none, readTransport, type Transport } from "./reference-transport.ts";
import { type Carried, readCarried } from "./reference-tunnel.ts";

export interface ReferenceOptions {
  readonly ports: ParserConfig;
  readonly isReplay: boolean;
  readonly keyIncludesVlan: boolean;
  readonly keyIncludesTunnelId: boolean;
}

/** A frame as a test run gives it to the programs. */
export interface GivenPacket {
  readonly bytes: Uint8Array;
  /** On the wire; at least the bytes given. */
  readonly wireLength: number;
  readonly atNs: number;
  readonly gsoSegments: number;
  readonly gsoSize: number;
}

/** One IP packet of the nest. */
export interface Layer {
  readonly datagram: Datagram;
  readonly transport: Transport;
  /** The outermost VLAN tag up to here that is not zero. */
  readonly vlan: number;
  /** Source of the Ethernet header right in front of it. */
  readonly mac?: Uint8Array;
  /** As it stands in the key. */
  readonly tunnelId: number;
  /** Encapsulation by which it carries the next layer. */
  readonly carries?: { readonly kind: number; readonly id?: number };
}

/** A counter's name and what it is raised by. */
export interface Note {
  readonly counter: string;
  readonly packets: number;
  readonly bytes: number;
}

/** What a packet is told as. `notes` are all counters it raises, `flow` is there where it is accounted. */
export interface Verdict {
  readonly notes: readonly Note[];
  readonly oriented?: OrientedKey;
  readonly flow?: FlowFields;
}

const ENCAPSULATIONS_MOST = 3;
/** FLOW_KEY_MIRRORED. */
const MIRRORED = 0x80000000;

/** Parses packet after packet; only fragments are remembered. */
export class ReferenceParser {
  readonly #options: ReferenceOptions;
  readonly #fragments: FragmentTable = new FragmentTable();

  constructor(options: ReferenceOptions) {
    this.#options = options;
  }

  parse(packet: GivenPacket): Verdict {
    const scope = {
      bytes: packet.bytes,
      readable: packet.bytes.length,
      carried: packet.wireLength,
      end: packet.wireLength,
    };
    const outermost = this.#readOutermost(scope, packet);
    if (isRefused(outermost)) {
      return refusal(outermost.refusal, outermost.bytes ?? packet.bytes.length);
    }
    const { layers, carried } = this.#descend(outermost, packet);
    return this.#judge(layers, carried, packet);
  }

  #readOutermost(scope: Scope, packet: GivenPacket): Layer | Refused {
    const start = readEthernet(scope, 0);
    if (isRefused(start)) return start;
    const datagram = readDatagram(start, this.#mayLackLength(packet));
    if (isRefused(datagram)) return datagram;
    const transport = transportOf(datagram);
    if (isRefused(transport)) return transport;
    return { datagram, transport, vlan: start.vlan, tunnelId: 0, ...macOf(start.mac) };
  }

  #descend(outermost: Layer, packet: GivenPacket): { layers: readonly Layer[]; carried: Carried } {
    const layers = [outermost];
    for (;;) {
      const layer = layers.at(-1) ?? outermost;
      if (layer.datagram.fragment === "later") return { layers, carried: { kind: "nothing" } };
      const carried = readCarried(layer.datagram, layer.transport, this.#options.ports);
      if (carried.kind !== "packet") return { layers, carried };
      if (layers.length > ENCAPSULATIONS_MOST) return { layers, carried: { kind: "unread" } };
      const { inside, kind, id } = carried.encapsulation;
      const datagram = readDatagram(inside, this.#mayLackLength(packet));
      const transport = isRefused(datagram) ? datagram : transportOf(datagram);
      if (isRefused(datagram) || isRefused(transport) || transport.payloadOffset > inside.scope.carried) {
        return { layers, carried: { kind: "unread" } };
      }
      // What a first fragment carries may be longer than the fragment: only its own length says how long.
      if (layer.datagram.fragment === "first" && !hasLength(inside.scope, datagram)) {
        return { layers, carried: { kind: "unread" } };
      }
      // Segments of the carrier, each with a packet of its own inside: the first alone could be read.
      if (packet.gsoSize > 0 && endOf(datagram) < Math.min(inside.scope.carried, inside.scope.end)) {
        return { layers, carried: { kind: "unread" } };
      }
      const vlan = layer.vlan === 0 ? inside.vlan : layer.vlan;
      layers[layers.length - 1] = { ...layer, carries: { kind, ...(id === undefined ? {} : { id }) } };
      layers.push({
        datagram,
        transport,
        vlan,
        tunnelId: this.#tunnelId(layer.tunnelId, kind, id),
        ...macOf(inside.mac),
      });
    }
  }

  #judge(layers: readonly Layer[], carried: Carried, packet: GivenPacket): Verdict {
    const innermost = layers.at(-1) as Layer;
    const counted = countWire(innermost, packet);
    const notes: Note[] = [];
    let waited = 0;
    for (const layer of layers) {
      if (layer.datagram.fragment !== "first") continue;
      const isCarrier = layer !== innermost;
      waited += this.#fragments.addFirst(this.#place(layer), layer.transport, isCarrier, packet.atNs);
    }
    if (waited > 0) notes.push({ counter: "fragment_reordered", packets: waited, bytes: 0 });
    let ports = innermost.transport;
    if (innermost.datagram.fragment === "later") {
      const found = this.#fragments.findLater(this.#place(innermost), packet.atNs);
      if (found.kind === "carrier") {
        return { notes: [...notes, { counter: "fragment_encapsulated", ...counted }] };
      }
      if (found.kind === "nothing") notes.push({ counter: "fragment", ...counted });
      if (found.kind === "ports") ports = { ...found.ports, tcpFlags: 0, espSpi: 0 };
    }
    if (carried.kind === "unread") notes.push({ counter: "encapsulated_unread", ...counted });
    notes.push({ counter: "accounted", ...counted });
    const oriented = this.#key(innermost, ports);
    return { notes, oriented, flow: describeFlow({ layers, carried, ports, counted }) };
  }

  #key(layer: Layer, ports: Transport): OrientedKey {
    const { source, destination, version } = layer.datagram;
    const { vlan, tunnelId } = this.#place(layer);
    return formKey({ source, destination, ipVersion: version, vlan, tunnelId }, ports);
  }

  #place({ datagram, vlan, tunnelId }: Layer): { datagram: Datagram; vlan: number; tunnelId: number } {
    return { datagram, vlan: this.#options.keyIncludesVlan ? vlan : 0, tunnelId };
  }

  /** What a mirror session carries is a copy: never the same flow as the original. */
  #tunnelId(outer: number, kind: number, id: number | undefined): number {
    if (kind === ENCAPSULATION.erspan) return (MIRRORED | (id ?? 0)) >>> 0;
    const own = this.#options.keyIncludesTunnelId ? keyId(kind, id) : undefined;
    return own === undefined ? outer : ((outer & MIRRORED) | own) >>> 0;
  }

  #mayLackLength(packet: GivenPacket): boolean {
    return this.#options.isReplay || packet.gsoSize > 0 || packet.gsoSegments > 0;
  }
}

function refusal(counter: Refusal, bytes: number): Verdict {
  return { notes: [{ counter, packets: 1, bytes }] };
}

function transportOf(datagram: Datagram): Transport | Refused {
  return datagram.fragment === "later"
    ? none(datagram.protocol, datagram.transportOffset)
    : readTransport(datagram);
}

function macOf(mac: Uint8Array | undefined): { readonly mac?: Uint8Array } {
  return mac === undefined ? {} : { mac };
}

function endOf({ offset, bytes, jumboBytes }: Datagram): number {
  return offset + bytes + jumboBytes;
}

function hasLength(scope: Scope, { offset, version }: Datagram): boolean {
  return uint16(scope, offset + (version === 4 ? 2 : 4)) !== 0;
}

/** A TEID is chosen by the end that receives, so it differs by direction and names no network. */
function keyId(kind: number, id: number | undefined): number | undefined {
  return kind === ENCAPSULATION.gtp ? undefined : id;
}

/** Packets on the wire and their layer-3 bytes: a super-packet's headers are repeated. */
function countWire({ datagram, transport }: Layer, packet: GivenPacket): { packets: number; bytes: number } {
  const { gsoSegments, gsoSize } = packet;
  const payload = datagram.offset + datagram.bytes + datagram.jumboBytes - transport.payloadOffset;
  const derived = gsoSize > 0 && gsoSize < 0xffff ? Math.ceil(payload / gsoSize) : 1;
  const packets = Math.max(1, gsoSegments === 0 ? derived : gsoSegments);
  const headerBytes = transport.payloadOffset - datagram.offset - datagram.jumboBytes;
  return { packets, bytes: datagram.bytes + (packets - 1) * headerBytes };
}
