import { expect, test } from "bun:test";
import { type FlowRecordBatch, RECORD, RECORD_DETAIL_WORDS, RECORD_WORDS } from "../../../src/flow/flow.ts";
import { RecordBuffer } from "../../../src/flow/record-buffer.ts";
import { BATCH_ROWS, RecordChunks } from "../../../src/flow/record-chunks.ts";
import { RecordQueue } from "../../../src/flow/record-queue.ts";

test("RecordBuffer hands rows over in order, each batch in a buffer of its own", () => {
  const buffer = new RecordBuffer();
  expect(buffer.take()).toBeUndefined();
  const rows = BATCH_ROWS * 2 + 300;
  for (let i = 0; i < rows; i++) {
    const at = buffer.append();
    expect(buffer.words.subarray(at, at + RECORD_WORDS).every((word) => word === 0)).toBe(true);
    buffer.words[at] = i;
  }
  expect(buffer.count).toBe(rows);
  const seen: number[] = [];
  const buffers = new Set<ArrayBuffer>();
  for (let batch = buffer.take(); batch !== undefined; batch = buffer.take()) {
    expect(batch.count).toBeLessThanOrEqual(BATCH_ROWS);
    const words = new Uint32Array(structuredClone(batch.words.buffer, { transfer: [batch.words.buffer] }));
    buffers.add(words.buffer);
    for (let i = 0; i < batch.count; i++) seen.push(words[i * RECORD_WORDS] as number);
  }
  expect(seen).toEqual(Array.from({ length: rows }, (_, i) => i));
  expect(buffers.size).toBe(3);
  expect(buffer.append()).toBe(0);
});

test("RecordBuffer keeps detail rows in the batch of their records, numbered there", () => {
  const buffer = new RecordBuffer();
  const rows = BATCH_ROWS + 500;
  for (let i = 0; i < rows; i++) {
    const row = buffer.append();
    buffer.words[row] = i;
    if (i % 3 !== 0) continue;
    const at = buffer.appendDetail();
    expect(buffer.details.subarray(at, at + RECORD_DETAIL_WORDS).every((word) => word === 0)).toBe(true);
    buffer.details[at] = i;
  }
  for (let batch = buffer.take(); batch !== undefined; batch = buffer.take()) {
    for (let i = 0; i < batch.count; i++) {
      const row = batch.words[i * RECORD_WORDS] as number;
      const number = batch.words[i * RECORD_WORDS + RECORD.detail] as number;
      expect(number !== 0).toBe(row % 3 === 0);
      if (number !== 0) expect(batch.details[(number - 1) * RECORD_DETAIL_WORDS]).toBe(row);
    }
  }
  buffer.append();
  expect(buffer.take()?.details).toHaveLength(0);
});

test("RecordBuffer takes the last row away, also the first of a batch, and leaves its place clean", () => {
  const buffer = new RecordBuffer();
  for (let i = 0; i < BATCH_ROWS + 1; i++) {
    const at = buffer.append();
    buffer.words[at + 1] = 7;
  }
  buffer.withdraw();
  expect(buffer.count).toBe(BATCH_ROWS);
  const at = buffer.append();
  expect(buffer.words[at + 1]).toBe(0);
  buffer.withdraw();
  expect(buffer.take()?.count).toBe(BATCH_ROWS);
  expect(buffer.take()).toBeUndefined();
});

test("RecordBuffer lets the oldest rows go beyond its bound, counted, and uses their buffers again", () => {
  const buffer = new RecordBuffer();
  buffer.mostRows = BATCH_ROWS * 3;
  const buffers = new Set<ArrayBuffer>();
  const rows = BATCH_ROWS * 50 + 10;
  for (let i = 0; i < rows; i++) {
    const at = buffer.append();
    buffers.add(buffer.words.buffer);
    expect(buffer.words[at]).toBe(0);
    buffer.words[at] = i + 1;
    expect(buffer.count).toBeLessThanOrEqual(buffer.mostRows);
    expect(buffer.count + buffer.refused).toBe(i + 1);
  }
  expect(buffers.size).toBe(3);
  expect(buffer.take()?.words[0]).toBe(rows - buffer.count - BATCH_ROWS + 1);
});

test("RecordBuffer writes clean rows, and details, into buffers that came back", () => {
  const buffer = new RecordBuffer();
  const appendChunk = (): FlowRecordBatch => {
    for (let i = 0; i < BATCH_ROWS; i++) {
      const at = buffer.append();
      expect(buffer.words.subarray(at, at + RECORD_WORDS).every((word) => word === 0)).toBe(true);
      buffer.words.fill(7, at, at + RECORD_WORDS);
      const detail = buffer.appendDetail();
      const end = detail + RECORD_DETAIL_WORDS;
      expect(buffer.details.subarray(detail, end).every((word) => word === 0)).toBe(true);
      buffer.details.fill(7, detail, end);
    }
    const batch = buffer.take();
    if (batch === undefined) throw new Error("no rows wait");
    return batch;
  };
  const first = appendChunk();
  buffer.chunks.giveBack(first);
  const second = appendChunk();
  expect(second.words.buffer).toBe(first.words.buffer);
  expect(second.details.buffer).toBe(first.details.buffer);
  buffer.chunks.giveBack(second);
  buffer.append();
  expect(buffer.take()).toMatchObject({ count: 1, details: { length: 0 } });
});

test("RecordChunks keeps few buffers, and frees what it does not keep", () => {
  const chunks = new RecordChunks();
  const given = Array.from({ length: 100 }, () => new Uint32Array(BATCH_ROWS * RECORD_WORDS));
  for (const words of given) chunks.giveBack({ words, details: new Uint32Array(0) });
  const kept = given.filter(({ length }) => length > 0);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThan(given.length);
  const taken = new Set(given.map(() => chunks.takeWords()));
  expect(kept.every((words) => taken.has(words))).toBe(true);
  expect(taken.size).toBe(given.length);
});

test("RecordQueue hands over what the table's flows tell first, and lets only the others go in their flood", () => {
  const table = new RecordBuffer();
  const overflow = new RecordBuffer();
  const queue = new RecordQueue(table, overflow);
  queue.bound(BATCH_ROWS * 8);
  for (let i = 0; i < BATCH_ROWS * 6; i++) {
    table.append();
    for (let copies = 0; copies < 3; copies++) overflow.append();
  }
  expect([table.refused, table.count]).toEqual([0, BATCH_ROWS * 6]);
  expect(overflow.count).toBe(BATCH_ROWS * 2);
  expect(queue.refused).toBe(BATCH_ROWS * 16);
  for (let i = 0; i < 6; i++) expect(queue.take()?.count).toBe(BATCH_ROWS);
  expect([table.count, overflow.count]).toEqual([0, BATCH_ROWS * 2]);
  queue.bound(Number.POSITIVE_INFINITY);
  for (let i = 0; i < BATCH_ROWS * 9; i++) overflow.append();
  expect(overflow.count).toBe(BATCH_ROWS * 11);
});
