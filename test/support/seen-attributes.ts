// Which attributes the spans of a whole test run had. Spans that an agent exported are noted where tests read them, in a
// file; at the end of a whole run test/judge-attributes.ts compares it with the table of attributes.

import { appendFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { ATTRIBUTES } from "../../src/export/attributes.ts";

/** A line for each attribute and type that was seen: `NAME TYPE`; type `missing` where a span lacked a required one. */
export const SEEN_PATH: string = new URL("../../build/attributes.seen", import.meta.url).pathname;

const REQUIRED = ATTRIBUTES.filter(({ requirement }) => requirement.level === "required").map(
  ({ name }) => name,
);

const noted = new Set<string>();

/** Notes the attributes of spans as they were exported. */
export function noteAttributes(spans: readonly { readonly attributes: object }[]): void {
  for (const { attributes } of spans) {
    for (const [name, value] of Object.entries(attributes)) note(name, typeOf(value));
    for (const name of REQUIRED) if (!(name in attributes)) note(name, "missing");
  }
}

function note(name: string, type: string): void {
  const line = `${name} ${type}\n`;
  if (noted.has(line)) return;
  noted.add(line);
  mkdirSync(dirname(SEEN_PATH), { recursive: true });
  appendFileSync(SEEN_PATH, line);
}

/** As docs/attributes.md names types. */
function typeOf(value: unknown): string {
  if (Array.isArray(value)) return value.every((each) => typeof each === "string") ? "string[]" : "array";
  return Number.isInteger(value) ? "int" : typeof value;
}
