// A table that begins with what another one told: lives and flows of one 5-tuple, some of their records not acknowledged.

import { describe, expect, test } from "bun:test";
import {
  EXPORTED,
  EXPORTED_BYTES,
  EXPORTED_ENTRY_WORDS,
  EXPORTED_FLAG,
} from "../../../src/capture/exported.ts";
import { KEY_WORDS } from "../../../src/capture/record.ts";
import { PRESENT } from "../../../src/flow/earlier.ts";
import { type ExportedEntries, ExportedLog } from "../../../src/flow/exported-log.ts";
import { newTable, scan, scanWith } from "./driver.ts";
import { ACK, clockAt, KernelModel, keyOf, OFFSET_NS, RST, SECOND, SYN } from "./kernel-model.ts";

const KEY = keyOf({});
/** How much the wall clock was set between the two agents. */
const STEP_NS = 5000;
const LATER = OFFSET_NS + BigInt(STEP_NS);

function valuesOf({ words, first, count }: ExportedEntries): readonly Uint32Array[] {
  return Array.from({ length: count }, (_, index) => {
    const at = (first + index) * EXPORTED_ENTRY_WORDS + KEY_WORDS;
    return words.slice(at, at + EXPORTED_BYTES / 4);
  });
}

function flagsOf(value: Uint32Array | undefined): number {
  return ((value?.[EXPORTED.octets] ?? 0) >>> 16) & 0xff;
}

describe("FlowTable, after another one", () => {
  test("tells a later life again from the moment that was told, in the same record", () => {
    const kernel = new KernelModel();
    const exported = new ExportedLog(131_072);
    const first = newTable({ exported, timeouts: { maxRecordIntervalNs: SECOND } });
    kernel.packet(KEY, { way: 0, at: SECOND, flags: SYN });
    kernel.packet(KEY, { way: 1, at: SECOND + 5, flags: SYN | ACK });
    const [life] = scan(first, kernel, 3 * SECOND);
    const acknowledged = valuesOf(exported.take(1, 10)).at(-1) ?? new Uint32Array();
    kernel.packet(KEY, { way: 1, at: 4 * SECOND, flags: RST });
    kernel.packet(KEY, { way: 0, at: 5 * SECOND, flags: SYN });
    const told = scan(first, kernel, 7 * SECOND);
    expect(told.map(({ number, total }) => [number, total])).toEqual([
      [1, [1, 100, 2, 200]],
      [0, [1, 100, 0, 0]],
    ]);
    const next = valuesOf(exported.takeBegun()).at(-1);
    expect(flagsOf(next)).toBe(EXPORTED_FLAG.begun | EXPORTED_FLAG.next);
    // The kernel keeps both in one entry (merminbpf_exported_write).
    const values = acknowledged.slice();
    values.set(next?.subarray(EXPORTED.nextStart, EXPORTED.nextIncarnation + 1) ?? [], EXPORTED.nextStart);
    const second = newTable({ timeouts: { maxRecordIntervalNs: SECOND } });
    second.beginScan(clockAt(8 * SECOND, LATER));
    second.adopt({ keys: Uint32Array.from(KEY), values, count: 1 });
    // The older life waits for its hooks, which only the scan knows.
    const again = scan(second, kernel, 9 * SECOND, LATER).toReversed();
    const starts = [life?.flowStart, told[1]?.flowStart].map((start) => (start ?? 0) - STEP_NS);
    expect(again.map(({ number, flowStart }) => [number, flowStart])).toEqual([
      [1, starts[0] ?? 0],
      [0, starts[1] ?? 0],
    ]);
    expect(again.map(({ total, kind }) => [total, kind])).toEqual(
      told.map(({ total, kind }) => [total, kind]),
    );
  });

  test("keeps a flow whose key waits for another's acknowledgement, and tells it on", () => {
    const kernel = new KernelModel();
    const table = newTable({
      exported: new ExportedLog(131_072),
      timeouts: { udpNs: SECOND, tcpNs: SECOND },
    });
    kernel.packet(KEY, { way: 0, at: SECOND });
    table.beginScan(clockAt(SECOND));
    const { count, ...sample } = kernel.samples();
    table.settle({ ...sample, count, present: new Uint8Array([PRESENT.stays]) });
    expect(table.stats()).toMatchObject({ active: 0, packetsTold: 0 });
    const told = scanWith(table, kernel, 5 * SECOND, {});
    expect(told.map(({ total }) => total[0])).toEqual([1]);
  });
});
