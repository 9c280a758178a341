import { expect, test } from "bun:test";
import { RECORD_WORDS } from "../../../src/flow/flow.ts";
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
