import { describe, expect, test } from "bun:test";
import { EVENT, REOPENED_EVENT_BYTES, SHARED } from "../../../src/capture/record.ts";
import { newTable, type RecordFields, scan, scanWith } from "./driver.ts";
import { ACK, clockAt, KernelModel, keyOf, RST, SECOND, SYN } from "./kernel-model.ts";

const KEY = keyOf({});
const MAC = [0x02, 0x11, 0x22, 0x33, 0x44, 0x55];

function only(records: readonly RecordFields[]): RecordFields {
  expect(records).toHaveLength(1);
  return records[0] as RecordFields;
}

/** What the program notes of a life beside its packets. */
function describeLife(kernel: KernelModel, vlan: number, mac: readonly number[], handshakeNs: number): void {
  const value = kernel.valueOf(KEY);
  value[SHARED.handshakeNs] = handshakeNs;
  new Uint8Array(value.buffer).set([vlan, 0, ...mac], SHARED.vlanAndMac * 4);
  value[SHARED.octets] = (value[SHARED.octets] as number) | (2 << 24);
}

/** An answered SYN and a reset, then the SYN that opens the next life. */
function twoLives(kernel: KernelModel, firstWay: 0 | 1 = 0): void {
  const flags = firstWay === 0 ? SYN : SYN | ACK;
  kernel.packet(KEY, { way: firstWay, at: SECOND, flags, label: 0x11111, trafficClass: 0xb8, ttl: 60 });
  const reply = { way: (1 - firstWay) as 0 | 1, label: 0x22222, trafficClass: 0x28, ttl: 50 };
  kernel.packet(KEY, { ...reply, at: 1.1 * SECOND, flags: RST });
  describeLife(kernel, 42, MAC, 1234);
  kernel.packet(KEY, { way: 0, at: 1.2 * SECOND, flags: SYN, ttl: 9, trafficClass: 4, label: 3 });
}

describe("FlowTable tells a reopened flow's old life", () => {
  test("with handshake, labels, classes, TTLs, VLAN and MAC that no scan saw", () => {
    const kernel = new KernelModel();
    const table = newTable();
    twoLives(kernel);
    const old = only(scan(table, kernel, 2 * SECOND));
    expect(old).toMatchObject({
      source: "10.0.0.1",
      handshake: 1234,
      labels: [0x11111, 0x22222],
      trafficClass: [0xb8, 0x28],
      ttl: [60, 50],
      vlan: 42,
      hasMac: true,
      mac: "021122334455",
      hasForward: true,
      hasReverse: true,
    });
    describeLife(kernel, 7, [6, 0, 0, 0, 0, 1], 99);
    const next = only(scanWith(table, kernel, 3 * SECOND, { isFinal: true }));
    expect(next).toMatchObject({ handshake: 99, labels: [3, 0], ttl: [9, 0], vlan: 7, mac: "060000000001" });
  });

  test("without the MAC of an answer, be its first packet known by event or by scan", () => {
    for (const isScanned of [false, true]) {
      const kernel = new KernelModel();
      const table = newTable();
      kernel.packet(KEY, { way: 1, at: SECOND, flags: SYN | ACK });
      if (isScanned) {
        kernel.loseEvents();
        expect(scan(table, kernel, 1.05 * SECOND)).toEqual([]);
      } else {
        table.addEvents(kernel.drain(), clockAt(1.05 * SECOND));
      }
      kernel.packet(KEY, { way: 0, at: 1.1 * SECOND, flags: RST });
      describeLife(kernel, 0, MAC, 0);
      kernel.packet(KEY, { way: 0, at: 1.2 * SECOND, flags: SYN });
      const old = only(scan(table, kernel, 2 * SECOND));
      expect(old).toMatchObject({ source: "10.0.0.1", hasMac: false, mac: "000000000000" });
    }
  });

  test("with the MAC of its own first packet, where the life before began the other way", () => {
    const kernel = new KernelModel();
    const table = newTable();
    twoLives(kernel, 1);
    kernel.packet(KEY, { way: 1, at: 1.3 * SECOND, flags: RST });
    describeLife(kernel, 0, MAC, 0);
    kernel.packet(KEY, { way: 1, at: 1.4 * SECOND, flags: SYN });
    const [first, second] = scan(table, kernel, 2 * SECOND);
    expect([first?.hasMac, second?.hasMac]).toEqual([false, true]);
  });

  test("without a MAC where there was none", () => {
    const kernel = new KernelModel();
    twoLives(kernel);
    const event = kernel.drain();
    const vlanAndMac = (event.length - REOPENED_EVENT_BYTES + EVENT.vlanId) / 4;
    event.words.fill(0, vlanAndMac, vlanAndMac + 2);
    const table = newTable();
    table.addEvents(event, clockAt(1.5 * SECOND));
    expect(only(scan(table, kernel, 2 * SECOND))).toMatchObject({ hasMac: false, vlan: 0 });
  });

  test("with what a scan noted of each way's first packet, and the event's of the other way", () => {
    const kernel = new KernelModel();
    const table = newTable();
    kernel.packet(KEY, { way: 0, at: SECOND, flags: SYN, ttl: 60 });
    scan(table, kernel, 2 * SECOND);
    kernel.packet(KEY, { way: 0, at: 3 * SECOND, flags: ACK, ttl: 61 });
    kernel.packet(KEY, { way: 1, at: 3.1 * SECOND, flags: RST, ttl: 50 });
    kernel.packet(KEY, { way: 0, at: 4 * SECOND, flags: SYN, ttl: 62 });
    expect(only(scan(table, kernel, 5 * SECOND)).ttl).toEqual([60, 50]);
  });

  test("with nothing measured of a way whose packets were told before", () => {
    const kernel = new KernelModel();
    const table = newTable({ timeouts: { maxRecordIntervalNs: 0 } });
    kernel.packet(KEY, { way: 0, at: SECOND, flags: SYN, ttl: 60 });
    expect(only(scan(table, kernel, 2 * SECOND)).ttl).toEqual([60, 0]);
    kernel.packet(KEY, { way: 1, at: 3 * SECOND, flags: RST, ttl: 50 });
    kernel.packet(KEY, { way: 0, at: 4 * SECOND, flags: SYN, ttl: 62 });
    const [old, next] = scan(table, kernel, 5 * SECOND);
    expect(old).toMatchObject({ ttl: [0, 50], hasForward: false, hasReverse: true, number: 1 });
    expect(next).toMatchObject({ ttl: [62, 0], number: 0 });
  });
});

test("FlowTable tells no MAC that the value does not vouch for", () => {
  const kernel = new KernelModel();
  kernel.packet(KEY, { way: 0, at: SECOND, flags: SYN });
  describeLife(kernel, 42, MAC, 0);
  kernel.valueOf(KEY)[SHARED.octets] = 1 << 8;
  const record = only(scanWith(newTable(), kernel, 2 * SECOND, { isFinal: true }));
  expect(record).toMatchObject({ hasMac: false, vlan: 42 });
});
