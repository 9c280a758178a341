// A batch as lines of text. Comes in: DecoratedBatch. Goes out: UTF-8, every line with its newline.

import type { DecoratedBatch } from "../decorate.ts";
import type { RequestEncoder } from "./request-encoder.ts";
import { RecordRow } from "./row.ts";

/** Writes rows `from` (included) to `to` (excluded) of a batch, which is not kept. */
export type FormatLines = (batch: DecoratedBatch, from: number, to: number) => Uint8Array<ArrayBuffer>;

/** Spans of one request that is a line: a reader must hold a line whole. */
const REQUEST_SPANS = 128;

/** A line a record. @param format gives it without its newline */
export function recordLines(format: (row: RecordRow) => string): FormatLines {
  const row = new RecordRow();
  return (batch, from, to) => {
    let lines = "";
    row.open(batch);
    for (let index = from; index < to; index++) {
      row.moveTo(index);
      lines += `${format(row)}\n`;
    }
    row.close();
    return Buffer.from(lines);
  };
}

/** A line a request of at most 128 records. @param encoder of JSON */
export function requestLines(encoder: RequestEncoder): FormatLines {
  return (batch, from, to) => {
    const lines: Uint8Array[] = [];
    for (let start = from; start < to; start += REQUEST_SPANS) {
      encoder.append(batch, start, Math.min(to, start + REQUEST_SPANS));
      lines.push(encoder.take().bytes, NEWLINE);
    }
    return Buffer.concat(lines);
  };
}

const NEWLINE = Uint8Array.of(0x0a);
