// Config → TOML: what `mermin check` shows. Every setting is there, secrets are hidden.

import { stringify } from "smol-toml";
import { isTable } from "../lib/setting.ts";
import { formatSize, toBytes } from "../lib/size.ts";
import { formatDuration, toMilliseconds } from "../lib/time.ts";
import type { Config } from "./schema.ts";
import { HIDDEN, hideCredentials } from "./secrets.ts";
import { type ConfigNode, describeConfig } from "./settings.ts";

/** The effective config as a TOML document that loads to the same config, but for secrets and passwords in URLs, which are asterisks. */
export function printConfig(config: Config): string {
  const table = toToml({ ...config }, describeConfig());
  return (
    stringify(table)
      // The writer leaves no line between an empty table and the next one.
      .replace(/([^\n])\n\[/g, "$1\n\n[")
      .replace(INLINE, (text) => String(JSON.parse(text)).slice(INLINE_MARK.length))
  );
}

/** A value as it stands behind `=`, tables in one line. */
export function formatValue(value: unknown): string {
  if (isTable(value)) {
    const entries = Object.entries(value).map(([key, entry]) => `${key} = ${formatValue(entry)}`);
    return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
  }
  return stringify({ value })
    .replace(/^value = /, "")
    .trim();
}

/** The writer knows no tables in one line: such a one is given to it as a string that begins like this. */
const INLINE_MARK = "\u{1}inline:";
const INLINE = /"\\u0001inline:(?:[^"\\]|\\.)*"/g;

function toToml(value: unknown, node: ConfigNode): unknown {
  if (node.kind === "setting") return printValue(value, node);
  if (node.isRepeatable && Array.isArray(value)) {
    // An empty list would be printed as a setting of the table around it.
    return value.length === 0 ? undefined : value.map((item) => toToml(item, node));
  }
  if (!isTable(value)) return undefined;
  const entries = [...node.children].map(([key, child]) => [key, toToml(value[key], child)] as const);
  return Object.fromEntries(entries.filter(([, printed]) => printed !== undefined));
}

function printValue(value: unknown, { metadata }: Extract<ConfigNode, { kind: "setting" }>): unknown {
  if (metadata.form === "duration" && typeof value === "number") return formatDuration(toMilliseconds(value));
  if (metadata.form === "size" && typeof value === "number") return formatSize(toBytes(value));
  if (metadata.form === "lists") return INLINE_MARK + formatValue(value);
  if (metadata.form === "secret") return printSecret(value);
  if (metadata.form === "secrets" && isTable(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, secret]) => [name, printSecret(secret)]));
  }
  return typeof value === "string" ? hideCredentials(value) : value;
}

function printSecret(secret: unknown): unknown {
  if (isTable(secret)) return INLINE_MARK + formatValue(secret);
  return secret === "" ? "" : HIDDEN;
}
