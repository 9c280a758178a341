// The schema as a tree of sections and settings, for everything that reads the config's shape: unknown keys, the
// reference page, printing.

import * as v from "valibot";
import type { SettingForm, SettingMetadata } from "../lib/setting.ts";
import { configSection } from "./schema.ts";

/** One key with a value. */
export interface SettingNode {
  readonly kind: "setting";
  readonly metadata: SettingMetadata;
  /** The default as it is written in TOML. */
  readonly initial: unknown;
}

/** A table of the config. */
export interface SectionNode {
  readonly kind: "section";
  /** The section may be absent, and its absence means something. */
  readonly isOptional: boolean;
  /** The section may also be a list of such tables, `[[name]]`. */
  readonly isRepeatable: boolean;
  readonly children: ReadonlyMap<string, ConfigNode>;
}

export type ConfigNode = SettingNode | SectionNode;

const FORMS: readonly SettingForm[] = [
  "duration",
  "size",
  "integer",
  "number",
  "integers",
  "boolean",
  "string",
  "path",
  "strings",
  "lists",
  "table",
  "secret",
  "secrets",
];

const metadataSchema = v.looseObject({
  description: v.string(),
  form: v.picklist(FORMS),
  allowed: v.string(),
  example: v.exactOptional(v.string()),
  environment: v.exactOptional(v.string()),
  flag: v.exactOptional(v.string()),
});

/** The whole config's tree, read from the schemas. */
export function describeConfig(): SectionNode {
  const root = describe(configSection, "");
  if (root.kind !== "section") throw new TypeError("The config's schema is not a section");
  return root;
}

function describe(schema: v.GenericSchema, path: string): ConfigNode {
  const metadata = v.getMetadata(schema);
  if (v.is(metadataSchema, metadata)) return { kind: "setting", metadata, initial: v.getDefault(schema) };
  if (isWrapping(schema)) {
    const inner = describe(schema.wrapped, path);
    const isOptional = v.getDefault(schema) === undefined;
    return inner.kind === "section" ? { ...inner, isOptional } : inner;
  }
  if (isRepeatable(schema)) {
    const inner = describe(schema.repeated, path);
    return inner.kind === "section" ? { ...inner, isRepeatable: true } : inner;
  }
  if (!isObjectSchema(schema)) throw new TypeError(`Setting "${path}" has no documentation`);
  const children = Object.entries(schema.entries).map(([key, child]): [string, ConfigNode] => [
    key,
    describe(child, path === "" ? key : `${path}.${key}`),
  ]);
  return { kind: "section", isOptional: false, isRepeatable: false, children: new Map(children) };
}

function isWrapping(
  schema: v.GenericSchema,
): schema is v.GenericSchema & { readonly wrapped: v.GenericSchema } {
  return "wrapped" in schema;
}

function isRepeatable(
  schema: v.GenericSchema,
): schema is v.GenericSchema & { readonly repeated: v.GenericSchema } {
  return "repeated" in schema;
}

function isObjectSchema(
  schema: v.GenericSchema,
): schema is v.GenericSchema & { readonly entries: Readonly<Record<string, v.GenericSchema>> } {
  return "entries" in schema;
}
