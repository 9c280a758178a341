import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { type Attributor, type DecoratedBatch, decorate } from "../../src/decorate.ts";
import {
  END_REASON,
  RECORD,
  RECORD_DETAIL,
  RECORD_DETAIL_FLAG,
  RECORD_DETAIL_WORDS,
  RECORD_FLAG,
  RECORD_WORDS,
  SPAN_KIND,
} from "../../src/flow/flow.ts";
import type { AttributedRecord } from "../../src/kubernetes/attribution.ts";
import { type RowFields, rowOf } from "./flow/row.ts";

const FLOW: RowFields = {
  protocol: 6,
  source: "128.232.110.120",
  destination: "66.35.250.204",
  ports: [34855, 80],
  flowStartNs: 1_700_000_000_123_456_789n,
};
const TURNED: RowFields = { ...FLOW, source: FLOW.destination, destination: FLOW.source, ports: [80, 34855] };
const DETAILS = new Uint32Array(RECORD_DETAIL_WORDS).fill(5);
const HOUR_MS = 3_600_000;

function decorated(rows: readonly RowFields[], traceIdTimeoutMs: number = HOUR_MS): DecoratedBatch {
  const words = new Uint32Array((rows.length + 3) * RECORD_WORDS);
  for (const [i, row] of rows.entries()) words.set(rowOf(row), i * RECORD_WORDS);
  const options = { communityIdSeed: 0, traceIdTimeoutMs, interfaceName: () => "eth0" };
  return decorate({ count: rows.length, words, details: DETAILS }, options);
}

function hex(bytes: Uint8Array, size: number, row: number): string {
  return Buffer.from(bytes.subarray(row * size, (row + 1) * size)).toString("hex");
}

/** The same ids once more, by bigint and another SHA-1. */
function expectedIds(
  fields: RowFields,
  communityId: string,
  timeoutMs: bigint,
): { trace: string; span: string } {
  const digest = Buffer.from(communityId.slice(2), "base64");
  const spread = BigInt(`0x${digest.subarray(0, 6).toString("hex")}`) % timeoutMs;
  const start = fields.flowStartNs ?? 0n;
  const tail = Buffer.alloc(8);
  tail.writeBigUInt64BE((start / 1_000_000n + spread) / timeoutMs);
  const trace = createHash("sha1").update(digest).update(tail).digest().subarray(0, 16);
  const moment = Buffer.alloc(12);
  moment.writeBigUInt64BE(start);
  moment.writeUInt32BE(fields.recordNumber ?? 0, 8);
  const span = createHash("sha1").update(trace).update(moment).digest().subarray(0, 8);
  return { trace: trace.toString("hex"), span: span.toString("hex") };
}

