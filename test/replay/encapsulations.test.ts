// Situations of which there is no capture, against tshark: every encapsulation that is read through, and what stops at
// one. Each packet inside has ports of its own, so that each situation is a conversation.

import { describe, test } from "bun:test";
import { authenticationHeader, fragmentHeader } from "../support/extensions.ts";
import {
  type Extension,
  filler,
  frame,
  ip,
  ipv4,
  ipv6,
  type NetworkPacket,
  type Segment,
} from "../support/packets.ts";
import { erspan1, erspan2, erspan3, gre, ipInIp } from "../support/packets-gre.ts";
import { authenticated, esp, espInUdp, wireguard } from "../support/packets-ipsec.ts";
import { mpls, pppoe } from "../support/packets-link.ts";
import { geneve, gtp, udpWith, vxlan, vxlanGpe } from "../support/packets-udp-tunnels.ts";
import { icmp, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { expectTsharksView } from "./agreement.ts";
import { pcap, type Written } from "./pcap-writer.ts";
import { writeTemporaryFile } from "./temporary-file.ts";

const TIMEOUT_MS = 30_000;
const START = 1_700_000_000_000_000_000n;
const A = "10.0.0.1";
const B = "10.0.0.2";
const A6 = "2001:db8:0:0:0:0:0:1";
const B6 = "2001:db8:0:0:0:0:0:2";
const OUTER = { source: "192.0.2.1", destination: "192.0.2.2" };
const ELSEWHERE = { source: "192.0.2.9", destination: "192.0.2.8" };

/** Destination options: eight bytes with nothing but padding. RFC 8200, section 4.2. */
const EMPTY_OPTIONS: Extension = { kind: 60, bytes: Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0) };

let port = 20_000;

/** A packet of a conversation of its own. */
function inner(bytes = 20): NetworkPacket {
  return ip(A, B, udp([++port, 9999], bytes));
}

type Wrap = (packet: NetworkPacket) => Uint8Array;

/** A conversation whose answer is seen first, each way in a frame of its own. Its ports tell who asked. */
function exchange(answerIn: Wrap, questionIn: Wrap): readonly Uint8Array[] {
  const ephemeral = ++port + 20_000;
  return [answerIn(ip(B, A, udp([9999, ephemeral], 30))), questionIn(ip(A, B, udp([ephemeral, 9999], 20)))];
}

function inner6(bytes = 20): NetworkPacket {
  return ip(A6, B6, tcp([++port, 80], { flags: TCP_FLAG.syn }, bytes));
}

function outer(segment: Segment): NetworkPacket {
  return ipv4(OUTER, segment);
}

const inVxlan = (inside: Uint8Array): NetworkPacket => outer(vxlan(inside));

