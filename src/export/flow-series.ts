// Sums records up by the values of a few attributes. Comes in: DecoratedBatch. Goes out: series, at most so many and of so
// many bytes; what has no room is summed up in one series of its own, so that nothing is missing from the whole.

import type { DecoratedBatch } from "../decorate.ts";
import { RECORD } from "../flow/flow.ts";
import { ABSENT, type Attribute } from "./attribute.ts";
import { RecordRow } from "./row.ts";

/** What is counted, in the order of {@link Series.sums}. */
export const SUMS = ["bytes", "reverseBytes", "packets", "reversePackets", "flows"] as const;

type Value = string | number | undefined;

/** An attribute that series are told apart by; `read` answers undefined where a record has it not. */
export interface SeriesAttribute {
  readonly name: string;
  readonly read: (row: RecordRow) => Value;
}

/** One series as it is told. */
export interface Series {
  /** Those that its records have. */
  readonly attributes: readonly (readonly [name: string, value: string | number | boolean])[];
  /** When its first record was added, milliseconds since 1970: its sums begin at 0 there. */
  readonly startMs: number;
  /** See {@link SUMS}. */
  readonly sums: readonly bigint[];
}

/** What series may take. */
export interface SeriesBounds {
  /** Most of them, beside that of what has no room. */
  readonly series: number;
  /** Of all together, as {@link measure} has it. */
  readonly bytes: number;
  /** Bytes of one series as it is sent. Asked once for each. */
  readonly measure: (series: Series) => number;
}

/** Branches by the values of the first attribute, the second …; at the end the number of the series. */
type Branch = Map<Value, Branch | number>;

/** OpenTelemetry's name for the series of what has no room. */
const OVERFLOW = ["otel.metric.overflow", true] as const;
const OVERFLOW_SLOT = 0;

/** No sums take more bytes than these, however they are written. */
const LARGEST_SUMS: readonly bigint[] = SUMS.map(() => 2n ** 64n - 1n);

/** Two words for each sum: a 64-bit count, low word first. */
const SLOT_WORDS = SUMS.length * 2;

/** Word offsets of a record's 64-bit counts, in the order of {@link SUMS}; the flows follow. */
const COUNT_WORDS = [
  RECORD.bytesDelta,
  RECORD.reverseBytesDelta,
  RECORD.packetsDelta,
  RECORD.reversePacketsDelta,
] as const;
const FLOWS_WORD = COUNT_WORDS.length * 2;

/** Cumulative sums. Values lead to a series through nested maps: no text is joined for a record (bench/encode.ts). */
export class FlowSeries {
  readonly #attributes: readonly SeriesAttribute[];
  readonly #sums: Uint32Array;
  readonly #startMs: Float64Array;
  readonly #touchedMs: Float64Array;
  /** By series; undefined where the number is free, and of the overflow. */
  readonly #values: (readonly Value[] | undefined)[];
  readonly #free: number[];
  readonly #bounds: SeriesBounds;
  /** Of each series. */
  readonly #sizes: Float64Array;
  #bytes: number;
  /** Whether a series found no room in bytes since any was let go. */
  #isFull = false;
  readonly #root: Branch = new Map();
  readonly #row = new RecordRow();

  constructor(attributes: readonly SeriesAttribute[], bounds: SeriesBounds) {
    const { series: capacity } = bounds;
    this.#attributes = attributes;
    this.#bounds = bounds;
    this.#bytes = bounds.measure({ attributes: [OVERFLOW], startMs: Date.now(), sums: LARGEST_SUMS });
    this.#sizes = new Float64Array(capacity + 1);
    this.#sums = new Uint32Array((capacity + 1) * SLOT_WORDS);
    this.#startMs = new Float64Array(capacity + 1);
    this.#touchedMs = new Float64Array(capacity + 1);
    this.#values = new Array<undefined>(capacity + 1).fill(undefined);
    this.#free = Array.from({ length: capacity }, (_, index) => capacity - index);
  }

