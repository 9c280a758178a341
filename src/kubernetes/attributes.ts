// Attributes of holders as they stand on a span: made when a record first needs them, kept until what they say changes.

import type { NamedValue, NamedValues } from "../lib/named-values.ts";
import { type FactOptions, Facts } from "./attributes-facts.ts";
import type { Directory } from "./directory.ts";
import { PROTOCOL_NUMBERS } from "./directory-claims.ts";
import type { Resolution } from "./directory-resolve.ts";
import type { Known, Versioned } from "./known.ts";
import type { Pod } from "./objects-workload.ts";

/** The end of a flow that attributes are of; their names begin with it. */
export type Side = "source" | "destination";

/** The port of a pod that a flow uses. */
export interface UsedPort {
  readonly port: number;
  /** IANA number. */
  readonly protocol: number;
}

type Sides = Readonly<Record<Side, NamedValues>>;

interface Made {
  readonly sides: Sides;
  readonly container: number;
  readonly sources: readonly Versioned[];
  /** Sum of the sources' versions, which only ever grow. */
  readonly versions: number;
}

/** What one holder's attributes differ by: a pod's container, or the Service beside a node. */
type Variants = Map<Known | number, Made>;

/** Holders whose attributes are kept in each of two generations: more than one node's flows speak of at a time. */
const HOLDERS = 4096;

const NO_CONTAINER = -1;

/** Attributes of resolutions. The same object is given until what it says has changed. */
export class HolderAttributes {
  readonly #directory: Directory;
  readonly #options: FactOptions;
  #young: Map<Known | string, Variants> = new Map();
  #old: Map<Known | string, Variants> = new Map();

  constructor(directory: Directory, options: FactOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** What is said of one end of a flow; undefined where nothing is. */
  find(side: Side, found: Resolution, used: UsedPort): NamedValues | undefined {
    const { holder, service, sharedNamespace } = found;
    if (holder === undefined && sharedNamespace === "") return undefined;
    const variants = this.#variantsOf(holder ?? sharedNamespace);
    const container = holder?.told.kind === "Pod" ? findContainer(holder.told.object, used) : NO_CONTAINER;
    const variant = service ?? container;
    const made = variants.get(variant);
    // What was said of the gone is said to the end, though its owners go too.
    const isSame = made?.container === container;
    if (
      made !== undefined &&
      isSame &&
      (holder?.isGone === true || versionsOf(made.sources) === made.versions)
    ) {
      return made.sides[side];
    }
    const fresh = this.#make(found, container);
    variants.set(variant, fresh);
    return fresh.sides[side];
  }

  #variantsOf(holder: Known | string): Variants {
    const young = this.#young.get(holder);
    if (young !== undefined) return young;
    const variants = this.#old.get(holder) ?? new Map<Known | number, Made>();
    if (this.#young.size >= HOLDERS) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(holder, variants);
    return variants;
  }

  #make({ holder, service, sharedNamespace }: Resolution, container: number): Made {
    const facts = new Facts(this.#directory, this.#options);
    // Of the Services that select a pod the one that was called is told.
    if (service !== undefined && holder?.told.kind === "Pod") facts.addHolder(service, NO_CONTAINER);
    if (holder === undefined) facts.addNamespace(sharedNamespace);
    else facts.addHolder(holder, container);
    if (service !== undefined) facts.addHolder(service, NO_CONTAINER);
    const sources = [...facts.sources];
    const { entries } = facts;
    const sides = { source: ofSide("source", entries), destination: ofSide("destination", entries) };
    return { sides, container, sources, versions: versionsOf(sources) };
  }
}

function ofSide(side: Side, entries: readonly NamedValue[]): NamedValues {
  return { entries: entries.map(([name, value]) => [`${side}.${name}`, value]) };
}

function versionsOf(sources: readonly Versioned[]): number {
  let sum = 0;
  for (const { version } of sources) sum += version;
  return sum;
}

/** The only container, or the only one that declares the port; else none, as they share one address. */
function findContainer({ containers }: Pod, { port, protocol }: UsedPort): number {
  if (containers.length === 1) return 0;
  let found = NO_CONTAINER;
  for (const [index, { ports }] of containers.entries()) {
    for (const declared of ports) {
      if (declared.containerPort !== port || PROTOCOL_NUMBERS[declared.protocol] !== protocol) continue;
      if (found !== NO_CONTAINER && found !== index) return NO_CONTAINER;
      found = index;
    }
  }
  return found;
}