const SITUATIONS: Readonly<Record<string, () => readonly Uint8Array[]>> = {
  "VXLAN on both its ports, with a tag inside": () => [
    frame(inVxlan(frame(inner()))),
    frame(outer(vxlan(frame(inner6()), { ports: [50_000, 8472], vni: 0xabcdef }))),
    frame(inVxlan(frame(inner(), { tags: [{ ethertype: 0x8100, id: 12 }] }))),
    frame(inVxlan(frame(inner(), { tags: [{ ethertype: 0x8100, id: 12 }] })), {
      tags: [
        { ethertype: 0x88a8, id: 0 },
        { ethertype: 0x8100, id: 7 },
      ],
    }),
  ],
  "VXLAN that is not read through": () => [
    frame(outer(vxlan(frame(inner()), { flags: 0 }))),
    frame(outer(vxlan(frame(inner()), { ports: [4789, 50_000] }))),
    frame(inVxlan(frame({ ethertype: 0x0806, bytes: filler(28) }))),
    frame(inVxlan(frame(ipv4({ source: A, destination: B, totalLength: 2000 }, udp([1, 2], 20))))),
    frame(inVxlan(frame(ip(A, B, { protocol: 6, bytes: filler(12) })))),
  ],
  // Without the bit P, too, GPE carries Ethernet; tshark reads none there.
  "VXLAN-GPE": () => [
    frame(outer(vxlanGpe(inner().bytes, { protocol: 1 }))),
    frame(outer(vxlanGpe(inner6().bytes, { protocol: 2 }))),
    frame(outer(vxlanGpe(frame(inner()), { protocol: 3 }))),
    frame(outer(vxlanGpe(inner().bytes, { flags: 0x0d, protocol: 1 }))),
  ],
  Geneve: () => [
    frame(outer(geneve(frame(inner()), { options: Uint8Array.of(1, 2, 3, 1, 9, 9, 9, 9), vni: 77 }))),
    frame(outer(geneve(inner().bytes, { protocol: 0x0800 }))),
    frame(outer(geneve(inner6().bytes, { protocol: 0x86dd }))),
    frame(ipv6({ source: A6, destination: B6 }, geneve(frame(inner6())))),
    frame(outer(geneve(frame(inner()), { control: true }))),
    frame(outer(geneve(frame(inner()), { version: 1 }))),
  ],
  "GTP-U": () => [
    frame(outer(gtp(inner().bytes))),
    frame(outer(gtp(inner6().bytes, { flags: 0x32 }))),
    frame(outer(gtp(inner().bytes, { extensions: [[0x85, Uint8Array.of(0, 9)]] }))),
    frame(outer(gtp(filler(0), { type: 1, flags: 0x32 }))),
  ],
  GRE: () => [
    frame(outer(gre(0x0800, inner().bytes))),
    frame(outer(gre(0x86dd, inner6().bytes, { key: 5, sequence: 6, checksum: true }))),
    frame(outer(gre(0x6558, frame(inner()), { key: 0x00abcd01 }))),
    frame(outer(gre(0x8847, mpls(inner().bytes, [16, 17]).bytes))),
    frame(outer(gre(0x0800, inner().bytes, { flags: 1 }))),
    frame(outer(gre(0x0806, filler(28)))),
  ],
  ERSPAN: () => [
    ...[inner()].flatMap((original) => [
      frame(original, { tags: [{ ethertype: 0x8100, id: 3 }] }),
      frame(outer(erspan2(frame(original), 300))),
      frame(outer(erspan2(frame(original), 301))),
    ]),
    frame(outer(erspan1(frame(inner())))),
    frame(outer(erspan2(frame(inner()), 300))),
    frame(outer(erspan3(frame(inner()), { session: 301 }))),
    frame(outer(erspan3(frame(inner()), { hasPlatform: true }))),
  ],
  "two ways through one mirror, two tunnels, and two kinds of them": () => [
    ...exchange(
      (answer) => frame(inVxlan(frame(answer))),
      (question) => frame(inVxlan(frame(question))),
    ),
    ...exchange(
      (answer) => frame(ipv4(ELSEWHERE, vxlan(frame(answer), { ports: [50_001, 4789], vni: 7 }))),
      (question) => frame(inVxlan(frame(question))),
    ),
    ...exchange(
      (answer) => frame(outer(gre(0x0800, ip("172.16.0.4", "172.16.0.3", ipInIp(answer)).bytes, { key: 9 }))),
      (question) => frame(outer(gre(0x0800, ip("172.16.0.1", "172.16.0.2", ipInIp(question)).bytes))),
    ),
    ...exchange(
      (answer) => frame(outer(gre(0x0800, answer.bytes, { key: 9 }))),
      (question) => frame(ipv4(ELSEWHERE, vxlan(frame(question)))),
    ),
    ...exchange(
      (answer) => frame(outer(gre(0x0800, answer.bytes))),
      (question) => frame(ipv6({ source: A6, destination: B6 }, gre(0x0800, question.bytes))),
    ),
    ...exchange(
      (answer) => frame(inVxlan(frame(answer))),
      (question) => frame(question),
    ),
  ],
  "IP in IP, alone and in another tunnel": () => [
    frame(outer(ipInIp(inner()))),
    frame(outer(ipInIp(inner6()))),
    frame(ipv6({ source: A6, destination: B6 }, ipInIp(inner()))),
    frame(ipv6({ source: A6, destination: B6 }, ipInIp(inner6()))),
    frame(inVxlan(frame(ip("172.16.0.1", "172.16.0.2", ipInIp(inner()))))),
    frame(outer(ipInIp(ip("172.16.0.1", "172.16.0.2", ipInIp(inner()))))),
    frame(outer(gre(0x0800, ip("172.16.0.1", "172.16.0.2", ipInIp(ip(A6, B6, ipInIp(inner6())))).bytes))),
  ],
  "three encapsulations, and a fourth": () => [
    frame(outer(gre(0x0800, inVxlan(frame(outer(ipInIp(inner6())))).bytes))),
    frame(inVxlan(frame(inVxlan(frame(inVxlan(frame(inVxlan(frame(inner()))))))))),
  ],
  "MPLS and PPPoE": () => [
    frame(mpls(inner().bytes, [16])),
    frame(mpls(inner6().bytes, [16, 17, 18, 19])),
    frame(mpls(inner().bytes, [16, 17, 18, 19, 20])),
    frame(mpls(filler(40), [16])),
    frame(pppoe(inner())),
    frame(pppoe(inner6()), { padTo: 120 }),
    frame(pppoe(inner(), { protocol: 0xc021 })),
    frame(inVxlan(frame(pppoe(inner())))),
  ],
  IPsec: () => [
    frame(outer(authenticated(udp([++port, 9999], 20), 0x1234))),
    frame(
      ipv6({ source: A6, destination: B6, extensions: [authenticationHeader(12)] }, udp([++port, 9], 20)),
    ),
    frame(outer(authenticated(ipInIp(inner()), 0x1234))),
    frame(outer(esp(0x77))),
    frame(inVxlan(frame(ip(A, B, esp(0x78))))),
    frame(outer(espInUdp(0x79))),
    frame(outer(wireguard(4, [9]))),
  ],
  fragments: () => [
    ...fragments(1, tcp([++port, 80], { flags: TCP_FLAG.ack | TCP_FLAG.psh }, 100)),
    ...fragments(2, udp([++port, 9999], 100)).toReversed(),
    ...fragments(3, icmp({ type: 8, identifier: 5 }, 100)),
    ...fragments6(4, udp([++port, 9999], 100)),
    ...fragments6(5, udp([++port, 9999], 100)).slice(1),
    ...fragments(6, { protocol: 89, bytes: filler(100) }),
  ],
  "fragments of what carries a packet, and inside of it": () => [
    ...fragments(11, vxlan(frame(inner(60)))),
    ...fragments(12, ipInIp(inner(60))).toReversed(),
    ...fragments(13, udp([++port, 9999], 100)).map((inside) => frame(inVxlan(inside))),
    ...fragments(14, udpWith([50_000, 4789], filler(100))),
  ],
  "extension headers in front of a tunnel": () => [
    frame(ipv6({ source: A6, destination: B6, extensions: [EMPTY_OPTIONS] }, ipInIp(inner6()))),
    frame(ipv6({ source: A6, destination: B6, extensions: [fragmentHeader(0, false)] }, ipInIp(inner()))),
  ],
};

