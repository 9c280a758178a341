import { describe, expect, test } from "bun:test";
import { ICMP_PAIRING } from "../../../src/capture/record.ts";
import {
  type DirectionContext,
  highPort,
  lowPort,
  orient,
  RULE,
  type Sighting,
} from "../../../src/flow/direction.ts";
import { CONTEXT } from "./driver.ts";
import { type KeyFields, keyOf } from "./kernel-model.ts";

const NOTHING_SEEN: Sighting = {
  initiator: 0,
  firstWay: 0,
  seenWays: 1,
  icmp: 0,
  lowHook: 0,
  highHook: 0,
};
const LOW = 0;
const HIGH = 1;
const [UDP, ICMP, GRE, DCCP, ICMPV6, SCTP] = [17, 1, 47, 33, 58, 132];
const { paired, echo, oneWayLow, oneWayHigh } = ICMP_PAIRING;

interface Situation {
  readonly name: string;
  readonly key: KeyFields;
  readonly seen?: Partial<Sighting>;
  /** Ports that a socket listens on, at whichever address. */
  readonly listening?: readonly number[];
  readonly isOtherLocal?: boolean;
  readonly rule: number;
  readonly source: number;
}

const SITUATIONS: readonly Situation[] = [
  {
    name: "SYN of the high end, whatever the ports",
    key: { lowPort: 40000, highPort: 443 },
    seen: { initiator: 2 },
    listening: [443],
    rule: RULE.handshake,
    source: HIGH,
  },
  {
    name: "SYN of the low end",
    key: {},
    seen: { initiator: 1, firstWay: 1 },
    rule: RULE.handshake,
    source: LOW,
  },
  {
    name: "an initiator of a protocol without SYN counts for nothing",
    key: { protocol: UDP, lowPort: 53, highPort: 50000 },
    seen: { initiator: 1 },
    rule: RULE.ports,
    source: HIGH,
  },
  {
    name: "TCP in mid-flow, low end listens",
    key: { lowPort: 50001, highPort: 50002 },
    listening: [50001],
    rule: RULE.listener,
    source: HIGH,
  },
  {
    name: "UDP, high end listens above the ephemeral range",
    key: { protocol: UDP, lowPort: 5300, highPort: 61000 },
    listening: [61000],
    rule: RULE.listener,
    source: LOW,
  },
  {
    name: "both ends listen: by ports",
    key: { lowPort: 443, highPort: 50000 },
    listening: [443, 50000],
    rule: RULE.ports,
    source: HIGH,
  },
  {
    name: "a resolver on a low port of its own: by ports",
    key: { protocol: UDP, lowPort: 53, highPort: 5354 },
    listening: [5354],
    rule: RULE.ports,
    source: HIGH,
  },
  {
    name: "the same port, called by a neighbour on this node",
    key: { protocol: UDP, lowPort: 53, highPort: 5354 },
    listening: [5354],
    isOtherLocal: true,
    rule: RULE.listener,
    source: LOW,
  },
  {
    name: "TCP, called from a well-known port",
    key: { lowPort: 800, highPort: 2049 },
    listening: [2049],
    rule: RULE.listener,
    source: LOW,
  },
  {
    name: "a listener is asked for TCP and UDP only",
    key: { protocol: SCTP, lowPort: 40001, highPort: 36412 },
    listening: [40001],
    rule: RULE.firstPacket,
    source: LOW,
  },
  {
    name: "echo request by the high end",
    key: { protocol: ICMP, icmpPairing: echo, lowPort: 7, highPort: 7 },
    seen: { seenWays: 2, firstWay: 1, icmp: 8 << 8 },
    rule: RULE.icmpRequest,
    source: HIGH,
  },
  {
    name: "echo reply seen first, request later",
    key: { protocol: ICMP, icmpPairing: echo },
    seen: { seenWays: 3, firstWay: 1, icmp: 8 },
    rule: RULE.icmpRequest,
    source: LOW,
  },
  {
    name: "echo reply alone",
    key: { protocol: ICMP, icmpPairing: echo },
    seen: { seenWays: 2, firstWay: 1, icmp: 0 },
    rule: RULE.firstPacket,
    source: HIGH,
  },
  {
    name: "ICMPv6 echo request",
    key: { protocol: ICMPV6, icmpPairing: echo },
    seen: { seenWays: 3, icmp: 128 | (129 << 8) },
    rule: RULE.icmpRequest,
    source: LOW,
  },
  {
    name: "an ICMPv6 request's number means nothing in ICMP",
    key: { protocol: ICMP, icmpPairing: echo },
    seen: { icmp: 128 },
    rule: RULE.firstPacket,
    source: LOW,
  },
  {
    name: "neighbour solicitation, type in the ports",
    key: { protocol: ICMPV6, icmpPairing: paired, lowPort: 136, highPort: 135 },
    seen: { seenWays: 3, firstWay: 0 },
    rule: RULE.icmpRequest,
    source: HIGH,
  },
  {
    name: "unsolicited advertisement: its sender",
    key: { protocol: ICMPV6, icmpPairing: paired, lowPort: 136, highPort: 135 },
    rule: RULE.firstPacket,
    source: LOW,
  },
  {
    name: "one-way error: its sender, initiator unknown",
    key: { protocol: ICMP, icmpPairing: oneWayHigh, lowPort: 1, highPort: 3 },
    seen: { seenWays: 2, firstWay: 1 },
    rule: RULE.firstPacket,
    source: HIGH,
  },
  {
    name: "one-way request type: its sender",
    key: { protocol: ICMP, icmpPairing: oneWayLow, lowPort: 42, highPort: 0 },
    rule: RULE.icmpRequest,
    source: LOW,
  },
  {
    name: "one side below the ephemeral range",
    key: { protocol: UDP, lowPort: 5353, highPort: 40000 },
    rule: RULE.ports,
    source: HIGH,
  },
  { name: "both below, one well known", key: { lowPort: 5000, highPort: 80 }, rule: RULE.ports, source: LOW },
  {
    name: "both below, neither well known: the first packet",
    key: { lowPort: 5000, highPort: 6000 },
    seen: { firstWay: 1 },
    rule: RULE.firstPacket,
    source: HIGH,
  },
  {
    name: "both well known: the first packet",
    key: { protocol: UDP, lowPort: 123, highPort: 53 },
    rule: RULE.firstPacket,
    source: LOW,
  },
  { name: "both above", key: { lowPort: 40000, highPort: 50000 }, rule: RULE.firstPacket, source: LOW },
  {
    name: "DCCP has ports",
    key: { protocol: DCCP, lowPort: 40000, highPort: 5001 },
    rule: RULE.ports,
    source: LOW,
  },
  {
    name: "GRE has none",
    key: { protocol: GRE, lowPort: 0, highPort: 0 },
    seen: { firstWay: 1, seenWays: 2 },
    rule: RULE.firstPacket,
    source: HIGH,
  },
];

