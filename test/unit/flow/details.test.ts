import { describe, expect, test } from "bun:test";
import { DETAILS, DETAILS_WORDS, ENCAPSULATION, LAYER, LAYER_WORDS } from "../../../src/capture/record.ts";
import { FlowDetails } from "../../../src/flow/details.ts";
import { FlowSlots } from "../../../src/flow/slots.ts";
import { type DetailFields, newTable, type RecordFields, scan, scanWith } from "./driver.ts";
import { addressBytes, clockAt, KernelModel, keyOf, RST, SECOND, SYN } from "./kernel-model.ts";

const KEY = keyOf({ protocol: 17, highPort: 53 });
/** Its source is the high end: the lower port answers. */
const TURNED_KEY = keyOf({ protocol: 17, lowPort: 53, highPort: 40000 });
const TCP_KEY = keyOf({});

function only(records: readonly RecordFields[]): RecordFields {
  expect(records).toHaveLength(1);
  return records[0] as RecordFields;
}

function detailOf(records: readonly RecordFields[]): DetailFields {
  const { detail } = only(records);
  if (detail === undefined) throw new Error("the record has no details");
  return detail;
}

interface LayerWords {
  /** Source and destination by way, as on the wire. */
  readonly ends?: readonly [readonly [string, string], readonly [string, string]];
  readonly id?: readonly [number, number];
  /** Source and destination by way, as on the wire. */
  readonly ports?: readonly [readonly [number, number], readonly [number, number]];
  readonly ahSpi?: readonly [number, number];
  readonly kind?: number;
  readonly ipVersion?: number;
  readonly protocol?: number;
  readonly flags?: number;
}

/** Both ways seen, and neither with an id. */
const SEEN = 0b1100;
/** A tunnel between two ends. */
const ENDS = [
  ["192.0.2.1", "192.0.2.2"],
  ["192.0.2.2", "192.0.2.1"],
] as const;

/** Writes a layer as the program does. */
function setLayer(details: Uint32Array, layer: 0 | 1, fields: LayerWords): void {
  const view = new DataView(details.buffer, layer * LAYER_WORDS * 4);
  const bytes = new Uint8Array(details.buffer, layer * LAYER_WORDS * 4);
  for (const [way, [source, destination]] of (fields.ends ?? ENDS).entries()) {
    bytes.set(addressBytes(source), (LAYER.source + way * 4) * 4);
    bytes.set(addressBytes(destination), (LAYER.destination + way * 4) * 4);
  }
  for (const [i, id] of fields.id?.entries() ?? []) view.setUint32((LAYER.id + i) * 4, id, true);
  for (const [i, port] of fields.ports?.flat().entries() ?? []) view.setUint16(LAYER.ports * 4 + i * 2, port);
  for (const [i, spi] of fields.ahSpi?.entries() ?? []) view.setUint32((LAYER.ahSpi + i) * 4, spi, true);
  const { kind = 1, ipVersion = 4, protocol = 17, flags = SEEN } = fields;
  bytes.set([kind, ipVersion, protocol, flags], LAYER.octets * 4);
}

const TUNNEL: LayerWords = {
  id: [100, 200],
  ports: [
    [50000, 4789],
    [50001, 4789],
  ],
  ahSpi: [77, 88],
  flags: 0b1111,
};

/** The details of a flow of one packet, low → high unless the key is turned. */
function tell(key: Uint32Array, write: (details: Uint32Array) => void): DetailFields {
  const table = newTable();
  const kernel = new KernelModel();
  kernel.packet(key, { way: key === TURNED_KEY ? 1 : 0, at: SECOND });
  write(kernel.detailsOf(key));
  return detailOf(scanWith(table, kernel, 2 * SECOND, { isFinal: true }));
}

