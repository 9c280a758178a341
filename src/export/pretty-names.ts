// Whose the ends of a record are in the cluster, in short, for people.

import type { NamedValues } from "../lib/named-values.ts";
import type { RecordRow } from "./row.ts";

/** What names an end best, first. */
const NAMES = ["pod", "service", "node", "ingress", "gateway", "endpointslice"] as const;

/** `namespace/name → namespace/name`, `?` for an end that is not known; "" where neither is. */
export function formatNames(row: RecordRow): string {
  const source = formatEnd("source", row.named(0));
  const destination = formatEnd("destination", row.named(1));
  return source === undefined && destination === undefined ? "" : `${source ?? "?"} → ${destination ?? "?"}`;
}

function formatEnd(side: string, named: NamedValues | undefined): string | undefined {
  if (named === undefined) return undefined;
  const values = new Map(named.entries);
  const namespace = values.get(`${side}.k8s.namespace.name`);
  const lead = namespace === undefined ? "" : `${namespace}/`;
  for (const kind of NAMES) {
    const name = values.get(`${side}.k8s.${kind}.name`);
    if (name !== undefined) return `${lead}${name}`;
  }
  return lead === "" ? undefined : lead;
}
