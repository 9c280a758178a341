// Community ID v1 of a packet (https://github.com/corelight/community-id-spec). tshark computes it too, of the innermost
// packet, but for later fragments without ports. The specification has no rule for one whose first is missing: we hash
// the ports that its record has, which are 0.

import { createHash } from "node:crypto";
import { isIPv4 } from "node:net";

/** What the identifier is made of. */
export interface IdentifiedPacket {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  /** Undefined where the protocol has none, or they are not known. */
  readonly ports: readonly [number, number] | undefined;
  readonly icmp: { readonly type: number; readonly code: number } | undefined;
}

/** The protocols for which the specification names ports, or what stands for them: ICMP, TCP, UDP, ICMPv6, SCTP. */
const WITH_PORTS: ReadonlySet<number> = new Set([1, 6, 17, 58, 132]);

/** Messages and their answers, as the specification's own implementations list them. */
const ANSWERS: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  1: [
    [8, 0],
    [10, 9],
    [13, 14],
    [15, 16],
    [17, 18],
  ],
  58: [
    [128, 129],
    [130, 131],
    [133, 134],
    [135, 136],
    [139, 140],
    [144, 145],
  ],
};

/** @param seed 16 bits */
export function expectedCommunityId(packet: IdentifiedPacket, seed: number): string {
  const { protocol, icmp } = packet;
  const answer = icmp === undefined ? undefined : answerTo(protocol, icmp.type);
  const numbers = portsOf(packet, answer);
  const from = Buffer.concat([octets(packet.source), portOctets(numbers?.[0])]);
  const to = Buffer.concat([octets(packet.destination), portOctets(numbers?.[1])]);
  const isOneWay = icmp !== undefined && answer === undefined;
  const isTurned = !isOneWay && Buffer.compare(from, to) > 0;
  const [low, high] = isTurned ? [to, from] : [from, to];
  const size = octets(packet.source).length;
  const hash = createHash("sha1")
    .update(Buffer.from([seed >> 8, seed & 0xff]))
    .update(low.subarray(0, size))
    .update(high.subarray(0, size))
    .update(Buffer.from([protocol, 0]))
    .update(low.subarray(size))
    .update(high.subarray(size));
  return `1:${hash.digest("base64")}`;
}

function portsOf(
  { protocol, ports, icmp }: IdentifiedPacket,
  answer: number | undefined,
): readonly [number, number] | undefined {
  if (icmp !== undefined) return [icmp.type, answer ?? icmp.code];
  return WITH_PORTS.has(protocol) ? ports : undefined;
}

function answerTo(protocol: number, type: number): number | undefined {
  const pair = ANSWERS[protocol]?.find((both) => both.includes(type));
  return pair === undefined ? undefined : pair[0] === type ? pair[1] : pair[0];
}

function portOctets(port: number | undefined): Buffer {
  return Buffer.from(port === undefined ? [] : [port >> 8, port & 0xff]);
}

function octets(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const first = groups(head);
  const last = groups(tail ?? "");
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return Buffer.from([...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 0xff]));
}

function groups(text: string): readonly number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}
