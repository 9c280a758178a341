// Compares what the spans of a run had with the table of attributes.

import type { Attribute } from "../../src/export/attribute.ts";
import { CLUSTER_NAMES } from "../../src/export/attributes-cluster.ts";
import { nameIn, SEMCONV_VERSIONS } from "../../src/export/semconv.ts";

export interface Verdict {
  /** A line for each attribute on a span that is not as the table says. */
  readonly wrong: readonly string[];
  /** A line for each row of the table that no span had. */
  readonly unseen: readonly string[];
}

/** As docs/attributes.md names them. */
const TYPES: Readonly<Record<Attribute["kind"], string>> = {
  counter: "int",
  "detail-counter": "int",
  int: "int",
  string: "string",
  strings: "string[]",
};

/** What a cluster says: rows of their own, and the labels and annotations of its objects. Text, or a list of texts. */
function isOfCluster(name: string, type: string): boolean {
  const isName =
    CLUSTER_NAMES.includes(name) || /^(?:source|destination)\.k8s\.\w+\.(?:label|annotation)\./.test(name);
  return isName && (type === "string" || type === "string[]");
}

/** @param seen lines of `NAME TYPE`; type `missing` where a span lacked a required attribute */
export function judgeAttributes(seen: readonly string[], table: readonly Attribute[]): Verdict {
  const types = new Map(
    table.flatMap(({ name, kind }) =>
      [name, ...SEMCONV_VERSIONS.map((version) => nameIn(version, name))].map((each) => [each, TYPES[kind]]),
    ),
  );
  const lines = new Set(seen);
  const wrong = [...lines].flatMap((line) => {
    const [name = "", type = ""] = line.split(" ");
    const expected = types.get(name);
    if (type === expected || isOfCluster(name, type)) return [];
    if (expected === undefined) return [`${name} is on a span and not in the table`];
    if (type === "missing") return [`${name} is required, and a span lacks it`];
    return [`${name} is ${type} on a span, ${expected} in the table`];
  });
  const unseen = table
    .filter(({ name, kind }) => !lines.has(`${name} ${TYPES[kind]}`))
    .map(({ name }) => `${name} is in the table, and no span had it`);
  return { wrong, unseen };
}
