// Which NetworkPolicies select a pod: found once, and kept until one of them or the pod changes.

import { parseAddress } from "../lib/parse-address.ts";
import type { Directory } from "./directory.ts";
import { RANK } from "./directory-claims.ts";
import type { KnownPod } from "./known.ts";
import type { Policy } from "./policies.ts";

/** The policies that select one pod, by its ways and in the order of their labels. */
export interface PodPolicies {
  readonly pod: KnownPod;
  readonly version: number;
  /** What `ownAddresses` was read from: a pod gets its own addresses later than that of its node. */
  readonly claims: KnownPod["claims"];
  readonly ingress: readonly Policy[];
  readonly egress: readonly Policy[];
  /** Labels of all of them joined, as those that deny. */
  readonly ingressDenied: string;
  readonly egressDenied: string;
  /** Labels joined, by the bits of the policies that admit: texts are not joined anew for each flow. */
  readonly joined: Map<number, string>;
  /** Four words each, of a pod that has a port of its node as well; undefined where all addresses it has are its own. */
  readonly ownAddresses: readonly Uint32Array[] | undefined;
}

/** The policies of pods that were asked for, as long as the pods are known. */
export class SelectingPolicies {
  readonly #directory: Directory;
  readonly #byPod: WeakMap<KnownPod, PodPolicies> = new WeakMap();

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  find(known: KnownPod): PodPolicies {
    const { namespace, labels } = known.told.object;
    const scope = this.#directory.scope(namespace);
    const version = known.version + scope.policiesVersion.version;
    const before = this.#byPod.get(known);
    if (before !== undefined && before.version === version && before.claims === known.claims) return before;
    const policies = scope.policies.find(labels).toSorted((a, b) => (a.label < b.label ? -1 : 1));
    const ingress = policies.filter((policy) => policy.ingress !== undefined);
    const egress = policies.filter((policy) => policy.egress !== undefined);
    const made: PodPolicies = {
      pod: known,
      version,
      claims: known.claims,
      ingress,
      egress,
      ingressDenied: ingress.map(({ denyLabel }) => denyLabel).join(","),
      egressDenied: egress.map(({ denyLabel }) => denyLabel).join(","),
      joined: new Map(),
      ownAddresses: readOwnAddresses(known),
    };
    this.#byPod.set(known, made);
    return made;
  }
}

/** Whether a pod has the address (four words) itself, and not by a port of its node that leads to it. */
export function hasOwnAddress({ ownAddresses }: PodPolicies, words: Uint32Array, at: number): boolean {
  if (ownAddresses === undefined) return true;
  for (let i = 0; i < ownAddresses.length; i++) {
    const own = ownAddresses[i] as Uint32Array;
    let same = 0;
    while (same < 4 && own[same] === words[at + same]) same++;
    if (same === 4) return true;
  }
  return false;
}

function readOwnAddresses({ told, claims }: KnownPod): readonly Uint32Array[] | undefined {
  const { isHostNetwork, containers } = told.object;
  if (
    isHostNetwork ||
    !containers.some(({ ports }) => ports.some(({ hostPort }) => hostPort !== undefined))
  ) {
    return undefined;
  }
  return claims.flatMap(({ rank, address }) => {
    const octets = rank === RANK.pod ? parseAddress(address) : undefined;
    return octets === undefined ? [] : [new Uint32Array(octets.buffer)];
  });
}