describe("writeDetail", () => {
  test("turns a layer to the flow: the source's end, the forward way's id and ports", () => {
    const forward = tell(KEY, (details) => setLayer(details, 0, TUNNEL));
    const same = { encapsulation: ENCAPSULATION.vxlan, ipVersion: 4, protocol: 17 };
    expect(forward.tunnel).toMatchObject({
      ...same,
      source: "192.0.2.1",
      destination: "192.0.2.2",
      id: 100,
      ports: [50000, 4789],
      ahSpi: 77,
    });
    expect(forward.ipip.encapsulation).toBe(ENCAPSULATION.none);
    const turned = tell(TURNED_KEY, (details) => setLayer(details, 0, TUNNEL));
    expect(turned.tunnel).toMatchObject({
      ...same,
      source: "192.0.2.2",
      destination: "192.0.2.1",
      id: 200,
      ports: [50001, 4789],
      ahSpi: 88,
    });
  });

  test("tells the forward way's own ends, of a tunnel that only it comes through or of a mirror's sender", () => {
    const from = ["192.0.2.1", "192.0.2.2"] as const;
    const other = ["192.0.2.9", "192.0.2.8"] as const;
    for (const ends of [[from, other] as const, [from, from] as const]) {
      const write = (details: Uint32Array): void => setLayer(details, 0, { ...TUNNEL, ends });
      for (const [way, key] of [KEY, TURNED_KEY].entries()) {
        const [source, destination] = ends[way === 0 ? 0 : 1];
        expect(tell(key, write).tunnel).toMatchObject({ source, destination, ports: [50000 + way, 4789] });
      }
    }
  });

  test("turns the reverse way's headers round where the forward one was not seen", () => {
    const v6 = ["20010db8000000000000000000000001", "20010db8000000000000000000000002"] as const;
    const none = ["", ""] as const;
    const answered = (details: Uint32Array): void =>
      setLayer(details, 0, { ...TUNNEL, ends: [none, v6], ahSpi: [0, 88], ipVersion: 6, flags: 0b1010 });
    expect(tell(KEY, answered).tunnel).toMatchObject({
      source: v6[1],
      destination: v6[0],
      ipVersion: 6,
      id: 200,
      ports: [4789, 50001],
      ahSpi: 88,
    });
    const asked = (details: Uint32Array): void =>
      setLayer(details, 0, { ...TUNNEL, ends: [v6, none], ahSpi: [77, 0], flags: 0b0101 });
    expect(tell(TURNED_KEY, asked).tunnel).toMatchObject({
      source: v6[1],
      destination: v6[0],
      id: 100,
      ports: [4789, 50000],
      ahSpi: 77,
    });
  });

  test("knows an id of zero from none", () => {
    const zero = tell(KEY, (details) => setLayer(details, 0, { id: [0, 0], flags: SEEN | 1 }));
    const none = tell(KEY, (details) => setLayer(details, 0, { kind: ENCAPSULATION.gre, protocol: 47 }));
    expect([zero.tunnel.id, none.tunnel.id]).toEqual([0, undefined]);
    expect(none.tunnel.ports).toEqual([0, 0]);
  });

  test("writes the inner layer beside the outer one", () => {
    const { tunnel, ipip } = tell(KEY, (details) => {
      setLayer(details, 0, TUNNEL);
      const inner = ["20010db8000000000000000000000001", "20010db8000000000000000000000002"] as const;
      const kind = ENCAPSULATION.ip6ip6;
      setLayer(details, 1, { ends: [inner, inner], kind, ipVersion: 6, protocol: 41 });
    });
    expect([tunnel.encapsulation, ipip.encapsulation]).toEqual([ENCAPSULATION.vxlan, ENCAPSULATION.ip6ip6]);
    expect(ipip).toMatchObject({
      source: "20010db8000000000000000000000001",
      ipVersion: 6,
      protocol: 41,
      id: undefined,
      ahSpi: 0,
    });
  });

  test("tells the outer MAC only where a forward packet had it, and it is one", () => {
    const mac = [0x02, 0x11, 0x22, 0x33, 0x44, 0x55];
    const withMac =
      (bytes: readonly number[], flags: number) =>
      (details: Uint32Array): void => {
        setLayer(details, 0, TUNNEL);
        new Uint8Array(details.buffer).set([...bytes, flags], DETAILS.tunnelMac * 4);
      };
    expect(tell(KEY, withMac(mac, 1)).tunnelMac).toBe("021122334455");
    expect(tell(KEY, withMac(mac, 2)).tunnelMac).toBe("");
    expect(tell(TURNED_KEY, withMac(mac, 2)).tunnelMac).toBe("021122334455");
    expect(tell(KEY, withMac([0, 0, 0, 0, 0, 0], 1)).tunnelMac).toBe("");
    expect(tell(KEY, withMac(mac, 1)).isWireguard).toBe(false);
  });

  test("tells the forward SPI, else the reverse one, and WireGuard's indices by end", () => {
    const write = (details: Uint32Array): void => {
      details.set([11, 12], DETAILS.espSpi);
      details.set([0, 22], DETAILS.ahSpi);
      details.set([31, 32], DETAILS.wireguardIndex);
      details[DETAILS.tunnelMac + 1] = 4 << 16;
    };
    expect(tell(KEY, write)).toMatchObject({ espSpi: 11, ahSpi: 22, indices: [31, 32], isWireguard: true });
    expect(tell(TURNED_KEY, write)).toMatchObject({ espSpi: 12, ahSpi: 22, indices: [32, 31] });
  });

  test("turns overhead as it does bytes, beyond 2^32 too", () => {
    for (const [key, way, delta] of [
      [KEY, 0, [2 ** 40 + 3, 0]],
      [KEY, 1, [0, 2 ** 40 + 3]],
      [TURNED_KEY, 0, [0, 2 ** 40 + 3]],
    ] as const) {
      const kernel = new KernelModel();
      kernel.packet(key, { way, at: SECOND, overhead: [2 ** 40 + 3, 20], fragments: 5 });
      const { tunnel, ipip, fragments } = detailOf(
        scanWith(newTable(), kernel, 2 * SECOND, { isFinal: true }),
      );
      expect(tunnel).toMatchObject({ delta, total: delta });
      expect(ipip.delta).toEqual(delta.map((bytes) => (bytes === 0 ? 0 : 20)));
      expect(fragments).toBe(5);
    }
  });
});

