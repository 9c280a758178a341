import { describe, expect, test } from "bun:test";
import type { DirectionContext } from "../../../src/flow/direction.ts";
import { SPAN_KIND } from "../../../src/flow/flow.ts";
import type { FlowTimeouts } from "../../../src/flow/lifecycle.ts";
import { FlowTable } from "../../../src/flow/table.ts";
import { CONTEXT, newTable, type RecordFields, scan, TIMEOUTS } from "./driver.ts";
import { ACK, FIN, KernelModel, keyOf, SECOND, SYN } from "./kernel-model.ts";

/** Both ports above the range of clients. */
const UDP_KEY = keyOf({ protocol: 17, lowPort: 50000, highPort: 50001 });
const TCP_KEY = keyOf({ lowPort: 50000, highPort: 50001 });
const POD_INGRESS = 1 << 1;

/** A listener that is found while flows go on. */
class Finding {
  port = 0;
  revision = 0;
  readonly context: DirectionContext;

  constructor() {
    const isListening: DirectionContext["isListening"] = (_, port) => port === this.port;
    const revision = (): number => this.revision;
    this.context = {
      ...CONTEXT,
      isListening,
      get revision() {
        return revision();
      },
    };
  }

  /** The context as it is, not a copy of its present values. */
  newTable(timeouts: Partial<FlowTimeouts> = {}): FlowTable {
    return new FlowTable({ timeouts: { ...TIMEOUTS, ...timeouts }, context: this.context, seed: 7 });
  }

  find(port: number): void {
    this.port = port;
    this.revision++;
  }
}

function sources(records: readonly RecordFields[]): readonly string[] {
  return records.map(({ source, sourcePort, kind }) => `${source} ${sourcePort} ${kind}`);
}

describe("Orienter turns a flow", () => {
  test("for a listener found before its first record, though no packet came since", () => {
    const finding = new Finding();
    const table = finding.newTable();
    const kernel = new KernelModel();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND, hook: POD_INGRESS });
    kernel.packet(UDP_KEY, { way: 1, at: SECOND });
    scan(table, kernel, 2 * SECOND);
    finding.find(50000);
    expect(scan(table, kernel, 3 * SECOND)).toEqual([]);
    expect(sources(scan(table, kernel, 61 * SECOND))).toEqual([`10.0.0.2 50001 ${SPAN_KIND.server}`]);
  });

  test("for no listener found after it", () => {
    const finding = new Finding();
    const table = finding.newTable({ maxRecordIntervalNs: 5 * SECOND });
    const kernel = new KernelModel();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND, hook: POD_INGRESS });
    expect(sources(scan(table, kernel, 6 * SECOND))).toEqual([`10.0.0.1 50000 ${SPAN_KIND.internal}`]);
    finding.find(50000);
    kernel.packet(UDP_KEY, { way: 1, at: 7 * SECOND });
    kernel.packet(UDP_KEY, { way: 0, at: 8 * SECOND, hook: POD_INGRESS });
    expect(sources(scan(table, kernel, 12 * SECOND))).toEqual([`10.0.0.1 50000 ${SPAN_KIND.internal}`]);
  });

  test("not back where the listener is gone again", () => {
    const finding = new Finding();
    const table = finding.newTable();
    const kernel = new KernelModel();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND, hook: POD_INGRESS });
    finding.find(50000);
    scan(table, kernel, 2 * SECOND);
    finding.find(0);
    kernel.packet(UDP_KEY, { way: 0, at: 3 * SECOND, hook: POD_INGRESS });
    expect(sources(scan(table, kernel, 63 * SECOND))).toEqual([`10.0.0.2 50001 ${SPAN_KIND.server}`]);
  });

  test("for a handshake against the listener", () => {
    const finding = new Finding();
    finding.find(50000);
    const table = finding.newTable();
    const kernel = new KernelModel();
    kernel.packet(TCP_KEY, { way: 0, at: SECOND, flags: SYN, hook: POD_INGRESS });
    kernel.packet(TCP_KEY, { way: 1, at: SECOND, flags: SYN | ACK });
    expect(sources(scan(table, kernel, 61 * SECOND))).toEqual([`10.0.0.1 50000 ${SPAN_KIND.client}`]);
  });

  test("with each connection on its ports, whoever began the one before", () => {
    const table = newTable();
    const kernel = new KernelModel();
    for (const [first, at] of [
      [0, SECOND],
      [1, 2 * SECOND],
    ] as const) {
      const second = first === 0 ? 1 : 0;
      kernel.packet(TCP_KEY, { way: first, at, flags: SYN, hook: POD_INGRESS });
      kernel.packet(TCP_KEY, { way: second, at: at + 1e6, flags: SYN | ACK, hook: POD_INGRESS });
      kernel.packet(TCP_KEY, { way: first, at: at + 2e6, flags: FIN | ACK, hook: POD_INGRESS });
      kernel.packet(TCP_KEY, { way: second, at: at + 3e6, flags: FIN | ACK, hook: POD_INGRESS });
    }
    const records = scan(table, kernel, 20 * SECOND);
    expect(records.map(({ source, number }) => [source, number])).toEqual([
      ["10.0.0.1", 0],
      ["10.0.0.2", 0],
    ]);
  });
});

test("a record says whether its source is surely the initiator", () => {
  const LISTENERS: ReadonlySet<number> = new Set([53, 20000, 8125]);
  const isListening: DirectionContext["isListening"] = (_, port) => LISTENERS.has(port);
  const isSure = (key: Uint32Array, packet: Partial<Parameters<KernelModel["packet"]>[1]> = {}): boolean => {
    const kernel = new KernelModel();
    kernel.packet(key, { way: 0, at: SECOND, hook: POD_INGRESS, ...packet });
    const [record] = scan(newTable({ context: { isListening } }), kernel, 100 * SECOND);
    return (record as RecordFields).isInitiatorSure;
  };
  const tcp = (lowPort: number, highPort: number): Uint32Array => keyOf({ lowPort, highPort });
  const udp = (lowPort: number, highPort: number): Uint32Array => keyOf({ protocol: 17, lowPort, highPort });
  expect(isSure(tcp(50_000, 443), { flags: SYN })).toBe(true);
  expect(isSure(tcp(50_000, 443))).toBe(false);
  expect(isSure(tcp(50_000, 50_001))).toBe(false);
  expect(isSure(tcp(50_000, 20_000))).toBe(true);
  expect(isSure(tcp(9000, 20_000))).toBe(true);
  expect(isSure(udp(50_000, 443))).toBe(false);
  expect(isSure(udp(50_000, 8125))).toBe(true);
  // A resolver that asks from a port of its own choice has a socket there, too.
  expect(isSure(udp(5353, 20_000))).toBe(false);
});
