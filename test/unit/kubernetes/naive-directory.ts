// Who had an address, worked out anew for every question from the list of all that happened: what the directory is
// compared with. Pods on their own network, Services with one port, nodes.

import type { ObjectEvent } from "../../../src/kubernetes/objects.ts";

export interface Happened {
  readonly at: number;
  readonly event: ObjectEvent;
}

export interface Question {
  readonly address: string;
  readonly port: number;
  readonly startMs: number;
  readonly now: number;
}

interface Had {
  readonly who: string;
  readonly namespace: string;
  readonly rank: number;
  readonly address: string;
  readonly port: number;
  readonly from: number;
  to: number;
  isTold: boolean;
  /** When the end was seen; undefined as long as it has not been. */
  seen: number | undefined;
}

const SETTLE = 5000;

/** How many namespaces something is known of, that of the whole cluster included, where nothing comes again. */
export function naiveNamespaces(history: readonly Happened[], now: number, keptMs: number): number {
  const known = history.flatMap(({ event }) => (event.type === "deleted" ? [] : [event.object]));
  const isForgotten = (uid: string): boolean =>
    history.some(
      ({ at, event }) => event.type === "deleted" && event.object.uid === uid && at + keptMs <= now,
    );
  return new Set(known.flatMap((object) => (isForgotten(object.uid) ? [] : [object.namespace]))).size;
}

/** As `holderOf` in cluster.ts says it. */
export function naiveHolder(
  history: readonly Happened[],
  { address, port, startMs, now }: Question,
  { graceMs, keptMs }: { readonly graceMs: number; readonly keptMs: number },
): string {
  const everything = history.map(({ event }) => `${event.kind} ${event.object.uid}`);
  const all = [...new Set(everything)]
    .flatMap((id) =>
      lifeOf(
        history.filter(({ event }) => `${event.kind} ${event.object.uid}` === id),
        keptMs,
      ),
    )
    .filter((had) => had.address === address && (had.port === 0 || had.port === port))
    .filter(({ seen }) => seen === undefined || seen + keptMs > now);
  const holding = all.filter(({ from, to }) => from <= startMs && startMs < to);
  if (holding.length > 0) {
    const sorts = bestOf(holding, (had) => [had.rank, had.isTold ? 0 : 1]);
    const best = bestOf(sorts, (had) => [-had.from]);
    // Times are whole seconds: what began in the second before may have begun after it.
    const isUnsure = best.some(({ from }) => from > startMs - 1000);
    return tell(isUnsure ? sorts : best, "");
  }
  const ended = all.filter(({ to }) => to <= startMs && startMs - to <= graceMs);
  if (ended.length === 0 || now < startMs + SETTLE) return "unknown";
  return tell(
    bestOf(ended, (had) => [had.rank, -had.to]),
    "ended ",
  );
}

function bestOf(all: readonly Had[], order: (had: Had) => readonly number[]): readonly Had[] {
  const compare = (left: Had, right: Had): number => {
    const other = order(right);
    return (
      order(left)
        .map((value, index) => value - (other[index] ?? 0))
        .find((difference) => difference !== 0) ?? 0
    );
  };
  const sorted = all.toSorted(compare);
  return sorted.filter((had) => compare(had, sorted[0] as Had) === 0);
}

function tell(best: readonly Had[], lead: string): string {
  const names = new Set(best.map(({ who }) => who));
  if (names.size === 1) return `${lead}${best[0]?.who}`;
  const namespaces = new Set(best.map(({ namespace }) => namespace));
  const [only] = namespaces;
  return namespaces.size === 1 && only !== "" ? `ambiguous ${only}/` : "ambiguous";
}

/** All that one object ever had. */
function lifeOf(history: readonly Happened[], keptMs: number): readonly Had[] {
  const all: Had[] = [];
  let current: Had[] = [];
  for (const { at, event } of history) {
    const wanted = event.type === "deleted" ? [] : wantedOf(event);
    const kept: Had[] = [];
    for (const had of current) {
      const same = wanted.find(({ address, port }) => address === had.address && port === had.port);
      if (same !== undefined) kept.push(had);
      const told = same?.to ?? (event.type === "deleted" ? event.object.endTime : undefined);
      const to = same === undefined ? Math.min(had.to, told ?? at) : same.to;
      if (to < had.to || same === undefined) had.seen ??= at;
      if (told !== undefined && told < Number.POSITIVE_INFINITY) had.isTold = true;
      had.to = to;
    }
    for (const each of wanted) {
      if (kept.some(({ address, port }) => address === each.address && port === each.port)) continue;
      const from = current.length === 0 ? each.from : Math.max(each.from, at - SETTLE);
      const had = { ...each, from, seen: each.isTold ? at : undefined };
      kept.push(had);
      // What ended long before it was heard of is not taken in.
      if (had.to + keptMs > at) all.push(had);
    }
    current = kept;
  }
  return all;
}

function wantedOf(event: Exclude<ObjectEvent, { type: "deleted" }>): readonly Had[] {
  const { kind, object } = event;
  const had = {
    who: `${kind} ${object.name}`,
    namespace: object.namespace,
    port: 0,
    isTold: false,
    seen: undefined,
  };
  const open = { from: object.createdTime, to: Number.POSITIVE_INFINITY };
  switch (kind) {
    case "Pod": {
      const { startTime, endTime, podIPs } = object;
      const range = { from: startTime ?? object.createdTime, to: endTime ?? open.to };
      return podIPs.map((address) => ({ ...had, ...range, rank: 1, address, isTold: endTime !== undefined }));
    }
    case "Node":
      return object.addresses.map((address) => ({ ...had, ...open, rank: 3, address }));
    case "Service":
      return object.clusterIPs.map((address) => ({ ...had, ...open, rank: 4, address, port: 80 }));
    default:
      return [];
  }
}