describe("FlowTable tells a flow's details", () => {
  test("each overhead and fragment once over several records, the headers in each", () => {
    const table = newTable({ timeouts: { udpNs: 600 * SECOND } });
    const kernel = new KernelModel();
    kernel.packet(KEY, { way: 0, at: SECOND, overhead: [50, 20], fragments: 2 });
    kernel.packet(KEY, { way: 1, at: SECOND, overhead: [70, 0] });
    const first = detailOf(scan(table, kernel, 61 * SECOND));
    expect(first.tunnel).toMatchObject({ delta: [50, 70], total: [50, 70] });
    expect(first).toMatchObject({ ipip: { delta: [20, 0] }, fragments: 2 });
    kernel.packet(KEY, { way: 0, at: 62 * SECOND, overhead: [8, 0] });
    const second = detailOf(scan(table, kernel, 122 * SECOND));
    expect(second.tunnel).toMatchObject({ delta: [8, 0], total: [58, 70] });
    expect(second).toMatchObject({ ipip: { delta: [0, 0], total: [20, 0] }, fragments: 0 });
    kernel.packet(KEY, { way: 0, at: 123 * SECOND });
    const third = detailOf(scan(table, kernel, 183 * SECOND));
    expect(third.tunnel).toMatchObject({
      encapsulation: ENCAPSULATION.vxlan,
      delta: [0, 0],
      total: [58, 70],
    });
  });

  test("not where the value has none, whatever the row holds, nor where FLOW_DETAILS had no entry", () => {
    const kernel = new KernelModel();
    kernel.packet(KEY, { way: 0, at: SECOND });
    kernel.packet(TCP_KEY, { way: 0, at: SECOND });
    kernel.detailsOf(TCP_KEY);
    const records = scanWith(newTable(), kernel, 2 * SECOND, { isFinal: true });
    expect(records.map((record) => record.detail)).toEqual([undefined, undefined]);
  });

  test("as it knew them where their entry is gone, and takes no byte back", () => {
    const table = newTable({ timeouts: { udpNs: 600 * SECOND } });
    const kernel = new KernelModel();
    kernel.packet(KEY, { way: 0, at: SECOND, overhead: [50, 0] });
    scan(table, kernel, 61 * SECOND);
    const details = kernel.detailsOf(KEY);
    details.fill(0);
    kernel.packet(KEY, { way: 0, at: 62 * SECOND });
    const gone = detailOf(scan(table, kernel, 122 * SECOND));
    expect(gone.tunnel).toMatchObject({ encapsulation: ENCAPSULATION.vxlan, delta: [0, 0], total: [50, 0] });
    kernel.packet(KEY, { way: 0, at: 123 * SECOND, overhead: [30, 0] });
    const behind = detailOf(scan(table, kernel, 183 * SECOND));
    expect(behind.tunnel).toMatchObject({ delta: [0, 0], total: [50, 0] });
  });

  test("with what was held told, and no overhead made up for it", () => {
    const table = newTable();
    const kernel = new KernelModel();
    kernel.packet(KEY, { way: 0, at: SECOND, overhead: [50, 0] });
    kernel.hold(KEY, 0, 7, 700, 900);
    const record = only(scan(table, kernel, 63 * SECOND));
    expect(record.delta).toEqual([8, 800, 0, 0]);
    expect(record.detail?.tunnel).toMatchObject({ delta: [50, 0], total: [50, 0] });
  });

  test("in the life they belong to, by the reopened event", () => {
    const table = newTable();
    const kernel = new KernelModel();
    kernel.packet(TCP_KEY, { way: 0, at: SECOND, flags: SYN, overhead: [50, 0], fragments: 1 });
    scan(table, kernel, 2 * SECOND);
    kernel.packet(TCP_KEY, { way: 1, at: 3 * SECOND, flags: RST, overhead: [60, 4] });
    kernel.packet(TCP_KEY, { way: 0, at: 4 * SECOND, flags: SYN, overhead: [51, 0], fragments: 3 });
    const old = detailOf(scan(table, kernel, 4.5 * SECOND));
    expect(old.tunnel).toMatchObject({ delta: [50, 60], total: [50, 60] });
    expect(old).toMatchObject({ ipip: { delta: [0, 4] }, fragments: 1 });
    const next = detailOf(scanWith(table, kernel, 5 * SECOND, { isFinal: true }));
    expect(next.tunnel).toMatchObject({ delta: [51, 0], total: [51, 0] });
    expect(next).toMatchObject({ ipip: { delta: [0, 0], total: [0, 0] }, fragments: 3 });
  });

  test("turned as its own life is, where the next one is asked by the other end", () => {
    const table = newTable();
    const kernel = new KernelModel();
    const ends = [
      ["192.0.2.1", "192.0.2.2"],
      ["192.0.2.9", "192.0.2.8"],
    ] as const;
    kernel.packet(TCP_KEY, { way: 0, at: SECOND, flags: SYN, overhead: [50, 0] });
    setLayer(kernel.detailsOf(TCP_KEY), 0, { ...TUNNEL, ends });
    scan(table, kernel, 2 * SECOND);
    kernel.packet(TCP_KEY, { way: 1, at: 3 * SECOND, flags: RST, overhead: [60, 0] });
    kernel.packet(TCP_KEY, { way: 1, at: 4 * SECOND, flags: SYN, overhead: [51, 0] });
    const old = detailOf(scan(table, kernel, 4.5 * SECOND));
    expect(old.tunnel).toMatchObject({ source: "192.0.2.1", destination: "192.0.2.2", total: [50, 60] });
    const next = detailOf(scanWith(table, kernel, 5 * SECOND, { isFinal: true }));
    expect(next.tunnel).toMatchObject({ source: "192.0.2.9", destination: "192.0.2.8", total: [51, 0] });
  });

  test("in the life they belong to, by the base where the event was lost, with the old life's headers", () => {
    const table = newTable();
    const kernel = new KernelModel();
    kernel.packet(TCP_KEY, { way: 0, at: SECOND, flags: SYN, overhead: [50, 0] });
    scan(table, kernel, 2 * SECOND);
    kernel.packet(TCP_KEY, { way: 1, at: 3 * SECOND, flags: RST, overhead: [60, 0], fragments: 2 });
    kernel.packet(TCP_KEY, { way: 0, at: 4 * SECOND, flags: SYN, overhead: [51, 0] });
    setLayer(kernel.detailsOf(TCP_KEY), 0, { kind: ENCAPSULATION.geneve });
    kernel.loseEvents();
    const old = detailOf(scan(table, kernel, 4.5 * SECOND));
    expect(old.tunnel).toMatchObject({ encapsulation: ENCAPSULATION.vxlan, total: [50, 60] });
    expect(old.fragments).toBe(2);
    const next = detailOf(scanWith(table, kernel, 5 * SECOND, { isFinal: true }));
    expect(next.tunnel).toMatchObject({ encapsulation: ENCAPSULATION.geneve, total: [51, 0] });
    expect(next.fragments).toBe(0);
  });

  test("of a life that no scan saw, its headers looked up, its counts the event's", () => {
    const kernel = new KernelModel();
    const table = newTable({ findDetails: kernel.findDetails });
    kernel.packet(TCP_KEY, { way: 0, at: SECOND, flags: SYN, overhead: [50, 0] });
    kernel.packet(TCP_KEY, { way: 1, at: 1.1 * SECOND, flags: RST, overhead: [60, 0] });
    kernel.packet(TCP_KEY, { way: 0, at: 1.2 * SECOND, flags: SYN, overhead: [51, 0] });
    // Both lives' packets have the same headers.
    setLayer(kernel.detailsOf(TCP_KEY), 0, { ...TUNNEL, flags: 0b1111_1111 });
    const old = detailOf(scan(table, kernel, 2 * SECOND));
    expect(old.tunnel).toMatchObject({ source: "192.0.2.1", id: 100, total: [50, 60] });
    const next = detailOf(scanWith(table, kernel, 3 * SECOND, { isFinal: true }));
    expect(next.tunnel.total).toEqual([51, 0]);
  });

  test("without the headers of another life", () => {
    const kernel = new KernelModel();
    const table = newTable({ findDetails: kernel.findDetails });
    kernel.packet(TCP_KEY, { way: 0, at: SECOND, flags: SYN, overhead: [50, 0] });
    kernel.packet(TCP_KEY, { way: 1, at: 1.1 * SECOND, flags: RST, overhead: [60, 0] });
    kernel.packet(TCP_KEY, { way: 0, at: 1.2 * SECOND, flags: SYN, overhead: [51, 0] });
    // The new life's tunnel is another: nothing is left of the old one's.
    setLayer(kernel.detailsOf(TCP_KEY), 0, { ...TUNNEL, flags: 0b1111 });
    const old = detailOf(scan(table, kernel, 2 * SECOND));
    expect(old.tunnel).toMatchObject({ encapsulation: ENCAPSULATION.none, total: [50, 60] });
    kernel.packet(TCP_KEY, { way: 1, at: 3 * SECOND, flags: RST });
    kernel.packet(TCP_KEY, { way: 0, at: 4 * SECOND, flags: SYN });
    scan(table, kernel, 4.5 * SECOND);
    const bare = scanWith(table, kernel, 5 * SECOND, { isFinal: true });
    expect(detailOf(bare).tunnel).toMatchObject({ encapsulation: ENCAPSULATION.none, total: [0, 0] });
  });

  test("without headers where none are to be found, and tells no overhead in the life after", () => {
    const table = newTable();
    const kernel = new KernelModel();
    kernel.packet(TCP_KEY, { way: 0, at: SECOND, flags: SYN, fragments: 3 });
    kernel.packet(TCP_KEY, { way: 1, at: 1.1 * SECOND, flags: RST });
    kernel.packet(TCP_KEY, { way: 0, at: 1.2 * SECOND, flags: SYN });
    const old = detailOf(scan(table, kernel, 2 * SECOND));
    expect(old).toMatchObject({ fragments: 3, tunnel: { encapsulation: ENCAPSULATION.none } });
    expect(detailOf(scanWith(table, kernel, 3 * SECOND, { isFinal: true })).fragments).toBe(0);
  });

  test("with the row of its own life, where several wait for their hooks and one flow goes before", () => {
    const kernel = new KernelModel();
    const table = newTable({ findDetails: kernel.findDetails });
    const keys = Array.from({ length: 300 }, (_, i) => keyOf({ lowPort: 1 + i }));
    for (const [i, key] of keys.entries()) {
      const outer = i % 3 === 1 ? {} : { overhead: [100 + i, 0] as const };
      kernel.packet(key, { way: 0, at: SECOND, flags: SYN, ...outer });
      kernel.packet(key, { way: 1, at: 1.1 * SECOND, flags: RST });
      kernel.packet(key, { way: 0, at: 1.2 * SECOND, flags: SYN });
    }
    table.addEvents(kernel.drain(), clockAt(1.3 * SECOND));
    const first = keys[0] as Uint32Array;
    const seen = { keys: first, count: 1, values: kernel.valueOf(first), details: kernel.detailsOf(first) };
    table.beginScan(clockAt(2 * SECOND));
    table.addSlice(seen);
    table.settle({ ...seen, present: Uint8Array.of(1) });
    kernel.entries.delete(first.join());
    const records = scan(table, kernel, 3 * SECOND);
    const told = records.map(({ sourcePort, destinationPort, detail }) => [
      Math.min(sourcePort, destinationPort),
      detail?.tunnel.total[0] ?? detail?.tunnel.total[1],
    ]);
    const others = keys.slice(1).map((_, i) => [2 + i, i % 3 === 0 ? undefined : 101 + i]);
    expect(told).toEqual([[1, 0], [1, 100], ...others]);
  });
});