test("decorate gives each row its Community ID, trace id and span id", () => {
  const rows = [FLOW, { ...FLOW, recordNumber: 7 }, { ...TURNED, flowStartNs: 1_700_000_000_123_456_788n }];
  const batch = decorated(rows);
  expect(batch.count).toBe(3);
  expect(batch.interfaceName(3)).toBe("eth0");
  expect(batch.details).toBe(DETAILS);
  rows.forEach((row, i) => {
    const id = Buffer.from(batch.communityIds.subarray(i * 30, i * 30 + 30)).toString("latin1");
    expect(id).toBe("1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    const { trace, span } = expectedIds(row, id, BigInt(HOUR_MS));
    expect(hex(batch.traceIds, 16, i)).toBe(trace);
    expect(hex(batch.spanIds, 8, i)).toBe(span);
  });
  expect(new Set([0, 1, 2].map((i) => hex(batch.spanIds, 8, i))).size).toBe(3);
});

test("decorate changes the trace id at a bucket's boundary, exactly", () => {
  const digest = Buffer.from("LQU9qZlK+B5F3KDmev6m5PMibrg=", "base64");
  const timeout = 86_400_000n;
  const spread = BigInt(`0x${digest.subarray(0, 6).toString("hex")}`) % timeout;
  const boundaryNs = (20_000n * timeout - spread) * 1_000_000n;
  const starts = [boundaryNs - 1n, boundaryNs, boundaryNs + timeout * 1_000_000n - 1n];
  const batch = decorated(
    starts.map((flowStartNs) => ({ ...FLOW, flowStartNs })),
    Number(timeout),
  );
  const traces = starts.map((_, i) => hex(batch.traceIds, 16, i));
  expect(traces[1]).toBe(traces[2] as string);
  expect(traces[0]).not.toBe(traces[1] as string);
});

test("decorate refuses a trace id timeout of zero", () => {
  expect(() => decorated([FLOW], 0)).toThrow(RangeError);
});

test("decorate asks what the cluster says of each row, by what all records of a flow share", () => {
  const asked: AttributedRecord[] = [];
  const attributor: Attributor = {
    attribute(record, _, said) {
      asked.push({ ...record, flowId: record.flowId.slice() });
      said.source = { entries: [["row", String(asked.length)]] };
    },
  };
  const words = new Uint32Array(3 * RECORD_WORDS);
  for (const [i, row] of [FLOW, FLOW, TURNED].entries()) words.set(rowOf(row), i * RECORD_WORDS);
  words[RECORD.ports] = 34855 | (443 << 16);
  words[RECORD.identity] = 6 | (4 << 8) | (SPAN_KIND.internal << 16) | (END_REASON.idleTimeout << 24);
  words[RECORD_WORDS + RECORD.identity] =
    6 | (4 << 8) | (SPAN_KIND.client << 16) | (END_REASON.activeTimeout << 24);
  words[RECORD_WORDS + RECORD.flags] = RECORD_FLAG.isInitiatorSure;
  const options = { communityIdSeed: 0, traceIdTimeoutMs: HOUR_MS, interfaceName: () => undefined };
  const batch = decorate({ count: 3, words, details: DETAILS }, { ...options, attributor });
  const nothing = undefined;
  expect(batch.named.map((list) => list?.entries[0]?.[1])).toEqual(
    ["1", "2", "3"].flatMap((row) => [row, nothing, nothing]),
  );
  const [first, second, third] = asked;
  expect(first).toMatchObject({ sourcePort: 34855, destinationPort: 443, protocol: 6 });
  expect(first?.startMs).toBeCloseTo(1_700_000_000_123.457, 2);
  expect([first?.sourceAt, second?.sourceAt, second?.destinationAt]).toEqual([
    0,
    RECORD_WORDS,
    RECORD_WORDS + RECORD.destinationAddress,
  ]);
  expect(second?.flowId).toEqual(first?.flowId as Uint32Array);
  expect([first?.isLast, second?.isLast]).toEqual([true, false]);
  expect([first?.isInitiatorKnown, second?.isInitiatorKnown]).toEqual([false, true]);
  expect([first?.isInitiatorSure, second?.isInitiatorSure]).toEqual([false, true]);
  expect(third?.flowId).toEqual(first?.flowId as Uint32Array);
  expect(decorate({ count: 3, words, details: DETAILS }, options).named).toEqual([]);
});

test("decorate derives the trace of a translated conversation from the view behind the translation", () => {
  const words = new Uint32Array(2 * RECORD_WORDS);
  const translated: RowFields = { ...FLOW, destination: "10.1.0.9", ports: [40_000, 8080] };
  words.set(rowOf(FLOW), 0);
  words.set(rowOf(translated), RECORD_WORDS);
  words[RECORD.detail] = 1;
  words[RECORD.ports] = 34855 | (80 << 16);
  const details = new Uint32Array(RECORD_DETAIL_WORDS);
  const other = rowOf(translated);
  details.set(other.subarray(RECORD.sourceAddress, RECORD.sourceAddress + 4), RECORD_DETAIL.natSource);
  details.set(
    other.subarray(RECORD.destinationAddress, RECORD.destinationAddress + 4),
    RECORD_DETAIL.natDestination,
  );
  details[RECORD_DETAIL.natPorts] = 40_000 | (8080 << 16);
  const { hasNat, tracesNat, isNatBehind } = RECORD_DETAIL_FLAG;
  details[RECORD_DETAIL.flags] = hasNat | tracesNat | isNatBehind;
  const asked: AttributedRecord[] = [];
  const attributor: Attributor = {
    attribute: (record) => {
      asked.push({ ...record, words: record.words.slice() });
    },
  };
  const options = { communityIdSeed: 0, traceIdTimeoutMs: HOUR_MS, interfaceName: () => undefined };
  const batch = decorate({ count: 2, words, details }, { ...options, attributor });
  expect(hex(batch.traceIds, 16, 0)).toBe(hex(batch.traceIds, 16, 1));
  const text = (bytes: Uint8Array, row: number): string =>
    Buffer.from(bytes.subarray(row * 30, row * 30 + 30)).toString("latin1");
  expect(text(batch.communityIds, 0)).toBe("1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
  expect(text(batch.natCommunityIds, 0)).toBe(text(batch.communityIds, 1));
  const [record, plain] = asked;
  const address = (at = 0): string =>
    [...new Uint8Array(record?.words.slice(at, at + 4).buffer ?? new ArrayBuffer(0))].slice(12).join(".");
  expect([address(record?.destinationAt), record?.destinationPort]).toEqual(["10.1.0.9", 8080]);
  expect([address(record?.calledAt), record?.calledPort]).toEqual([FLOW.destination, 80]);
  expect(address(record?.sourceAt)).toBe(FLOW.source);
  expect(plain?.calledAt).toBe(-1);
});

test("decorate tells records of one flow apart by who answers, and only by that", () => {
  const { hasNat, isNatBehind } = RECORD_DETAIL_FLAG;
  const idOf = (answering: string | undefined, port = 80, source = FLOW.source): string => {
    const words = rowOf(FLOW);
    words[RECORD.ports] = 34855 | (80 << 16);
    const details = new Uint32Array(RECORD_DETAIL_WORDS);
    if (answering !== undefined) {
      words[RECORD.detail] = 1;
      const other = rowOf({ ...FLOW, source, destination: answering });
      details.set(other.subarray(RECORD.sourceAddress, RECORD.sourceAddress + 4), RECORD_DETAIL.natSource);
      details.set(other.subarray(RECORD.destinationAddress, RECORD.ports), RECORD_DETAIL.natDestination);
      details[RECORD_DETAIL.natPorts] = 34855 | (port << 16);
      details[RECORD_DETAIL.flags] = hasNat | isNatBehind;
    }
    let id = "";
    const attributor: Attributor = { attribute: ({ flowId }) => (id = flowId.join()) };
    const options = { communityIdSeed: 0, traceIdTimeoutMs: HOUR_MS, interfaceName: () => undefined };
    decorate({ count: 1, words, details }, { ...options, attributor });
    return id;
  };
  const masqueraded = idOf(FLOW.destination, 80, "192.0.2.1");
  expect([idOf(undefined), masqueraded]).toEqual([masqueraded, idOf(FLOW.destination)]);
  const answering = [masqueraded, idOf("10.1.0.9"), idOf("10.1.0.8"), idOf(FLOW.destination, 8080)];
  expect(new Set(answering).size).toBe(answering.length);
  expect(idOf("10.1.0.9")).toBe(answering[1] as string);
});

test("decorate takes nobody for who surely began by masquerade alone", () => {
  const { hasNat, isNatBehind } = RECORD_DETAIL_FLAG;
  const isSure = (answering: string, tcpFlags: number): boolean => {
    const words = rowOf(FLOW);
    words[RECORD.detail] = 1;
    words[RECORD.flags] = RECORD_FLAG.isInitiatorSure;
    words[RECORD.octets] = tcpFlags;
    const details = new Uint32Array(RECORD_DETAIL_WORDS);
    const other = rowOf({ ...FLOW, source: "192.0.2.1", destination: answering });
    details.set(other.subarray(RECORD.sourceAddress, RECORD.ports), RECORD_DETAIL.natSource);
    details[RECORD_DETAIL.flags] = hasNat | isNatBehind;
    let found = false;
    const attributor: Attributor = {
      attribute: ({ isInitiatorSure }) => {
        found = isInitiatorSure;
      },
    };
    const options = { communityIdSeed: 0, traceIdTimeoutMs: HOUR_MS, interfaceName: () => undefined };
    decorate({ count: 1, words, details }, { ...options, attributor });
    return found;
  };
  expect(isSure(FLOW.destination, 0x10)).toBe(false);
  expect(isSure(FLOW.destination, 0x12)).toBe(true);
  expect(isSure("10.1.0.9", 0x10)).toBe(true);
});
