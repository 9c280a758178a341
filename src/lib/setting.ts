// Building blocks of the config's schemas: a setting is a valibot schema that carries its own documentation.
// The reference page, `mermin check` and the error messages are all made from what is said here.

import * as v from "valibot";
import { type Bytes, formatSize, parseSize, toBytes } from "./size.ts";
import { formatDuration, type Milliseconds, parseDuration } from "./time.ts";

/** A section of the config: one strict object whose keys are exactly those of `T`. */
export type Section<T> = v.StrictObjectSchema<
  { readonly [K in keyof T]-?: v.GenericSchema<unknown, T[K]> },
  undefined
>;

/** What the reference page says of a setting beyond its default. */
export interface SettingFacts {
  readonly description: string;
  /** As TOML. */
  readonly example?: string;
  /** The environment variable that overrides it. */
  readonly environment?: string;
  /** The command line flag that overrides it. */
  readonly flag?: string;
}

/** How a value is written in TOML. */
export type SettingForm =
  | "duration"
  | "size"
  | "integer"
  | "number"
  | "integers"
  | "boolean"
  | "string"
  | "path"
  | "strings"
  | "lists"
  | "table"
  | "secret"
  | "secrets";

/** Keys of a setting of form "lists". */
export const LIST_KEYS = ["match", "not_match"] as const;

/** `{ match = [], not_match = [] }`: what is looked for and what is not, each as it was written. */
export type MatchLists = { readonly [Key in (typeof LIST_KEYS)[number]]: readonly (string | number)[] };

/** Metadata of a setting, found by `v.getMetadata`. */
export interface SettingMetadata extends SettingFacts {
  readonly form: SettingForm;
  /** Allowed values in words. */
  readonly allowed: string;
}

interface Range {
  readonly minimum: number;
  readonly maximum: number;
}

/** A duration such as `"1m30s"`, in milliseconds once read; `range` in milliseconds. */
export function durationSetting(
  initial: string,
  range: Range,
  facts: SettingFacts,
): v.GenericSchema<unknown, Milliseconds> {
  const [least, most] = [range.minimum, range.maximum].map((bound) => formatDuration(bound as Milliseconds));
  const allowed = `${least} to ${most}`;
  const schema = v.pipe(
    v.string(`must be a duration in quotes, such as "${initial}"`),
    v.rawTransform<string, Milliseconds>(({ dataset, addIssue, NEVER }) => {
      const duration = parseDuration(dataset.value);
      if (duration !== undefined && duration >= range.minimum && duration <= range.maximum) return duration;
      const reason =
        duration === undefined ? `must be a duration such as "${initial}"` : `must be ${allowed}`;
      addIssue({ message: reason });
      return NEVER;
    }),
  );
  return v.pipe(v.optional(schema, initial), documented({ ...facts, form: "duration", allowed }));
}

/** A size such as `"4MiB"` (a bare number is bytes), in bytes once read; a power of two where `page` is given, and a multiple of it. */
export function sizeSetting(
  initial: string,
  range: Range & { readonly page?: number },
  facts: SettingFacts,
): v.GenericSchema<unknown, Bytes> {
  const { minimum, maximum, page } = range;
  const [least, most, multiple] = [minimum, maximum, page ?? 1].map((bound) => formatSize(toBytes(bound)));
  const form = page === undefined ? "" : `, a power of two and a multiple of the page size (${multiple})`;
  const allowed = `${least} to ${most}${form}`;
  const schema = v.pipe(
    v.union([v.string(), v.number()], `must be a size such as "${initial}"`),
    v.rawTransform<string | number, Bytes>(({ dataset, addIssue, NEVER }) => {
      const size = parseSize(String(dataset.value));
      const isInRange = size !== undefined && size >= minimum && size <= maximum;
      const isPages =
        page === undefined || (isInRange && size % page === 0 && Number.isInteger(Math.log2(size)));
      if (isInRange && isPages) return size;
      addIssue({
        message: size === undefined ? `must be a size such as "${initial}"` : `must be ${allowed}`,
      });
      return NEVER;
    }),
  );
  return v.pipe(v.optional(schema, initial), documented({ ...facts, form: "size", allowed }));
}

/** A whole number. */
export function integerSetting(
  initial: number,
  range: Range,
  facts: SettingFacts,
): v.GenericSchema<unknown, number> {
  const allowed = `${range.minimum} to ${range.maximum}`;
  const message = `must be a whole number, ${allowed}`;
  const schema = wholeNumber(range, message);
  return v.pipe(v.optional(schema, initial), documented({ ...facts, form: "integer", allowed }));
}

/** A number, with a fraction or without. */
export function numberSetting(
  initial: number,
  range: Range,
  facts: SettingFacts,
): v.GenericSchema<unknown, number> {
  const allowed = `${range.minimum} to ${range.maximum}`;
  const message = `must be a number, ${allowed}`;
  const isAllowed = (value: number): boolean => value >= range.minimum && value <= range.maximum;
  const schema = v.pipe(v.number(message), v.check(isAllowed, message));
  return v.pipe(v.optional(schema, initial), documented({ ...facts, form: "number", allowed }));
}

/** A list of whole numbers, `most` of them at most. */
export function integersSetting(
  initial: readonly number[],
  range: Range & { readonly most: number },
  facts: SettingFacts,
): v.GenericSchema<unknown, readonly number[]> {
  const { minimum, maximum, most } = range;
  const item = wholeNumber(range, `must be a whole number, ${minimum} to ${maximum}`);
  const list = v.array(item, "must be a list of whole numbers");
  const schema = v.pipe(list, v.maxLength(most, `must be ${most} numbers at most`));
  const allowed = `up to ${most} numbers, ${minimum} to ${maximum}`;
  return v.pipe(v.optional(schema, [...initial]), documented({ ...facts, form: "integers", allowed }));
}

