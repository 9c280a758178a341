// Whose an object is: owner references walked upwards, over what is known of the owners.

import type { Directory } from "./directory.ts";
import { isKind, KIND_FACTS } from "./kinds.ts";
import type { Known, Versioned } from "./known.ts";
import type { KubernetesObject, OwnerReference } from "./object.ts";
import type { Kind } from "./objects.ts";

/** `kubernetes.owner_relations`. Kinds as the API writes them, in any case. */
export interface OwnerOptions {
  /** Steps from the object: 1 tells its own owner alone. */
  readonly maxDepth: number;
  /** Empty: all. Others are walked through but not told. */
  readonly includeKinds: readonly string[];
  readonly excludeKinds: readonly string[];
}

/** One owner, nearest first. */
export interface Owner {
  readonly reference: OwnerReference;
  /** Its kind among those that are watched; undefined for any other, of a custom resource, say. */
  readonly kind: Kind | undefined;
  /** undefined where it has not arrived, or is of another kind. */
  readonly known: Known | undefined;
}

/** The owners of `known` that the options tell. What they were found in is added to `sources`. */
export function findOwners(
  known: Known,
  directory: Directory,
  options: OwnerOptions & { readonly sources: Set<Versioned> },
): readonly Owner[] {
  const owners: Owner[] = [];
  const { sources } = options;
  let object: KubernetesObject = known.told.object;
  for (let depth = 0; depth < options.maxDepth; depth++) {
    const reference = ownerOf(object);
    if (reference === undefined) break;
    const kind = watchedKind(reference);
    const owner = kind && directory.findObject(kind, reference.uid);
    if (isTold(reference.kind, options)) owners.push({ reference, kind, known: owner });
    if (owner === undefined) {
      if (kind !== undefined) sources.add(directory.scope(known.told.object.namespace).arrivals);
      break;
    }
    sources.add(owner);
    object = owner.told.object;
  }
  return owners;
}

/** The one that manages it; where none says so, its only one. Several equals are not told. */
function ownerOf({ owners }: KubernetesObject): OwnerReference | undefined {
  return owners.find(({ isController }) => isController) ?? (owners.length === 1 ? owners[0] : undefined);
}

/** A Job of another group is another thing. */
function watchedKind({ kind, apiVersion }: OwnerReference): Kind | undefined {
  if (!isKind(kind)) return undefined;
  const slash = apiVersion.indexOf("/");
  const group = slash < 0 ? "" : apiVersion.slice(0, slash);
  return KIND_FACTS[kind].group === group ? kind : undefined;
}

function isTold(kind: string, { includeKinds, excludeKinds }: OwnerOptions): boolean {
  const isNamed = (other: string): boolean => other.toLowerCase() === kind.toLowerCase();
  return (includeKinds.length === 0 || includeKinds.some(isNamed)) && !excludeKinds.some(isNamed);
}
