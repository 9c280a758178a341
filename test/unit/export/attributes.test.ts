import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ABSENT } from "../../../src/export/attribute.ts";
import { ATTRIBUTES, EVERY_ATTRIBUTE } from "../../../src/export/attributes.ts";
import { createNdjsonFormatter } from "../../../src/export/ndjson.ts";
import { RecordRow } from "../../../src/export/row.ts";
import { anyRecord, batchOf, ipv4, type RecordFields, TCP_RECORD } from "../../collector/records.ts";

const formatNdjson = createNdjsonFormatter(EVERY_ATTRIBUTE);

function attributesOf(record: RecordFields): Record<string, unknown> {
  const row = new RecordRow();
  row.open(batchOf([record]));
  return JSON.parse(formatNdjson(row)).attributes;
}

const V6_ECHO: RecordFields = {
  source: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1],
  destination: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 2],
  protocol: 58,
  ipVersion: 6,
  spanKind: 1,
  endReason: 1,
  flags: 2,
  forward: [1n, 104n, 1n, 104n],
  trafficClass: [1, 0xff],
  ttl: [0, 99],
  flowLabels: [0, 7],
  icmp: [128, 0, 129, 9],
  handshakeNs: 5,
  tcpFlags: [2, 18],
};

describe("ATTRIBUTES", () => {
  test("say all of a TCP record, written out by hand", () => {
    expect(attributesOf(TCP_RECORD)).toEqual({
      "flow.community_id": "1:tlifxqsNyCzxIJnRwtQKuZToQQw=",
      "flow.direction": "forward",
      "flow.end_reason": "end_of_flow_detected",
      "network.type": "ipv4",
      "network.transport": "tcp",
      "source.address": "10.1.2.3",
      "source.port": 41234,
      "destination.address": "192.0.2.200",
      "destination.port": 443,
      "flow.bytes.delta": 3456,
      "flow.packets.delta": 12,
      "flow.bytes.total": 13_456,
      "flow.packets.total": 112,
      "flow.reverse.bytes.delta": 8192,
      "flow.reverse.packets.delta": 10,
      "flow.reverse.bytes.total": 5_000_000_000,
      "flow.reverse.packets.total": 110,
      "flow.connection.state": "time_wait",
      "flow.tcp.flags.bits": 0x1a,
      "flow.tcp.flags.tags": ["SYN", "PSH", "ACK"],
      "flow.reverse.tcp.flags.bits": 0x12,
      "flow.reverse.tcp.flags.tags": ["SYN", "ACK"],
      "flow.tcp.handshake.latency": 1_234_567,
      "flow.tcp.rndtrip.latency": 5_000_000_000,
      "flow.tcp.rndtrip.jitter": 4_000_000_000,
      "flow.tcp.retransmits": 3,
      "flow.tcp.out_of_order": 0,
      "flow.reverse.tcp.retransmits": 0,
      "flow.reverse.tcp.out_of_order": 4,
      "network.interface.index": 2,
      "network.interface.name": "eth0",
      "network.interface.mac": "02:42:ac:11:00:02",
      "network.vlan.id": 100,
      "flow.ip.dscp.id": 46,
      "flow.ip.dscp.name": "ef",
      "flow.ip.ecn.id": 2,
      "flow.ip.ecn.name": expect.any(String),
      "flow.ip.ttl": 64,
      "flow.reverse.ip.dscp.id": 0,
      "flow.reverse.ip.dscp.name": expect.any(String),
      "flow.reverse.ip.ecn.id": 0,
      "flow.reverse.ip.ecn.name": expect.any(String),
      "flow.reverse.ip.ttl": 57,
    });
  });

  test("leave out what a one-way ICMPv6 record did not measure, and keep its zeros", () => {
    const attributes = attributesOf(V6_ECHO);
    expect(attributes).toMatchObject({
      "flow.direction": "unknown",
      "network.type": "ipv6",
      "network.transport": "icmpv6",
      "source.address": "2001:db8::1",
      "source.port": 0,
      "destination.port": 0,
      "flow.reverse.packets.delta": 0,
      "flow.ip.dscp.id": 0,
      "flow.ip.ecn.id": 1,
      "flow.ip.ttl": 0,
      "flow.ip.flow_label": 0,
      "flow.icmp.type.id": 128,
      "flow.icmp.type.name": "echo_request",
      "flow.icmp.code.id": 0,
    });
    const unmeasured = Object.keys(attributes).filter((name) =>
      /^flow\.(reverse\.(ip|icmp|tcp)|tcp)|^network\.i/.test(name),
    );
    expect(unmeasured).toEqual([]);
  });

  test("take each side's fields from that side", () => {
    const attributes = attributesOf({ ...V6_ECHO, flags: 4, spanKind: 2, flowLabels: [0, 0xabcde] });
    expect(attributes).toMatchObject({
      "flow.direction": "reverse",
      "flow.reverse.ip.dscp.id": 63,
      "flow.reverse.ip.ecn.id": 3,
      "flow.reverse.ip.ttl": 99,
      "flow.reverse.ip.flow_label": 0xabcde,
      "flow.reverse.icmp.type.id": 129,
      "flow.reverse.icmp.code.id": 9,
    });
    expect(Object.keys(attributes).filter((name) => /^flow\.(ip|icmp)/.test(name))).toEqual([]);
  });

  test("have TCP flags of a side only once it has had a packet", () => {
    const none = attributesOf({ ...TCP_RECORD, reverse: [0n, 0n, 0n, 0n], forward: [0n, 0n, 1n << 32n, 0n] });
    expect(none).not.toHaveProperty(["flow.reverse.tcp.flags.bits"]);
    expect(none).not.toHaveProperty(["flow.reverse.tcp.flags.tags"]);
    expect(none).toHaveProperty(["flow.tcp.flags.bits"], 0x1a);
  });

  test("have neither TCP flags nor ICMP types of later fragments, whose transport header was not read", () => {
    const fragments = {
      ports: [0, 0],
      communityPorts: [0, 0],
      icmp: [0, 0, 0, 0],
      tcpFlags: [0, 0],
    } as const;
    for (const record of [TCP_RECORD, V6_ECHO, { ...V6_ECHO, protocol: 1, flags: 6 }]) {
      const names = Object.keys(attributesOf({ ...record, ...fragments }));
      expect(names.filter((name) => /tcp\.flags|icmp/.test(name))).toEqual([]);
    }
  });

  test("count beyond 2^53 exactly", () => {
    const attributes = attributesOf({ ...TCP_RECORD, forward: [1n, (1n << 53n) - 1n, 1n, (1n << 53n) + 1n] });
    expect(attributes["flow.bytes.delta"]).toBe(Number.MAX_SAFE_INTEGER);
    expect(attributes["flow.bytes.total"]).toBe("9007199254740993");
  });

  test("write an IPv4-mapped address of an IPv6 packet as IPv6", () => {
    expect(attributesOf({ ...V6_ECHO, source: ipv4(192, 0, 2, 1) })["source.address"]).toBe(
      "::ffff:192.0.2.1",
    );
  });

  test("say a sampling rate only above 1", () => {
    const rates = [0, 1, 2, 1_000_000].map((samplingRate) => attributesOf({ ...TCP_RECORD, samplingRate }));
    expect(rates.map((attributes) => attributes["flow.sampling.rate"])).toEqual([
      undefined,
      undefined,
      2,
      1_000_000,
    ]);
  });

  test("have unique names, each of them lower-case words with dots", () => {
    const names = ATTRIBUTES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z]+(\.[a-z_]+)+$/);
  });

  test("are all seen in random records, with their type, and always where they say always", () => {
    const row = new RecordRow();
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 20, maxLength: 20 }), (records) => {
        row.open(batchOf(records));
        for (let index = 0; index < records.length; index++) {
          row.moveTo(index);
          const line = JSON.parse(formatNdjson(row)).attributes;
          for (const attribute of ATTRIBUTES) {
            const value = line[attribute.name];
            if (attribute.requirement.level === "required") expect(value).toBeDefined();
            if (value === undefined) continue;
            seen.add(attribute.name);
            if (attribute.kind === "string") expect(value).toBeString();
            else if (attribute.kind === "strings") expect(value).toBeArray();
            else if (attribute.kind === "int") expect(value).toBeGreaterThan(ABSENT);
            else expect(String(value)).toMatch(/^\d+$/);
          }
        }
      }),
      { numRuns: 60 },
    );
    expect([...seen].toSorted()).toEqual(ATTRIBUTES.map(({ name }) => name).toSorted());
  });
});