/** A datagram in pieces of 48 bytes. */
function fragments(identification: number, { protocol, bytes }: Segment): readonly Uint8Array[] {
  const starts = Array.from({ length: Math.ceil(bytes.length / 48) }, (_, index) => index * 48);
  return starts.map((start) => {
    const piece = { protocol, bytes: bytes.subarray(start, start + 48) };
    const moreFragments = start + 48 < bytes.length;
    return frame(ipv4({ ...OUTER, identification, fragmentOffset: start, moreFragments }, piece));
  });
}

function fragments6(identification: number, { protocol, bytes }: Segment): readonly Uint8Array[] {
  const starts = Array.from({ length: Math.ceil(bytes.length / 48) }, (_, index) => index * 48);
  return starts.map((start) => {
    const header = fragmentHeader(start, start + 48 < bytes.length, identification);
    const piece = { protocol, bytes: bytes.subarray(start, start + 48) };
    return frame(ipv6({ source: A6, destination: B6, extensions: [header] }, piece));
  });
}

async function expectAgreement(packets: readonly Omit<Written, "time">[]): Promise<void> {
  const timed = packets.map((packet, index) => ({ ...packet, time: START + BigInt(index) * 1_000_000n }));
  using file = writeTemporaryFile(pcap(timed));
  await expectTsharksView(file.path);
}

describe("replay agrees with tshark on", () => {
  for (const [name, make] of Object.entries(SITUATIONS)) {
    test(name, async () => expectAgreement(make().map((bytes) => ({ bytes }))), TIMEOUT_MS);
  }

  test(
    "packets cut short by the capture at any byte",
    async () => {
      const whole = [frame(inVxlan(frame(inner(40)))), frame(inner6(40)), frame(outer(ipInIp(inner6(40))))];
      const packets = whole.flatMap((bytes) =>
        Array.from({ length: bytes.length }, (_, length) => ({
          bytes: bytes.subarray(0, length + 1),
          originalLength: bytes.length,
        })),
      );
      await expectAgreement(packets);
    },
    TIMEOUT_MS,
  );
});