  /** Adds the deltas of every record. @param nowMs milliseconds since 1970 */
  add(batch: DecoratedBatch, nowMs: number): void {
    const row = this.#row;
    row.open(batch);
    for (let index = 0; index < batch.count; index++) {
      row.moveTo(index);
      const slot = this.#find(row, nowMs);
      if (slot === OVERFLOW_SLOT && this.#startMs[slot] === 0) this.#startMs[slot] = nowMs;
      this.#touchedMs[slot] = nowMs;
      this.#count(row, slot * SLOT_WORDS);
    }
    row.close();
  }

  /** The series there are, that of what had no room last. */
  *list(): Generator<Series> {
    for (const [slot, values] of this.#values.entries()) {
      if (values !== undefined) yield this.#tell(slot, this.#name(values));
    }
    if (this.#startMs[OVERFLOW_SLOT] !== 0) yield this.#tell(OVERFLOW_SLOT, [OVERFLOW]);
  }

  /** Forgets series without a record since `beforeMs`; one that comes back begins anew, at 0. */
  expire(beforeMs: number): void {
    for (const [slot, values] of this.#values.entries()) {
      if (values === undefined || (this.#touchedMs[slot] ?? 0) >= beforeMs) continue;
      prune(this.#root, values.length === 0 ? [undefined] : values);
      this.#values[slot] = undefined;
      this.#sums.fill(0, slot * SLOT_WORDS, (slot + 1) * SLOT_WORDS);
      this.#free.push(slot);
      this.#bytes -= this.#sizes[slot] as number;
      this.#isFull = false;
    }
  }

  #count(row: RecordRow, base: number): void {
    const sums = this.#sums;
    for (let index = 0; index < COUNT_WORDS.length; index++) {
      const word = COUNT_WORDS[index] as number;
      const at = base + index * 2;
      const low = (sums[at] as number) + row.word(word);
      sums[at] = low;
      sums[at + 1] = (sums[at + 1] as number) + row.word(word + 1) + (low > 0xffff_ffff ? 1 : 0);
    }
    if (row.word(RECORD.recordNumber) !== 0) return;
    const flows = (sums[base + FLOWS_WORD] as number) + 1;
    sums[base + FLOWS_WORD] = flows;
    if (flows > 0xffff_ffff) sums[base + FLOWS_WORD + 1] = (sums[base + FLOWS_WORD + 1] as number) + 1;
  }

  /** The series of a record, made where there is none yet and room for one. */
  #find(row: RecordRow, nowMs: number): number {
    const attributes = this.#attributes;
    let branch = this.#root;
    for (let depth = 0; depth < attributes.length - 1; depth++) {
      const next = branch.get((attributes[depth] as SeriesAttribute).read(row));
      if (typeof next !== "object") return this.#make(row, nowMs);
      branch = next;
    }
    const slot = branch.get(attributes[attributes.length - 1]?.read(row));
    return typeof slot === "number" ? slot : this.#make(row, nowMs);
  }

  #make(row: RecordRow, nowMs: number): number {
    const slot = this.#isFull ? undefined : this.#free.pop();
    if (slot === undefined) return OVERFLOW_SLOT;
    const values = this.#attributes.map(({ read }) => read(row));
    const { measure, bytes } = this.#bounds;
    const size = measure({ attributes: this.#name(values), startMs: nowMs, sums: LARGEST_SUMS });
    if (this.#bytes + size > bytes) {
      this.#isFull = true;
      this.#free.push(slot);
      return OVERFLOW_SLOT;
    }
    graft(this.#root, values.length === 0 ? [undefined] : values, slot);
    this.#bytes += size;
    this.#sizes[slot] = size;
    this.#values[slot] = values;
    this.#startMs[slot] = nowMs;
    return slot;
  }

  #name(values: readonly Value[]): Series["attributes"] {
    return values.flatMap((value, index): Series["attributes"] => {
      const name = this.#attributes[index]?.name;
      return name === undefined || value === undefined ? [] : [[name, value]];
    });
  }

  #tell(slot: number, attributes: Series["attributes"]): Series {
    const words = this.#sums.subarray(slot * SLOT_WORDS, (slot + 1) * SLOT_WORDS);
    const sums = SUMS.map(
      (_, index) => (BigInt(words[index * 2 + 1] ?? 0) << 32n) | BigInt(words[index * 2] ?? 0),
    );
    return { attributes, startMs: this.#startMs[slot] ?? 0, sums };
  }
}

/** How series read an attribute of the table; undefined for one that is no value of theirs: a count, a list. */
export function seriesAttribute(
  attribute: Attribute,
  applies: (row: RecordRow) => boolean,
): SeriesAttribute | undefined {
  const { name } = attribute;
  if (attribute.kind === "string") {
    return { name, read: (row) => (applies(row) ? attribute.read(row) : undefined) };
  }
  if (attribute.kind !== "int") return undefined;
  return {
    name,
    read: (row) => {
      const value = applies(row) ? attribute.read(row) : ABSENT;
      return value === ABSENT ? undefined : value;
    },
  };
}

function graft(root: Branch, values: readonly Value[], slot: number): void {
  let branch = root;
  for (const value of values.slice(0, -1)) {
    const next = branch.get(value);
    if (typeof next === "object") branch = next;
    else {
      const made: Branch = new Map();
      branch.set(value, made);
      branch = made;
    }
  }
  branch.set(values.at(-1), slot);
}

/** Takes a series out, and the branches that are empty without it. */
function prune(branch: Branch, [value, ...rest]: readonly Value[]): void {
  const next = branch.get(value);
  if (typeof next === "object") prune(next, rest);
  if (typeof next !== "object" || next.size === 0) branch.delete(value);
}
