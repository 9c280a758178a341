import { expect, test } from "bun:test";
import { RECORD, RECORD_DETAIL_WORDS, RECORD_WORDS } from "../../../src/flow/flow.ts";
import { BATCH_ROWS, RecordBuffer } from "../../../src/flow/record-buffer.ts";

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
  const rows = BATCH_ROWS + 1000;
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
