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

/** What one holder's attributes differ by: a pod's container, or the Service beside it. */
type Variants = Map<Known | number, Made>;

/** Attributes kept in each of two generations: more than one node's flows speak of at a time. */
const GENERATION = 4096;

const NO_CONTAINER = -1;

/** Attributes of resolutions. The same object is given until what it says has changed. */
export class HolderAttributes {
  readonly #directory: Directory;
  readonly #options: FactOptions;
  readonly #names: Readonly<Record<Side, SidedNames>> = {
    source: new SidedNames("source"),
    destination: new SidedNames("destination"),
  };
  #young: Map<Known | string, Variants> = new Map();
  #youngSize = 0;
  #old: Map<Known | string, Variants> = new Map();
  #oldSize = 0;

  constructor(directory: Directory, options: FactOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** Attributes kept; those of both sides of one holder in one variant are one. */
  get size(): number {
    return this.#youngSize + this.#oldSize;
  }

  /** What is said of one end of a flow; undefined where nothing is. */
  find(side: Side, found: Resolution, used: UsedPort): NamedValues | undefined {
    const { holder, service, sharedNamespace } = found;
    if (holder === undefined && sharedNamespace === "") return undefined;
    const key = holder ?? sharedNamespace;
    const container =
      holder?.told.kind === "Pod"
        ? (found.container ?? findContainer(holder.told.object, used))
        : NO_CONTAINER;
    const variant = service ?? container;
    const young = this.#young.get(key)?.get(variant);
    const made = young ?? this.#old.get(key)?.get(variant);
    const isSame = made !== undefined && made.container === container && !this.#isStale(made, holder);
    const current = isSame ? made : this.#make(found, container);
    if (current !== young) this.#keep(key, variant, current);
    return current.sides[side];
  }

  /** What was said of the gone is said to the end, though its owners go too. */
  #isStale({ sources, versions }: Made, holder: Known | undefined): boolean {
    return holder?.isGone !== true && versionsOf(sources) !== versions;
  }

  #keep(key: Known | string, variant: Known | number, made: Made): void {
    if (this.#youngSize >= GENERATION) {
      this.#old = this.#young;
      this.#oldSize = this.#youngSize;
      this.#young = new Map();
      this.#youngSize = 0;
    }
    let variants = this.#young.get(key);
    if (variants === undefined) {
      variants = new Map();
      this.#young.set(key, variants);
    }
    if (!variants.has(variant)) this.#youngSize++;
    variants.set(variant, made);
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
    const { source, destination } = this.#names;
    const sides = { source: source.apply(entries), destination: destination.apply(entries) };
    return { sides, container, sources, versions: versionsOf(sources) };
  }
}

/** Different names that extraction rules make are few; a rule that makes one for each object must not fill memory. */
const MOST_NAMES = 4096;

/** Names as they are told of one side: one text for all who have the name. */
class SidedNames {
  readonly #side: Side;
  readonly #names: Map<string, string> = new Map();

  constructor(side: Side) {
    this.#side = side;
  }

  apply(entries: readonly NamedValue[]): NamedValues {
    return { entries: entries.map(([name, value]) => [this.#name(name), value]) };
  }

  #name(name: string): string {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    if (this.#names.size >= MOST_NAMES) this.#names.clear();
    const sided = `${this.#side}.${name}`;
    this.#names.set(name, sided);
    return sided;
  }
}

function versionsOf(sources: readonly Versioned[]): number {
  let sum = 0;
  for (const { version } of sources) sum += version;
  return sum;
}

/** Where no socket says: the only container, or the only one that declares the port; else none, as they share one address. */
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
