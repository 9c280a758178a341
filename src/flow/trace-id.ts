// Trace and span ids of a record, derived so that any node, and any later run, computes the same (spans.md,
// "Envelope"). Every integer is hashed in network order:
//   bucket   = ⌊(flow start in ms + h mod T) / T⌋, T in ms, h = the first 6 bytes of the Community ID's digest
//   trace id = SHA-1(Community ID's digest ‖ bucket as 8 bytes)[0..16)
//   span id  = SHA-1(trace id ‖ flow start in ns as 8 bytes ‖ record number as 4 bytes)[0..8)

import { RECORD } from "./flow.ts";

export const TRACE_ID_BYTES = 16;
export const SPAN_ID_BYTES = 8;

const WORD = 4294967296;

/** Derives ids row by row, without allocating. */
export class TraceIdHasher {
  readonly #timeoutMs: number;
  readonly #traceInput = new Uint8Array(28);
  readonly #spanInput = new Uint8Array(28);
  readonly #digest = new Uint8Array(20);

  /**
   * @param timeoutMs `span.trace_id_timeout`: how long flows with one Community ID share a trace
   * @throws RangeError unless it is a whole number of milliseconds from 1
   */
  constructor(timeoutMs: number) {
    if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1) {
      throw new RangeError(
        `Cannot derive trace ids with a timeout of ${timeoutMs} ms: expected a whole number from 1`,
      );
    }
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Writes the trace id of the row at `at`.
   * @param communityId the 20 bytes of the row's Community ID digest
   */
  writeTraceId(
    words: Uint32Array,
    at: number,
    communityId: Uint8Array,
    out: Uint8Array,
    outAt: number,
  ): void {
    const start = milliseconds(
      words[at + RECORD.flowStartNs + 1] as number,
      words[at + RECORD.flowStartNs] as number,
    );
    const spread = leading48(communityId) % this.#timeoutMs;
    const bucket = Math.floor((start + spread) / this.#timeoutMs);
    const input = this.#traceInput;
    for (let i = 0; i < 20; i++) input[i] = communityId[i] as number;
    writeWord(input, 20, bucket / WORD);
    writeWord(input, 24, bucket);
    Bun.SHA1.hash(input, this.#digest);
    this.#writeId(out, outAt, TRACE_ID_BYTES);
  }

  /** Writes the span id of the row at `at`, whose trace id is in `traceIds` at `traceIdAt`. */
  writeSpanId(
    words: Uint32Array,
    at: number,
    traceIds: Uint8Array,
    traceIdAt: number,
    out: Uint8Array,
    outAt: number,
  ): void {
    const input = this.#spanInput;
    for (let i = 0; i < TRACE_ID_BYTES; i++) input[i] = traceIds[traceIdAt + i] as number;
    writeWord(input, 16, words[at + RECORD.flowStartNs + 1] as number);
    writeWord(input, 20, words[at + RECORD.flowStartNs] as number);
    writeWord(input, 24, words[at + RECORD.recordNumber] as number);
    Bun.SHA1.hash(input, this.#digest);
    this.#writeId(out, outAt, SPAN_ID_BYTES);
  }

  /** An id of all zeroes is invalid (W3C Trace Context): its last byte becomes 1. */
  #writeId(out: Uint8Array, at: number, length: number): void {
    let any = 0;
    for (let i = 0; i < length; i++) {
      const byte = this.#digest[i] as number;
      any |= byte;
      out[at + i] = byte;
    }
    if (any === 0) out[at + length - 1] = 1;
  }
}

/** ⌊(high × 2^32 + low) / 10^6⌋, exact for any time in ns: 2^32 = 4294 × 10^6 + 967296. */
function milliseconds(high: number, low: number): number {
  return high * 4294 + Math.floor((high * 967296 + low) / 1e6);
}

function leading48(bytes: Uint8Array): number {
  let value = 0;
  for (let i = 0; i < 6; i++) value = value * 256 + (bytes[i] as number);
  return value;
}

function writeWord(out: Uint8Array, at: number, word: number): void {
  out[at] = word >>> 24;
  out[at + 1] = word >>> 16;
  out[at + 2] = word >>> 8;
  out[at + 3] = word;
}
