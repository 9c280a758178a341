// What the maps must hold after a batch, by the reference: a plain sum of what each packet adds.

import { addressText, macText } from "../bpf/decode-bytes.ts";
import type { FlowFields, LayerFields } from "../support/reference-flow.ts";
import type { ReferenceKey } from "../support/reference-key.ts";
import type { Verdict } from "../support/reference-packet.ts";

export interface ExpectedLayer {
  /** Of the first packet at all. */
  readonly first: LayerFields;
  /** Of the first packet of each way that is like it. */
  readonly ways: [LayerFields | undefined, LayerFields | undefined];
  readonly overhead: [number, number];
  /** The headers are of a life before: only the overhead counts on. */
  readonly isOld: boolean;
}

export interface ExpectedFlow {
  readonly key: ReferenceKey;
  readonly firstWay: 0 | 1;
  readonly first: FlowFields;
  /** First packet of each way. */
  readonly ways: [FlowFields | undefined, FlowFields | undefined];
  readonly packets: [number, number];
  readonly bytes: [number, number];
  readonly tcpFlags: [number, number];
  /** Of the present life, in which a SYN behind FIN both ways or RST begins the next. */
  lifeFlags: [number, number];
  fragments: number;
  tunnel: ExpectedLayer | undefined;
  ipip: ExpectedLayer | undefined;
  tunnelMac: { readonly text: string; readonly way: 0 | 1 } | undefined;
  readonly espSpi: [number, number];
  readonly ahSpi: [number, number];
  readonly wireguard: [number, number];
  isWireguard: boolean;
}

/** Counters and flows of one batch. */
export class Expected {
  readonly counters: Map<string, readonly [number, number]> = new Map();
  readonly flows: Map<string, ExpectedFlow> = new Map();

  add(verdict: Verdict): void {
    for (const { counter, packets, bytes } of verdict.notes) {
      const [before, bytesBefore] = this.counters.get(counter) ?? [0, 0];
      this.counters.set(counter, [before + packets, bytesBefore + bytes]);
    }
    const { oriented, flow } = verdict;
    if (oriented === undefined || flow === undefined) return;
    const { key, way } = oriented;
    const name = nameOf(key);
    const found = this.flows.get(name) ?? begin(key, way, flow);
    this.flows.set(name, found);
    addPacket(found, way, flow);
  }
}

/** Addresses as text, so that a decoded flow's key has the same name. */
export function nameOf(key: ReferenceKey): string {
  const { low, lowPort, high, highPort, protocol, ipVersion, vlan, tunnelId, icmpPairing } = key;
  const ends = `${textOf(low)} ${lowPort} ${textOf(high)} ${highPort}`;
  return `${ends} protocol ${protocol} v${ipVersion} vlan ${vlan} tunnel ${tunnelId} icmp ${icmpPairing}`;
}

/** An address in hex as the decoder of the maps writes it. */
export function textOf(hex: string): string {
  return addressText(viewOf(Uint8Array.from(Buffer.from(hex, "hex"))), 0);
}

export function macOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "00:00:00:00:00:00" : macText(viewOf(bytes), 0);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function begin(key: ReferenceKey, way: 0 | 1, first: FlowFields): ExpectedFlow {
  return {
    key,
    firstWay: way,
    first,
    ways: [undefined, undefined],
    packets: [0, 0],
    bytes: [0, 0],
    tcpFlags: [0, 0],
    lifeFlags: [0, 0],
    fragments: 0,
    tunnel: undefined,
    ipip: undefined,
    tunnelMac: undefined,
    espSpi: [0, 0],
    ahSpi: [0, 0],
    wireguard: [0, 0],
    isWireguard: false,
  };
}

const [FIN, SYN, RST, ACK] = [1, 2, 4, 16] as const;
const TCP = 6;

function begins(flow: ExpectedFlow, packet: FlowFields): boolean {
  const [low, high] = flow.lifeFlags;
  const isOver = (low & high & FIN) !== 0 || ((low | high) & RST) !== 0;
  return flow.key.protocol === TCP && isOver && (packet.tcpFlags & (SYN | ACK)) === SYN;
}

/** What is said of a packet's way is said anew by the packets of a new life. */
function beginLife(flow: ExpectedFlow): void {
  flow.lifeFlags = [0, 0];
  flow.tunnel = flow.tunnel && { ...flow.tunnel, isOld: true };
  flow.ipip = flow.ipip && { ...flow.ipip, isOld: true };
  flow.tunnelMac = undefined;
  flow.ahSpi.fill(0);
}

function addPacket(flow: ExpectedFlow, way: 0 | 1, packet: FlowFields): void {
  if (begins(flow, packet)) beginLife(flow);
  flow.lifeFlags[way] |= packet.tcpFlags;
  flow.ways[way] ??= packet;
  flow.packets[way] += packet.packets;
  flow.bytes[way] += packet.bytes;
  flow.tcpFlags[way] |= packet.tcpFlags;
  flow.fragments += packet.isFragment ? packet.packets : 0;
  flow.tunnel = addLayer(flow.tunnel, way, packet.tunnel);
  flow.ipip = addLayer(flow.ipip, way, packet.ipip);
  if (packet.tunnelMac !== undefined) flow.tunnelMac ??= { text: macOf(packet.tunnelMac), way };
  flow.espSpi[way] = packet.espSpi || flow.espSpi[way];
  flow.ahSpi[way] = packet.ahSpi || flow.ahSpi[way];
  if (packet.wireguard === undefined) return;
  const { source, destination } = packet.wireguard;
  flow.isWireguard = true;
  flow.wireguard[way] = source || flow.wireguard[way];
  flow.wireguard[way === 0 ? 1 : 0] = destination || flow.wireguard[way === 0 ? 1 : 0];
}

function addLayer(
  before: ExpectedLayer | undefined,
  way: 0 | 1,
  packet: LayerFields | undefined,
): ExpectedLayer | undefined {
  if (packet === undefined) return before;
  const overhead = before?.overhead ?? [0, 0];
  const isFirst = before === undefined || before.isOld;
  const layer: ExpectedLayer = isFirst
    ? { first: packet, ways: [undefined, undefined], overhead, isOld: false }
    : before;
  layer.overhead[way] += packet.overheadBytes;
  if (packet.kind === layer.first.kind && packet.ipVersion === layer.first.ipVersion) {
    layer.ways[way] ??= packet;
  }
  return layer;
}
