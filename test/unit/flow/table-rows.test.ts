import { expect, test } from "bun:test";
import { ICMP_PAIRING, SHARED, WAY_FLAG } from "../../../src/capture/record.ts";
import { SPAN_KIND } from "../../../src/flow/flow.ts";
import { newTable, type RecordFields, scan, scanWith } from "./driver.ts";
import { ACK, KernelModel, keyOf, type PacketFields, SECOND, SYN } from "./kernel-model.ts";

const ICMP = 1;
const POD_INGRESS = 1 << 1;
const NIC_EGRESS = (2 << 1) | 1;

/** The one record of a flow that saw these packets, told at the last scan. */
function tell(key: Uint32Array, packets: readonly PacketFields[]): RecordFields {
  const kernel = new KernelModel();
  for (const packet of packets) kernel.packet(key, packet);
  const records = scanWith(newTable(), kernel, 9 * SECOND, { isFinal: true });
  expect(records).toHaveLength(1);
  return records[0] as RecordFields;
}

test("FlowTable turns everything to the initiator's side", () => {
  const key = keyOf({ low: "10.0.0.1", high: "10.0.0.9", lowPort: 443, highPort: 50000 });
  const record = tell(key, [
    { way: 1, at: SECOND, bytes: 60, flags: SYN, ttl: 64, trafficClass: 0x28, hook: POD_INGRESS },
    { way: 0, at: 2 * SECOND, bytes: 1400, packets: 3, flags: SYN | ACK, ttl: 57, trafficClass: 3 },
  ]);
  expect(record).toMatchObject({
    source: "10.0.0.9",
    sourcePort: 50000,
    destination: "10.0.0.1",
    destinationPort: 443,
  });
  expect(record).toMatchObject({ delta: [1, 60, 3, 1400], tcpFlags: [SYN, SYN | ACK], ttl: [64, 57] });
  expect(record).toMatchObject({ trafficClass: [0x28, 3], kind: SPAN_KIND.client, ifindex: 1 });
  expect(record.communityPorts).toEqual([50000, 443]);
});

test("FlowTable turns a flow over for a stronger rule before its first record, not for one as strong", () => {
  const key = keyOf({ protocol: 17, lowPort: 5000, highPort: 6000 });
  const listening = new Set<number>();
  const table = newTable({ context: { isListening: (_protocol, port) => listening.has(port) } });
  const kernel = new KernelModel();
  const sources: string[] = [];
  for (let second = 1; second <= 130; second++) {
    if (second === 20) listening.add(5000);
    if (second === 40) {
      listening.delete(5000);
      listening.add(6000);
    }
    kernel.packet(key, { way: 0, at: second * SECOND });
    sources.push(...scan(table, kernel, second * SECOND + 1).map((record) => record.source));
  }
  expect(sources).toEqual(["10.0.0.2", "10.0.0.2"]);
});

test("FlowTable turns nothing over after the first record", () => {
  const key = keyOf({ protocol: 17, lowPort: 5000, highPort: 6000 });
  let isOpen = false;
  const table = newTable({ context: { isListening: (_protocol, port) => isOpen && port === 5000 } });
  const kernel = new KernelModel();
  const sources: string[] = [];
  for (let second = 1; second <= 130; second++) {
    isOpen = second >= 70;
    kernel.packet(key, { way: 0, at: second * SECOND });
    sources.push(...scan(table, kernel, second * SECOND + 1).map((record) => record.source));
  }
  expect(sources).toEqual(["10.0.0.1", "10.0.0.1"]);
});

test("FlowTable remembers a listener that was gone when the first record was told", () => {
  const key = keyOf({ protocol: 17, lowPort: 5000, highPort: 6000 });
  let isOpen = true;
  const table = newTable({ context: { isListening: (_protocol, port) => isOpen && port === 5000 } });
  const kernel = new KernelModel();
  kernel.packet(key, { way: 0, at: SECOND });
  scan(table, kernel, 2 * SECOND);
  isOpen = false;
  kernel.packet(key, { way: 0, at: 3 * SECOND });
  expect(scanWith(table, kernel, 4 * SECOND, { isFinal: true })).toMatchObject([{ source: "10.0.0.2" }]);
});

