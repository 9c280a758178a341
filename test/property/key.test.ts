// form_key over random ends, against an order computed here from the bytes of address and port.

import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import fc from "fast-check";
import { Bench } from "../bpf/bench.ts";
import { frame, ip, type Segment } from "../support/packets.ts";
import { dccp, icmp, icmpv6, opaque, sctp, tcp, udp } from "../support/segments.ts";

interface End {
  readonly address: string;
  readonly port: number;
}

interface Conversation {
  readonly from: End;
  readonly to: End;
  readonly protocol: number;
}

const PORT_PROTOCOLS = [6, 17, 33, 132, 136];
const OTHER_PROTOCOLS = [4, 47, 50, 89, 200];

// Few values often, so that ends share an address or a port; any value sometimes.
const port = fc.oneof(fc.constantFrom(0, 1, 255, 256, 32768, 65535), fc.integer({ min: 0, max: 65535 }));
const octet = fc.oneof(fc.constantFrom(0, 1, 127, 128, 255), fc.integer({ min: 0, max: 255 }));
const group = fc.oneof(fc.constantFrom(0, 1, 0x7fff, 0x8000, 0xffff), fc.integer({ min: 0, max: 0xffff }));
const address4 = fc.array(octet, { minLength: 4, maxLength: 4 }).map((octets) => octets.join("."));
const address6 = fc
  .array(group, { minLength: 8, maxLength: 8 })
  .filter((groups) => groups.slice(0, 5).some((value) => value !== 0) || groups[5] !== 0xffff)
  .map((groups) => groups.map((value) => value.toString(16)).join(":"));
const protocol = fc.constantFrom(...PORT_PROTOCOLS, ...OTHER_PROTOCOLS);

const conversation: fc.Arbitrary<Conversation> = fc.oneof(address4, address6).chain((first) => {
  const address = first.includes(":") ? address6 : address4;
  return fc.record({
    from: fc.record({ address: fc.constant(first), port }),
    to: fc.record({ address: fc.oneof(address, fc.constant(first)), port }),
    protocol,
  });
});

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function segment(number: number, ports: readonly [number, number]): Segment {
  switch (number) {
    case 6:
      return tcp(ports);
    case 17:
      return udp(ports);
    case 33:
      return dccp(ports);
    case 132:
      return sctp(ports);
    case 136:
      return udp(ports, 0, 136);
    default:
      return opaque(number, 16);
  }
}

function send({ from, to, protocol: number }: Conversation): void {
  bench.runOrRefuse(frame(ip(from.address, to.address, segment(number, [from.port, to.port]))));
}

/** An end as bytes whose order is the order of ends: address, then port, most significant byte first. */
function rank({ address, port: number }: End, hasPorts: boolean): string {
  const groups = address.includes(":")
    ? address.split(":")
    : address.split(".").map((part) => Number(part).toString(16));
  return [...groups, hasPorts ? number.toString(16) : "0"].map((part) => part.padStart(4, "0")).join("");
}

/** Low end, high end and protocol as one text; and which way the packet went. */
function expected(sent: Conversation): { readonly key: string; readonly way: 0 | 1 } {
  const hasPorts = PORT_PROTOCOLS.includes(sent.protocol);
  const isFromHigh = rank(sent.from, hasPorts) > rank(sent.to, hasPorts);
  const [low, high] = isFromHigh ? [sent.to, sent.from] : [sent.from, sent.to];
  const name = (end: End): string => `${end.address} ${hasPorts ? end.port : 0}`;
  return { key: `${name(low)} ${name(high)} ${sent.protocol}`, way: isFromHigh ? 1 : 0 };
}

test("form_key joins both directions of any conversation in one entry, each in its way", () => {
  fc.assert(
    fc.property(conversation, (sent) => {
      bench.reset();
      const isSame = rank(sent.from, true) === rank(sent.to, true);
      const { key, way } = expected(sent);
      send(sent);
      send(sent);
      send({ ...sent, from: sent.to, to: sent.from });
      const flow = bench.flow();
      expect(`${flow.low} ${flow.lowPort} ${flow.high} ${flow.highPort} ${flow.protocol}`).toBe(key);
      const back = expected({ ...sent, from: sent.to, to: sent.from }).way;
      const counts = [0, 0];
      counts[way] = (counts[way] ?? 0) + 2;
      counts[back] = (counts[back] ?? 0) + 1;
      expect(flow.ways.map((stats) => stats.packets)).toEqual(counts);
      if (isSame) expect(back).toBe(way);
    }),
    { numRuns: 2000 },
  );
});

test("form_key never joins different conversations", () => {
  fc.assert(
    fc.property(fc.array(conversation, { minLength: 2, maxLength: 60 }), (sent) => {
      bench.reset();
      const packets = new Map<string, number>();
      for (const one of sent) {
        send(one);
        const { key } = expected(one);
        packets.set(key, (packets.get(key) ?? 0) + 1);
      }
      const found = bench
        .flows()
        .map((flow): [string, number] => [
          `${flow.low} ${flow.lowPort} ${flow.high} ${flow.highPort} ${flow.protocol}`,
          flow.ways[0].packets + flow.ways[1].packets,
        ]);
      expect(new Map(found.sort())).toEqual(new Map([...packets].sort()));
    }),
    { numRuns: 300 },
  );
});

test("form_key joins an echo request with its reply and no other identifier's", () => {
  const ends = fc.oneof(fc.tuple(address4, address4), fc.tuple(address6, address6));
  fc.assert(
    fc.property(ends, port, port, ([from, to], identifier, other) => {
      bench.reset();
      const isIpv6 = from.includes(":");
      const build = isIpv6 ? icmpv6 : icmp;
      const [request, reply] = isIpv6 ? [128, 129] : [8, 0];
      bench.runOrRefuse(frame(ip(from, to, build({ type: request, identifier }))));
      bench.runOrRefuse(frame(ip(to, from, build({ type: reply, identifier }))));
      bench.runOrRefuse(frame(ip(to, from, build({ type: reply, identifier: other }))));
      expect(bench.flows().length).toBe(identifier === other ? 1 : 2);
    }),
    { numRuns: 500 },
  );
});
