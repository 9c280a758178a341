import { describe, expect, test } from "bun:test";
import { ENCAPSULATION } from "../../../src/capture/record.ts";
import { EVERY_ATTRIBUTE } from "../../../src/export/attributes.ts";
import { createNdjsonFormatter } from "../../../src/export/ndjson.ts";
import { RecordRow } from "../../../src/export/row.ts";
import { type DetailFields, VXLAN_DETAIL } from "../../collector/details.ts";
import { batchOf, type RecordFields, TCP_RECORD } from "../../collector/records.ts";

const formatNdjson = createNdjsonFormatter(EVERY_ATTRIBUTE);

function attributesOf(records: readonly RecordFields[]): Record<string, unknown>[] {
  const row = new RecordRow();
  row.open(batchOf(records));
  return records.map((_, index) => {
    row.moveTo(index);
    return JSON.parse(formatNdjson(row)).attributes;
  });
}

/** What a detail row adds to a record. */
function detailsOf(detail: DetailFields): Record<string, unknown> {
  const [bare, detailed] = attributesOf([TCP_RECORD, { ...TCP_RECORD, detail }]);
  const known = new Set(Object.keys(bare ?? {}));
  return Object.fromEntries(Object.entries(detailed ?? {}).filter(([name]) => !known.has(name)));
}

const LAYER = { ipVersion: 6, protocol: 47, source: [0x2001, 0xdb8], destination: [0xfd00] } as const;

describe("attributes of details", () => {
  test("say all of a record in a tunnel, with IP in IP inside, written out by hand", () => {
    expect(detailsOf(VXLAN_DETAIL)).toEqual({
      "flow.fragments.delta": 6,
      "tunnel.type": "vxlan",
      "tunnel.id": "16777026",
      "tunnel.source.address": "10.0.0.1",
      "tunnel.source.port": 51_234,
      "tunnel.destination.address": "10.0.0.2",
      "tunnel.destination.port": 4789,
      "tunnel.network.type": "ipv4",
      "tunnel.network.transport": "udp",
      "tunnel.network.interface.mac": "02:42:0a:00:00:01",
      "tunnel.ipsec.ah.spi": 0xffff_fff0,
      "tunnel.bytes.delta": 600,
      "tunnel.bytes.total": 5600,
      "tunnel.reverse.bytes.delta": 500,
      "tunnel.reverse.bytes.total": 5_000_000_500,
      "ipip.type": "6in4",
      "ipip.source.address": "192.168.0.1",
      "ipip.destination.address": "192.168.0.2",
      "ipip.network.type": "ipv4",
      "ipip.network.transport": "ipv6",
      "ipip.bytes.delta": 240,
      "ipip.bytes.total": 2240,
      "ipip.reverse.bytes.delta": 200,
      "ipip.reverse.bytes.total": 2200,
    });
  });

  test("leave out of a tunnel what it has not, and keep its zeros", () => {
    expect(detailsOf({ tunnel: { ...LAYER, encapsulation: ENCAPSULATION.gre } })).toEqual({
      "tunnel.type": "gre",
      "tunnel.source.address": "2001:db8::",
      "tunnel.destination.address": "fd00::",
      "tunnel.network.type": "ipv6",
      "tunnel.network.transport": "gre",
      "tunnel.bytes.delta": 0,
      "tunnel.bytes.total": 0,
      "tunnel.reverse.bytes.delta": 0,
      "tunnel.reverse.bytes.total": 0,
    });
  });

  test("have an id of 0 where the packets had it, and the greatest", () => {
    const gre = { ...LAYER, encapsulation: ENCAPSULATION.gre };
    expect(detailsOf({ tunnel: { ...gre, id: 0 } })["tunnel.id"]).toBe("0");
    expect(detailsOf({ tunnel: { ...gre, id: 0xffff_ffff } })["tunnel.id"]).toBe("4294967295");
  });

  test("of a WireGuard flow are its type and the indices that were seen, and no layer", () => {
    expect(detailsOf({ flags: 2, indices: [0x0102_0304, 0] })).toEqual({
      "tunnel.type": "wireguard",
      "flow.ipsec.sender_index": 0x0102_0304,
    });
    expect(detailsOf({ flags: 2, indices: [0, 0xffff_ffff] })).toMatchObject({
      "flow.ipsec.receiver_index": 0xffff_ffff,
    });
  });

  test("name the tunnel that carries a WireGuard flow, not WireGuard", () => {
    const tunnel = { ...LAYER, encapsulation: ENCAPSULATION.geneve, protocol: 17 };
    expect(detailsOf({ tunnel, flags: 2 })["tunnel.type"]).toBe("geneve");
  });

  test("of IPsec are the flow's own SPIs", () => {
    expect(detailsOf({ spis: [7, 0] })).toEqual({ "flow.ipsec.esp.spi": 7 });
    expect(detailsOf({ spis: [0, 0xffff_ffff] })).toEqual({ "flow.ipsec.ah.spi": 0xffff_ffff });
  });

  test("name every encapsulation that a packet is read through", () => {
    const names = Object.entries(ENCAPSULATION).map(([name, encapsulation]) => [
      name,
      detailsOf({ tunnel: { ...LAYER, encapsulation } })["tunnel.type"],
    ]);
    expect(Object.fromEntries(names)).toEqual({
      none: undefined,
      vxlan: "vxlan",
      vxlanGpe: "vxlan",
      geneve: "geneve",
      gre: "gre",
      erspan: "erspan",
      ipip: "ipip",
      ip6ip6: "ip6ip6",
      sixInFour: "6in4",
      fourInSix: "4in6",
      gtp: "gtp",
      fou: "fou",
      teredo: "teredo",
      wireguard: "wireguard",
      espInUdp: undefined,
      esp: undefined,
    });
  });

  test("are each record's own, and none where it has no details", () => {
    const inTunnel = (id: number): RecordFields => ({
      ...TCP_RECORD,
      detail: { tunnel: { ...LAYER, encapsulation: ENCAPSULATION.vxlan, protocol: 17, id } },
    });
    const attributes = attributesOf([inTunnel(1), TCP_RECORD, inTunnel(2)]);
    expect(attributes.map((row) => row["tunnel.id"])).toEqual(["1", undefined, "2"]);
    expect(Object.keys(attributes[1] ?? {}).filter((name) => name.startsWith("tunnel."))).toEqual([]);
  });

  test("count beyond 2^32 and 2^53 exactly", () => {
    const bytes = [1n << 33n, (1n << 53n) + 1n, 0n, 0n];
    const detail = { tunnel: { ...LAYER, encapsulation: ENCAPSULATION.gre, bytes }, fragments: 1n << 32n };
    expect(detailsOf(detail)).toMatchObject({
      "flow.fragments.delta": 4_294_967_296,
      "tunnel.bytes.delta": 8_589_934_592,
      "tunnel.bytes.total": "9007199254740993",
    });
  });
});