function withListeners(ports: readonly number[], isOtherLocal: boolean): DirectionContext {
  return {
    ...CONTEXT,
    isLocalAddress: () => isOtherLocal,
    isListening: (_protocol, port, words, addressAt) => {
      expect(words[addressAt + 2]).toBe(0xffff0000);
      return ports.includes(port);
    },
  };
}

describe("orient answers by the first rule for", () => {
  for (const { name, key, seen, listening, isOtherLocal = false, rule, source } of SITUATIONS) {
    test(name, () => {
      const sighting: Sighting = { ...NOTHING_SEEN, ...seen };
      const found = orient(keyOf(key), 0, sighting, withListeners(listening ?? [], isOtherLocal));
      expect({ rule: found >>> 1, source: found & 1 }).toEqual({ rule, source });
    });
  }
});

test("orient asks for the listener at its own address", () => {
  const asked: (readonly [number, number])[] = [];
  const isListening = (_protocol: number, port: number, _words: Uint32Array, addressAt: number): boolean => {
    asked.push([port, addressAt]);
    return false;
  };
  const keys = new Uint32Array(24);
  keys.set(keyOf({ lowPort: 1111, highPort: 2222 }), 12);
  orient(keys, 12, NOTHING_SEEN, { ...CONTEXT, isListening });
  expect(asked).toEqual([
    [1111, 12],
    [2222, 16],
  ]);
  expect([lowPort(keys, 12), highPort(keys, 12)]).toEqual([1111, 2222]);
});

const POD_INGRESS = 1 << 1;
const POD_EGRESS = (1 << 1) | 1;
const NIC_INGRESS = 2 << 1;
const NIC_EGRESS = (2 << 1) | 1;

/** Interfaces that the ends are said to be behind, where their packets have these hooks. */
function behindOf(lowHook: number, highHook: number): readonly number[] {
  const asked: number[] = [];
  const isListening = (...[, , , , behind]: Parameters<DirectionContext["isListening"]>): boolean => {
    asked.push(behind);
    return false;
  };
  orient(keyOf({}), 0, { ...NOTHING_SEEN, lowHook, highHook }, { ...CONTEXT, isListening });
  return asked;
}

test("orient asks for the listener behind the workload's interface that an end's packets enter or leave by", () => {
  expect(behindOf(POD_INGRESS, NIC_INGRESS)).toEqual([1, 0]);
  expect(behindOf(NIC_INGRESS, POD_INGRESS)).toEqual([0, 1]);
  expect(behindOf(0, POD_EGRESS)).toEqual([1, 0]);
  expect(behindOf(POD_EGRESS, 0)).toEqual([0, 1]);
  expect(behindOf(NIC_EGRESS, NIC_INGRESS)).toEqual([0, 0]);
  expect(behindOf(0, 0)).toEqual([0, 0]);
});
