// What one row of the attribute table says of its attribute.

import type { Requirement } from "./requirement.ts";
import type { RecordRow } from "./row.ts";
import type { SemconvVersion } from "./semconv.ts";

interface AttributeText {
  readonly name: string;
  /** UCUM, where the value is a quantity. */
  readonly unit?: string;
  readonly requirement: Requirement;
  /** How far OpenTelemetry's semantic conventions have come with the name; absent where it is our own. */
  readonly semconv?: "stable" | "development";
  readonly description: string;
}

/** An unsigned 64-bit count, always present, at a word offset of the row: encoded without becoming a number. */
interface CounterAttribute extends AttributeText {
  readonly kind: "counter";
  readonly word: number;
}

/** Likewise at a word offset of the record's detail row: always present in a group whose records have one. */
interface DetailCounterAttribute extends AttributeText {
  readonly kind: "detail-counter";
  readonly word: number;
}

interface IntAttribute extends AttributeText {
  readonly kind: "int";
  /** Below 2^53 and never negative, except {@link ABSENT}. */
  readonly read: (row: RecordRow) => number;
}

interface StringAttribute extends AttributeText {
  readonly kind: "string";
  readonly read: (row: RecordRow) => string | undefined;
  /** Set where the texts are of a short list, and told again and again. */
  readonly hasFewValues?: true;
  /**
   * Writes what `read` answers as ASCII at `at`, at most 64 bytes, without making a text (bench/encode.ts).
   * @returns its length; 0 where the attribute is absent
   */
  readonly write?: (row: RecordRow, octets: Uint8Array, at: number) => number;
}

interface StringsAttribute extends AttributeText {
  readonly kind: "strings";
  readonly read: (row: RecordRow) => readonly string[] | undefined;
}

/** One attribute of a span. A counter's type is OTLP's int, like an int's. */
export type Attribute =
  | CounterAttribute
  | DetailCounterAttribute
  | IntAttribute
  | StringAttribute
  | StringsAttribute;

/** Attributes that are there together, or not at all. */
export interface AttributeGroup {
  readonly attributes: readonly Attribute[];
  /** Whether a record with a detail row has them; not asked for others. */
  readonly applies: (row: RecordRow) => boolean;
}

/** What an encoder writes of a record: the whole table, or what the config leaves of it under the names it wants. */
export interface AttributeSelection {
  /** Of any record, in the order they are written. */
  readonly record: readonly Attribute[];
  /** Of records with a detail row, written after those. */
  readonly groups: readonly AttributeGroup[];
  /** Whether one of those that are named beside a row, by its name in any version, is exported. */
  readonly isNamedTold: (name: string) => boolean;
  /** Whose names these are. */
  readonly semconv: SemconvVersion;
}

/** What an {@link IntAttribute} reads where it was not measured or does not apply. */
export const ABSENT = -1;

/** `value`, or {@link ABSENT} for 0: fields whose zero means that nothing was measured. */
export function positive(value: number): number {
  return value === 0 ? ABSENT : value;
}
