// An object of the cluster as the directory keeps it.

import type { Claim } from "./directory-claims.ts";
import type { Kind, ObjectEvent, ObjectsByKind } from "./objects.ts";
import type { Pool } from "./pool.ts";

/** An object with its kind. */
export type Told = { readonly [K in Kind]: { readonly kind: K; readonly object: ObjectsByKind[K] } }[Kind];

/** Something that others are made from: they are stale once its version is another. */
export interface Versioned {
  /** Only ever raised. */
  version: number;
}

/** One object from its first event on; the same one through all its changes. */
export interface Known extends Versioned {
  /** A number of its own, from 1 on, to be hashed. */
  readonly number: number;
  told: Told;
  /** Deleted: kept for the flows that began before. */
  isGone: boolean;
  /** What it has, and had until lately, of addresses. */
  claims: readonly Claim[];
}

/** A Known of kind `K`, as far as the compiler can tell. */
export type KnownPod = Known & { told: Extract<Told, { kind: "Pod" }> };

export function isPod(known: Known): known is KnownPod {
  return known.told.kind === "Pod";
}

/** The event's object with one copy of what others say too; undefined for one that is no more. */
export function toldBy(event: ObjectEvent, pool: Pool): Told | undefined {
  if (event.type === "deleted") return undefined;
  switch (event.kind) {
    case "Pod":
      return { kind: event.kind, object: pool.sharePod(event.object) };
    case "Service":
      return { kind: event.kind, object: pool.shareSelecting(event.object) };
    case "ReplicaSet":
    case "Deployment":
    case "StatefulSet":
    case "DaemonSet":
    case "Job":
    case "CronJob":
      return { kind: event.kind, object: pool.shareSelecting(event.object) };
    case "Node":
      return { kind: event.kind, object: pool.share(event.object) };
    case "Namespace":
      return { kind: event.kind, object: pool.share(event.object) };
    case "EndpointSlice":
      return { kind: event.kind, object: pool.share(event.object) };
    case "NetworkPolicy":
      return { kind: event.kind, object: pool.share(event.object) };
    case "Ingress":
    case "Gateway":
      return { kind: event.kind, object: pool.share(event.object) };
    default:
      return event satisfies never;
  }
}

/** Whether attribution can say nothing else of `after` than of `before`: both are from the same pool. */
export function saysTheSame(before: Told, after: Told): boolean {
  const [left, right] = [before.object, after.object];
  if (left.labels !== right.labels || left.annotations !== right.annotations) return false;
  if (left.owners !== right.owners) return false;
  if (before.kind !== "Pod" || after.kind !== "Pod") return true;
  const [was, is] = [before.object, after.object];
  return was.nodeName === is.nodeName && was.containers === is.containers;
}