test("FlowDetails grows, gives rows back and begins them at zero", () => {
  const details = new FlowDetails();
  const rows = Array.from({ length: 100 }, (_, slot) => details.open(slot));
  expect(new Set(rows).size).toBe(100);
  expect(rows).not.toContain(0);
  const words = new Uint32Array(2 * DETAILS_WORDS).fill(9);
  details.load(details.rowOf(40), words, DETAILS_WORDS);
  details.beginLife(details.rowOf(40));
  const { bytes } = details;
  details.close(40);
  const again = details.open(90_000);
  expect(again).toBe(rows[40] as number);
  const row = details.words.subarray(again * DETAILS_WORDS, (again + 1) * DETAILS_WORDS);
  expect(row.every((word) => word === 0)).toBe(true);
  expect(details.numbers.subarray(again * 15, again * 15 + 15).every((count) => count === 0)).toBe(true);
  expect(details.rowOf(99)).toBe(rows[99] as number);
  expect(details.bytes - bytes).toBe((90_001 - 100) * 4);
});

test("FlowSlots frees a flow's details with it", () => {
  const slots = new FlowSlots(4);
  const key = keyOf({});
  slots.openDetails(slots.insert(key, 0));
  const first = slots.detailRow(slots.find(key, 0));
  slots.remove(slots.find(key, 0));
  const slot = slots.insert(key, 0);
  expect(slots.detailRow(slot)).toBe(0);
  expect(slots.openDetails(slot)).toBe(first);
});