test("FlowTable judges local by owner hooks: the host that sends out, not what passes through", () => {
  const key = keyOf({ protocol: 17, highPort: 53 });
  const own = tell(key, [{ way: 0, at: SECOND, hook: NIC_EGRESS }]);
  const passing = tell(key, [{ way: 0, at: SECOND, hook: NIC_EGRESS, hasEntered: true }]);
  expect([own.kind, passing.kind]).toEqual([SPAN_KIND.client, SPAN_KIND.internal]);
  expect(WAY_FLAG.entered).toBe(2);
});

test("FlowTable writes ICMP without ports, with the Community ID's pair and each side's message", () => {
  const echo = keyOf({ protocol: ICMP, icmpPairing: ICMP_PAIRING.echo, lowPort: 77, highPort: 77 });
  const ping = tell(echo, [
    { way: 1, at: SECOND, icmpType: 8 },
    { way: 0, at: SECOND + 1, icmpType: 0 },
  ]);
  expect(ping).toMatchObject({
    source: "10.0.0.2",
    sourcePort: 0,
    destinationPort: 0,
    communityPorts: [8, 0],
  });
  expect(ping).toMatchObject({ icmp: [8, 0, 0, 0], isOneWay: false, hasForward: true, hasReverse: true });
  const reply = tell(echo, [{ way: 0, at: SECOND, icmpType: 0 }]);
  expect(reply).toMatchObject({ source: "10.0.0.1", communityPorts: [0, 8], kind: SPAN_KIND.internal });
  const error = keyOf({ protocol: ICMP, icmpPairing: ICMP_PAIRING.oneWayHigh, lowPort: 1, highPort: 3 });
  const unreachable = tell(error, [{ way: 1, at: SECOND, icmpType: 3, icmpCode: 1 }]);
  expect(unreachable).toMatchObject({
    source: "10.0.0.2",
    communityPorts: [3, 1],
    isOneWay: true,
    icmp: [3, 1, 0, 0],
  });
});

test("FlowTable writes flow labels, handshake, VLAN and MAC", () => {
  const key = keyOf({ low: "20010db8000000000000000000000001", high: "20010db8000000000000000000000002" });
  const kernel = new KernelModel();
  kernel.packet(key, { way: 0, at: SECOND, flags: SYN, label: 0xabcde });
  kernel.packet(key, { way: 1, at: SECOND + 5, flags: SYN | ACK, label: 0x12345 });
  const value = kernel.valueOf(key);
  value[SHARED.handshakeNs] = 1234567;
  value[SHARED.octets] = (value[SHARED.octets] as number) | (2 << 24);
  const octets = new Uint8Array(value.buffer);
  octets.set([0x64, 0x00, 0x02, 0x11, 0x22, 0x33, 0x44, 0x55], SHARED.vlanAndMac * 4);
  const table = newTable();
  const clock = { monotonicLow: SECOND + 9, monotonicHigh: 0, offsetLow: 0, offsetHigh: 0 };
  table.beginFinalScan(clock);
  table.addSlice(kernel.samples());
  table.endScan();
  const words = table.takeRecords()?.words ?? new Uint32Array(0);
  expect([words[38], words[39], words[41], words[44]]).toEqual([0xabcde, 0x12345, 1234567, 100]);
  expect([...new Uint8Array(words.buffer, 42 * 4, 8)]).toEqual([0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0, 0]);
});

test("FlowTable grows without losing a flow", () => {
  const table = newTable();
  const kernel = new KernelModel();
  const flows = 5000;
  for (let i = 0; i < flows; i++) {
    kernel.packet(keyOf({ protocol: 17, lowPort: 1024 + i, high: `10.1.${i >> 8}.${i & 255}` }), {
      way: 0,
      at: SECOND,
    });
  }
  expect(scan(table, kernel, 2 * SECOND)).toEqual([]);
  expect(table.stats()).toMatchObject({ active: flows, packetsPending: flows });
  const records = scan(table, kernel, 62 * SECOND);
  expect(new Set(records.map((record) => record.sourcePort + record.destination)).size).toBe(flows);
  expect(table.stats()).toMatchObject({ active: 0, packetsTold: flows, released: flows });
});
