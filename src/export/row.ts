// One record of a decorated batch, read field by field. Comes in: DecoratedBatch. Goes out: plain values.
// One view is moved over all rows of all batches: an object a record would cost more than its encoding (bench/encode.ts).

import { type DecoratedBatch, NAMED_PER_ROW } from "../decorate.ts";
import { RECORD, RECORD_DETAIL_WORDS, RECORD_WORDS } from "../flow/flow.ts";
import type { NamedValues } from "../lib/named-values.ts";

const EMPTY: DecoratedBatch = {
  count: 0,
  words: new Uint32Array(0),
  details: new Uint32Array(0),
  communityIds: new Uint8Array(0),
  natCommunityIds: new Uint8Array(0),
  traceIds: new Uint8Array(0),
  spanIds: new Uint8Array(0),
  interfaceName: () => undefined,
  named: [],
};

/** Bytes of one row's identifiers in {@link DecoratedBatch}. */
export const ID_BYTES = { communityId: 30, traceId: 16, spanId: 8 } as const;

/** IANA protocol numbers that decide which attributes apply. */
export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;

/** A view of one record. After {@link RecordRow.open} and {@link RecordRow.moveTo} it is that record. */
export class RecordRow {
  batch: DecoratedBatch = EMPTY;
  /** The batch's words; a field of its own, because each value of a span is read through it. */
  words: Uint32Array = EMPTY.words;
  /** The batch's words as bytes. */
  octets: Uint8Array = new Uint8Array(0);
  index = 0;
  /** First word of the row. */
  base = 0;
  #detailOctets: Uint8Array | undefined;

  /** Looks at `batch`; its buffers must live until the next call. */
  open(batch: DecoratedBatch): void {
    this.batch = batch;
    this.words = batch.words;
    this.octets = new Uint8Array(batch.words.buffer, batch.words.byteOffset, batch.words.byteLength);
    this.#detailOctets = undefined;
    this.moveTo(0);
  }

  /** Drops the batch, so that its buffers can be collected. */
  close(): void {
    this.batch = EMPTY;
    this.words = EMPTY.words;
    this.octets = new Uint8Array(0);
    this.#detailOctets = undefined;
  }

  moveTo(index: number): void {
    this.index = index;
    this.base = index * RECORD_WORDS;
  }

  /** @param offset word offset, see `RECORD` */
  word(offset: number): number {
    return this.words[this.base + offset] as number;
  }

  /** Byte `byte` of the word at `offset`, counted from its lowest bits. */
  octet(offset: number, byte: number): number {
    return (this.word(offset) >>> (byte * 8)) & 0xff;
  }

  /** A 64-bit value as a double: exact up to 2^53. */
  number64(offset: number): number {
    return this.word(offset) + this.word(offset + 1) * 0x1_0000_0000;
  }

  /** A 64-bit value, exact: not for the encoder. */
  bigint64(offset: number): bigint {
    return (BigInt(this.word(offset + 1)) << 32n) | BigInt(this.word(offset));
  }

  /** Offset in {@link RecordRow.octets} of the word at `offset`. */
  octetOffset(offset: number): number {
    return (this.base + offset) * 4;
  }

  /** @param flag one bit of `RECORD_FLAG` */
  has(flag: number): boolean {
    return (this.word(RECORD.flags) & flag) !== 0;
  }

  /** The record has a detail row: without one, nothing named "detail" below may be read. */
  get hasDetail(): boolean {
    return this.word(RECORD.detail) !== 0;
  }

  /** The batch's details as bytes: made when a record first asks, as few batches have any. */
  get detailOctets(): Uint8Array {
    const { details } = this.batch;
    this.#detailOctets ??= new Uint8Array(details.buffer, details.byteOffset, details.byteLength);
    return this.#detailOctets;
  }

  /** @param offset word offset in the detail row, see `RECORD_DETAIL` */
  detailWord(offset: number): number {
    return this.batch.details[this.#detailIndex(offset)] as number;
  }

  /** Byte `byte` of the detail row's word at `offset`, counted from its lowest bits. */
  detailOctet(offset: number, byte: number): number {
    return (this.detailWord(offset) >>> (byte * 8)) & 0xff;
  }

  /** Offset in {@link RecordRow.detailOctets} of the detail row's word at `offset`. */
  detailOctetOffset(offset: number): number {
    return this.#detailIndex(offset) * 4;
  }

  /** List `slot` of those that are named beside the row: source, destination, policies. */
  named(slot: number): NamedValues | undefined {
    return this.batch.named[this.index * NAMED_PER_ROW + slot];
  }

  get protocol(): number {
    return this.octet(RECORD.identity, 0);
  }

  /** 4 or 6. */
  get ipVersion(): number {
    return this.octet(RECORD.identity, 1);
  }

  /** See `SPAN_KIND`. */
  get spanKind(): number {
    return this.octet(RECORD.identity, 2);
  }

  /** See `END_REASON`. */
  get endReason(): number {
    return this.octet(RECORD.identity, 3);
  }

  /** Rows of details are counted from 1. */
  #detailIndex(offset: number): number {
    return (this.word(RECORD.detail) - 1) * RECORD_DETAIL_WORDS + offset;
  }
}
