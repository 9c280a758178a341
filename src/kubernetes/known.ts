// An object of the cluster as the directory keeps it.

import type { Claim } from "./directory-claims.ts";
import type { Kept } from "./kept.ts";

/** Something that others are made from: they are stale once its version is another. */
export interface Versioned {
  /** Only ever raised. */
  version: number;
}

/** One object from its first event on; the same one through all its changes. */
export interface Known extends Versioned {
  /** A number of its own, from 1 on, to be hashed. */
  readonly number: number;
  told: Kept;
  /** Deleted: kept for the flows that began before. */
  isGone: boolean;
  /** What it has, and had until lately, of addresses. */
  claims: readonly Claim[];
}

/** A Known of kind `K`, as far as the compiler can tell. */
export type KnownPod = Known & { told: Extract<Kept, { kind: "Pod" }> };

export function isPod(known: Known): known is KnownPod {
  return known.told.kind === "Pod";
}
