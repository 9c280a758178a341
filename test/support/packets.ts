// Frames for tests, built from the RFCs and from nothing of src/: Ethernet with tags, IPv4 with options and fragments,
// IPv6 with extension headers. Lengths are right unless a test overrides them; checksums are zero.

/** A transport header with its payload. */
export interface Segment {
  readonly protocol: number;
  readonly bytes: Uint8Array;
}

/** An IP packet, or whatever else an Ethernet frame carries. */
export interface NetworkPacket {
  readonly ethertype: number;
  readonly bytes: Uint8Array;
}

/** An IPv6 extension header whose first octet, the next header, is filled in by {@link ipv6}. */
export interface Extension {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

export interface Ipv4Fields {
  readonly source: string;
  readonly destination: string;
  readonly tos?: number;
  readonly ttl?: number;
  readonly identification?: number;
  /** Offset of a fragment in bytes, a multiple of 8. */
  readonly fragmentOffset?: number;
  readonly moreFragments?: boolean;
  readonly dontFragment?: boolean;
  /** Options, a multiple of 4 bytes. */
  readonly options?: Uint8Array;
  /** Overrides that make the header lie. */
  readonly totalLength?: number;
  readonly headerWords?: number;
  readonly version?: number;
}

export interface Ipv6Fields {
  readonly source: string;
  readonly destination: string;
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  readonly hopLimit?: number;
  readonly extensions?: readonly Extension[];
  /** Overrides that make the header lie. */
  readonly payloadLength?: number;
  readonly version?: number;
}

/** A VLAN tag; `ethertype` is its own (0x8100 or 0x88a8). */
export interface Tag {
  readonly ethertype: number;
  readonly id: number;
  readonly priority?: number;
}

export interface FrameFields {
  readonly tags?: readonly Tag[];
  readonly sourceMac?: string;
  /** Pads the frame to so many bytes. */
  readonly padTo?: number;
}

export const SOURCE_MAC = "02:00:00:00:00:0a";
const DESTINATION_MAC = "02:00:00:00:00:0b";

/** What fills payloads and padding: read as a port it is 42405. */
const FILL = 0xa5;

/** 16-bit big-endian words as bytes. */
export function words(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [(value >> 8) & 0xff, value & 0xff]));
}

/** `length` bytes that are not zero, so that what is wrongly read of them shows. */
export function filler(length: number): Uint8Array {
  return new Uint8Array(length).fill(FILL);
}

/** An IPv4 packet around `segment`. RFC 791. */
export function ipv4(fields: Ipv4Fields, segment: Segment): NetworkPacket {
  const options = fields.options ?? new Uint8Array(0);
  const headerBytes = 20 + options.length;
  const flags = (fields.dontFragment ? 0x4000 : 0) | (fields.moreFragments ? 0x2000 : 0);
  const header = Uint8Array.of(
    ((fields.version ?? 4) << 4) | (fields.headerWords ?? headerBytes / 4),
    fields.tos ?? 0,
    ...words(fields.totalLength ?? headerBytes + segment.bytes.length),
    ...words(fields.identification ?? 0x1234),
    ...words(flags | ((fields.fragmentOffset ?? 0) >> 3)),
    fields.ttl ?? 64,
    segment.protocol,
    ...words(0),
    ...parseIpv4(fields.source),
    ...parseIpv4(fields.destination),
  );
  return { ethertype: 0x0800, bytes: Buffer.concat([header, options, segment.bytes]) };
}

/** An IPv6 packet with its chain of extension headers around `segment`. RFC 8200. */
export function ipv6(fields: Ipv6Fields, segment: Segment): NetworkPacket {
  const extensions = fields.extensions ?? [];
  const nexts = [...extensions.map((extension) => extension.kind), segment.protocol];
  const chain = extensions.map((extension, index) =>
    Uint8Array.of(nexts[index + 1] ?? 0, ...extension.bytes.subarray(1)),
  );
  const payload = Buffer.concat([...chain, segment.bytes]);
  const trafficClass = fields.trafficClass ?? 0;
  const flowLabel = fields.flowLabel ?? 0;
  const header = Uint8Array.of(
    ((fields.version ?? 6) << 4) | (trafficClass >> 4),
    ((trafficClass & 0x0f) << 4) | (flowLabel >> 16),
    ...words(flowLabel & 0xffff),
    ...words(fields.payloadLength ?? payload.length),
    nexts[0] ?? 0,
    fields.hopLimit ?? 64,
    ...parseIpv6(fields.source),
    ...parseIpv6(fields.destination),
  );
  return { ethertype: 0x86dd, bytes: Buffer.concat([header, payload]) };
}

/** A packet of the family of its addresses, with every optional field at its default. */
export function ip(source: string, destination: string, segment: Segment): NetworkPacket {
  return source.includes(":")
    ? ipv6({ source, destination }, segment)
    : ipv4({ source, destination }, segment);
}

/** An Ethernet II frame, tags outermost first. */
export function frame(packet: NetworkPacket, fields: FrameFields = {}): Uint8Array {
  const tags = fields.tags ?? [];
  const link = Buffer.concat([
    parseMac(DESTINATION_MAC),
    parseMac(fields.sourceMac ?? SOURCE_MAC),
    ...tags.flatMap((tag) => [words(tag.ethertype), words(((tag.priority ?? 0) << 13) | tag.id)]),
    words(packet.ethertype),
  ]);
  const padding = Math.max(0, (fields.padTo ?? 0) - link.length - packet.bytes.length);
  return Buffer.concat([link, packet.bytes, filler(padding)]);
}

function parseMac(text: string): Uint8Array {
  return Uint8Array.from(text.split(":").map((octet) => Number.parseInt(octet, 16)));
}

function parseIpv4(text: string): Uint8Array {
  return Uint8Array.from(text.split(".").map(Number));
}

/** Eight groups, written out. */
function parseIpv6(text: string): Uint8Array {
  const groups = text.split(":").map((group) => Number.parseInt(group, 16));
  if (groups.length !== 8) throw new Error(`Write all eight groups of ${text}`);
  return words(...groups);
}
