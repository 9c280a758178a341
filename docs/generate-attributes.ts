// Writes docs/attributes.md from the table of span attributes: `bun docs/generate-attributes.ts`.

import type { Attribute } from "../src/export/attribute.ts";
import { ATTRIBUTES } from "../src/export/attributes.ts";

const INTRODUCTION = `# Span attributes

<!-- Made by docs/generate-attributes.ts from src/export/attributes.ts. Do not edit. -->

One flow record is one span. Source is the flow's initiator and destination its responder; \`flow.reverse.*\` is what went
from destination to source. An attribute that is absent is unknown or does not apply: 0 is a measured zero, except that
ports are 0 where the protocol has none. A record begins where the flow's previous record ended.

| attribute | type | unit | present | meaning |
| --- | --- | --- | --- | --- |
`;

const TYPES: Readonly<Record<Attribute["kind"], string>> = {
  counter: "int",
  "detail-counter": "int",
  int: "int",
  string: "string",
  strings: "string[]",
};

/** The reference page. */
export function formatAttributesPage(): string {
  const rows = ATTRIBUTES.map(({ name, kind, unit, present, description }) => {
    const unitText = unit === undefined ? "" : `\`${unit}\``;
    return `| \`${name}\` | ${TYPES[kind]} | ${unitText} | ${present} | ${description} |\n`;
  });
  return INTRODUCTION + rows.join("");
}

if (import.meta.main) await Bun.write(new URL("attributes.md", import.meta.url), formatAttributesPage());
