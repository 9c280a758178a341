// Labels, and selectors of them, as the API server writes them.

import { tableAt, tablesOf, textOf } from "./json.ts";
import type { LabelSelector } from "./object.ts";

/** A LabelSelector of the API. One expression that is not understood makes it select nothing. */
export function readSelector(json: unknown): LabelSelector {
  const table = tableAt(json);
  const matchExpressions = tablesOf(table["matchExpressions"]).map(({ key, operator, values }) => {
    const known = OPERATORS.find((one) => one === operator);
    return known === undefined
      ? ({ key: textOf(key), operator: "In", values: [] } as const)
      : { key: textOf(key), operator: known, values: textsWithEmpty(values) };
  });
  return { matchLabels: readLabels(table["matchLabels"], () => true), matchExpressions };
}

/** A map of texts; other values are left out. */
export function readLabels(
  json: unknown,
  keeps: (key: string, value: string) => boolean,
): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [key, value] of Object.entries(tableAt(json))) {
    if (typeof value === "string" && keeps(key, value)) labels.set(key, value);
  }
  return labels.size === 0 ? NO_LABELS : labels;
}

const OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"] as const;
/** One for all that have none. */
const NO_LABELS: ReadonlyMap<string, string> = new Map();

/** A label may have an empty value. */
function textsWithEmpty(json: unknown): readonly string[] {
  return Array.isArray(json) ? json.filter((item) => typeof item === "string") : [];
}