/** `true` or `false`. */
export function booleanSetting(initial: boolean, facts: SettingFacts): v.GenericSchema<unknown, boolean> {
  const schema = v.boolean("must be true or false");
  return v.pipe(
    v.optional(schema, initial),
    documented({ ...facts, form: "boolean", allowed: "true, false" }),
  );
}

/** One of a few words. */
export function choiceSetting<const Choice extends string>(
  initial: NoInfer<Choice>,
  choices: readonly Choice[],
  facts: SettingFacts,
): v.GenericSchema<unknown, Choice> {
  const allowed = choices.map((choice) => `"${choice}"`).join(", ");
  const schema = v.picklist(choices, `must be one of ${allowed}`);
  return v.pipe(v.optional(schema, initial), documented({ ...facts, form: "string", allowed }));
}

/** A list of some of a few words; none by default, or `initial`. */
export function choicesSetting<const Choice extends string>(
  choices: readonly Choice[],
  facts: SettingFacts,
  initial: readonly NoInfer<Choice>[] = [],
): v.GenericSchema<unknown, readonly Choice[]> {
  const words = choices.map((choice) => `"${choice}"`).join(", ");
  const schema = v.array(v.picklist(choices, `must be one of ${words}`), "must be a list of strings");
  const allowed = `any of ${words}`;
  const fallback: Choice[] = [...initial];
  return v.pipe(v.optional(schema, fallback), documented({ ...facts, form: "strings", allowed }));
}

/** A text that `problem` accepts: it returns undefined, or what is wrong, as "must be …". */
export function textSetting(
  initial: string,
  check: { readonly allowed: string; readonly problem: (text: string) => string | undefined },
  facts: SettingFacts,
): v.GenericSchema<unknown, string> {
  const schema = v.pipe(v.string("must be a string"), refusing(check.problem));
  return v.pipe(
    v.optional(schema, initial),
    documented({ ...facts, form: "string", allowed: check.allowed }),
  );
}

/** A list of texts, each accepted by `problem`; empty by default unless `initial` says otherwise. */
export function textsSetting(
  check: {
    readonly allowed: string;
    readonly problem: (text: string) => string | undefined;
    readonly initial?: readonly string[];
  },
  facts: SettingFacts,
): v.GenericSchema<unknown, readonly string[]> {
  const item = v.pipe(v.string("must be a string"), refusing(check.problem));
  const schema = v.array(item, "must be a list of strings");
  return v.pipe(
    v.optional(schema, [...(check.initial ?? [])]),
    documented({ ...facts, form: "strings", allowed: check.allowed }),
  );
}

/** Entries of one list: more would not fit the kernel's table of prefixes, four lists of them. */
const LIST_ENTRIES = 10_000;

/** Two lists, {@link MatchLists}, both empty by default; each entry is accepted by `problem`. */
export function listsSetting(
  check: { readonly allowed: string; readonly problem: (entry: string | number) => string | undefined },
  facts: SettingFacts,
): v.GenericSchema<unknown, MatchLists> {
  const item = v.pipe(
    v.union([v.string(), v.number()], "must be a string or a number"),
    refusing(check.problem),
  );
  const list = v.pipe(
    v.array(item, "must be a list"),
    v.maxLength(LIST_ENTRIES, `must have at most ${LIST_ENTRIES} entries`),
  );
  // Keys that are neither are found with the unknown settings (config/validate.ts).
  const lists = v.object({ match: v.optional(list, []), not_match: v.optional(list, []) });
  const schema = v.pipe(
    v.custom<Record<string, unknown>>(isTable, "must be a table such as { match = [], not_match = [] }"),
    lists,
  );
  return v.pipe(
    v.optional(schema, { match: [], not_match: [] }),
    documented({ ...facts, form: "lists", allowed: check.allowed }),
  );
}

/** A table of texts under free names. */
export function tableSetting(
  facts: SettingFacts,
): v.GenericSchema<unknown, Readonly<Record<string, string>>> {
  const schema = tableOf(v.string("must be a string"));
  return v.pipe(v.optional(schema, {}), documented({ ...facts, form: "table", allowed: "strings" }));
}

/** A table under free names, as TOML or the environment has it. */
export function tableOf<T>(value: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, Record<string, T>> {
  // A list is a record to valibot, with its places for names.
  return v.pipe(
    v.custom<Record<string, unknown>>(isTable, "must be a table (in the environment: name=value,name=value)"),
    v.record(v.string(), value),
  );
}

/** Whether a value of TOML is a table (and not a list or a date). */
export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** A section that may be left out: every setting of it has its default then. */
export function defaultedSection<T>(section: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T> {
  return v.optional(section, {});
}

function wholeNumber(range: Range, message: string): v.GenericSchema<unknown, number> {
  const isAllowed = (value: number): boolean =>
    Number.isInteger(value) && value >= range.minimum && value <= range.maximum;
  return v.pipe(v.number(message), v.check(isAllowed, message));
}

/** Hangs its documentation on a setting's schema. */
export function documented<T>(
  metadata: SettingMetadata,
): v.MetadataAction<T, SettingMetadata & Record<string, unknown>> {
  return v.metadata({ ...metadata });
}

function refusing<T extends string | number>(problem: (value: T) => string | undefined): v.RawCheckAction<T> {
  return v.rawCheck<T>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const message = problem(dataset.value);
    if (message !== undefined) addIssue({ message });
  });
}
