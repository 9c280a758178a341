// The cluster as it is known: every object, by what it can be found. Comes in: events. Goes out: who has an address, whose
// an object is. An event costs its own object; nothing is read, waited for or asked here, and the time is passed in.

import { associate } from "./association.ts";
import type { AssociationConfig } from "./config-association.ts";
import { ClaimChains } from "./directory-chains.ts";
import type { Claim, Claimed } from "./directory-claims.ts";
import { type AddressQuery, type Resolution, Resolver, SETTLE_MS } from "./directory-resolve.ts";
import { Scopes, scopeName } from "./directory-scopes.ts";
import { ListeningPods } from "./directory-sockets.ts";
import { keep, saysTheSame, type Told } from "./kept.ts";
import type { Known, Versioned } from "./known.ts";
import type { DeletedObject, Kind, ObjectEvent } from "./objects.ts";
import { PodNetworks } from "./pod-networks.ts";
import { Pool } from "./pool.ts";
import { DEFAULT_RELATIONS, type RelationRule, type Scope } from "./scope.ts";
import type { SocketReadings } from "./socket-readings.ts";
import { StaticPods } from "./static-pods.ts";

export interface DirectoryOptions {
  /** `kubernetes.grace`: so long after its end an owner may still answer for flows that began after it. */
  readonly graceMs: number;
  /** How long what has ended is kept for flows that began before: not below `graceMs`. */
  readonly keptMs: number;
  readonly relations?: readonly RelationRule[];
  /** Rules in place of those built in, for the kinds that have some. */
  readonly association?: AssociationConfig;
}

/** Something to forget at its time: a claim, or an object with all that is still of it. */
interface Expiry {
  readonly atMs: number;
  readonly known: Known;
  readonly claim: Claim | undefined;
  /** Of the object, when it went: it is another once it came again. */
  readonly version: number;
}

/** Expiries are forgotten in bulk once so many have passed. */
const PASSED_EXPIRIES = 4096;

const NO_CLAIMS: readonly Claim[] = [];

/** Objects, addresses, namespaces. */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #pool = new Pool();
  readonly #chains = new ClaimChains();
  readonly #staticPods = new StaticPods();
  readonly #resolver: Resolver;
  readonly #objects: Map<Kind, Map<string, Known>> = new Map();
  readonly #nodes: Map<string, Known> = new Map();
  readonly #scopes: Scopes;
  /** In the order of their times. */
  #expiries: Expiry[] = [];
  #passed = 0;
  /** Objects that ever were. */
  #count = 0;
  /** Raised when a node arrives that pods may have waited for. */
  readonly nodeArrivals: Versioned = { version: 0 };
  /** Also of nodes that are gone of late. */
  readonly podNetworks: PodNetworks = new PodNetworks();
  readonly #labelledMs: WeakMap<Known, number> = new WeakMap();
  #lastLabelledMs = 0;
  /** Of the node that the agent runs on; none: not asked. */
  readonly readings: SocketReadings;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    const findPod = (uid: string): Known | undefined =>
      this.findObject("Pod", uid) ?? this.#staticPods.find(uid);
    const listening = new ListeningPods(options.keptMs, findPod);
    this.readings = listening.readings;
    this.#resolver = new Resolver(this.#chains, listening, options.graceMs);
    this.#scopes = new Scopes(options.relations ?? DEFAULT_RELATIONS);
  }

  /** Objects kept, those that ended of late included. */
  get size(): number {
    let size = 0;
    for (const objects of this.#objects.values()) size += objects.size;
    return size;
  }

  /** Namespaces of which an object is kept, and the whole cluster beside them. */
  get namespaces(): number {
    return this.#scopes.size;
  }

  /** Different addresses and ports that objects have. */
  get addresses(): number {
    return this.#chains.size;
  }

  /** Takes in one change, seen at `now` (ms since 1970, never earlier than that of the change before). */
  apply(event: ObjectEvent, now: number): void {
    this.expire(now);
    const known = this.findObject(event.kind, event.object.uid);
    if (event.type === "deleted") {
      if (known !== undefined && !known.isGone) this.#drop(known, event.object, now);
    } else if (known === undefined) {
      if (!isNobody(event)) this.#add(event, now);
    } else if (scopeName(event) === scopeName(known.told)) {
      // Nothing moves to another namespace: what says so is not believed.
      this.#change(known, event, now);
    }
  }

  /** Forgets what has ended long enough ago. */
  expire(now: number): void {
    for (;;) {
      const expiry = this.#expiries[this.#passed];
      // One that is further away than any can be is from before the clock was set back.
      if (expiry === undefined || (expiry.atMs > now && expiry.atMs <= now + this.#options.keptMs)) break;
      this.#passed++;
      if (expiry.claim !== undefined) this.#chains.remove(expiry.claim);
      else if (expiry.known.isGone && expiry.known.version === expiry.version) this.#forget(expiry.known);
    }
    if (this.#passed === 0) return;
    if (this.#passed < PASSED_EXPIRIES && this.#passed < this.#expiries.length) return;
    this.#expiries = this.#expiries.slice(this.#passed);
    this.#passed = 0;
  }

  /** Writes into `found` who had an address when a flow began, by what is known at `now`. */
  resolve(query: AddressQuery, now: number, found: Resolution): void {
    this.#resolver.resolve(query, now, found);
  }

  /** The object of that uid, also for a while after its end. */
  findObject(kind: Kind, uid: string): Known | undefined {
    return this.#objects.get(kind)?.get(uid);
  }

  /** When an object was seen to change its labels, ms since 1970; 0 where that was never. */
  labelledMs(known: Known): number {
    return this.#labelledMs.get(known) ?? 0;
  }

  /** The latest of all objects' {@link labelledMs}. */
  get lastLabelledMs(): number {
    return this.#lastLabelledMs;
  }

  findNode(name: string): Known | undefined {
    return this.#nodes.get(name);
  }

  /** What is known of a namespace; the same of all of which nothing is. To be asked for anew each time. */
  scope(name: string): Scope {
    return this.#scopes.find(name);
  }

  #add(told: Told, now: number): void {
    const kept = keep(told, this.#pool);
    const { kind, object } = kept;
    const known: Known = { number: ++this.#count, told: kept, version: 0, isGone: false, claims: NO_CLAIMS };
    this.#objectsOf(kind).set(object.uid, known);
    this.#staticPods.add(known);
    if (kind === "Node") {
      this.#nodes.set(object.name, known);
      this.nodeArrivals.version++;
    }
    const scope = this.#scopes.join(kept);
    if (kind === "Namespace") scope.namespace = known;
    else if (kind !== "Pod") scope.raise(scope.arrivals);
    scope.take(known, { told, before: undefined, now });
    if (told.kind === "Node") this.podNetworks.set(known, told.object.podCIDRs);
    this.#claim(known, told, now);
  }

  #objectsOf(kind: Kind): Map<string, Known> {
    let objects = this.#objects.get(kind);
    if (objects === undefined) {
      objects = new Map();
      this.#objects.set(kind, objects);
    }
    return objects;
  }

  #change(known: Known, told: Told, now: number): void {
    const before = known.told;
    const kept = keep(told, this.#pool);
    this.#staticPods.remove(known);
    known.told = kept;
    this.#staticPods.add(known);
    if (known.isGone || !saysTheSame(before, kept)) known.version++;
    if (before.object.labels !== kept.object.labels) {
      this.#labelledMs.set(known, now);
      this.#lastLabelledMs = now;
    }
    if (told.kind === "Node") this.podNetworks.set(known, told.object.podCIDRs);
    const wasGone = known.isGone;
    known.isGone = false;
    this.scope(scopeName(kept)).take(known, { told, before: wasGone ? undefined : before, now });
    this.#claim(known, told, now);
  }

  /** What it is called stays known for the flows that began before; what it had ends. */
  #drop(known: Known, { endTime }: DeletedObject, now: number): void {
    known.isGone = true;
    this.scope(scopeName(known.told)).drop(known, now);
    for (const claim of known.claims)
      this.#end(
        claim,
        { endMs: Math.min(endTime ?? now, now, claim.endMs), isTold: endTime !== undefined },
        now,
      );
    known.claims = NO_CLAIMS;
    this.#expireLater(known, undefined, now);
  }

  #forget(known: Known): void {
    const { kind, object } = known.told;
    this.#objectsOf(kind).delete(object.uid);
    this.podNetworks.delete(known);
    this.#staticPods.remove(known);
    if (kind === "Node" && this.#nodes.get(object.name) === known) this.#nodes.delete(object.name);
    const scope = this.scope(scopeName(known.told));
    if (scope.namespace === known) scope.namespace = undefined;
    this.#scopes.leave(known.told);
  }

  /** Brings the object's claims to what it says now: those that are alike stay. */
  #claim(known: Known, told: Told, now: number): void {
    const claimed = associate(told, this.#options.association).map((each) => heardBy(each, now));
    if (known.claims.length === 0) {
      if (claimed.length > 0) known.claims = claimed.map((each) => this.#begin(known, each, now));
      return;
    }
    const before = new Map(known.claims.map((claim) => [claimId(claim), claim]));
    const claims: Claim[] = [];
    for (const each of claimed) {
      const id = claimId(each);
      const same = before.get(id);
      before.delete(id);
      if (same === undefined || (same.endMs < each.endMs && same.isEndTold)) {
        claims.push(this.#begin(known, each, now));
        continue;
      }
      claims.push(same);
      if (each.endMs < same.endMs) this.#end(same, { endMs: each.endMs, isTold: true }, now);
    }
    for (const claim of before.values())
      this.#end(claim, { endMs: Math.min(now, claim.endMs), isTold: false }, now);
    known.claims = claims;
  }

  #begin(known: Known, claimed: Claimed, now: number): Claim {
    const { rank, address, port, protocol, endMs, sides } = claimed;
    // What an object got later, it did not have since it began.
    const startMs = known.claims.length === 0 ? claimed.startMs : Math.max(claimed.startMs, now - SETTLE_MS);
    const isEndTold = endMs < Number.POSITIVE_INFINITY;
    const claim: Claim = {
      known,
      rank,
      address,
      port,
      protocol,
      startMs,
      endMs,
      sides,
      isEndTold,
      next: undefined,
    };
    if (endMs + this.#options.keptMs <= now) return claim;
    this.#chains.add(claim);
    if (isEndTold) this.#expireLater(known, claim, now);
    return claim;
  }

  #end(claim: Claim, end: { readonly endMs: number; readonly isTold: boolean }, now: number): void {
    if (end.isTold) claim.isEndTold = true;
    claim.endMs = end.endMs;
    this.#expireLater(claim.known, claim, now);
  }

  #expireLater(known: Known, claim: Claim | undefined, now: number): void {
    this.#expiries.push({ atMs: now + this.#options.keptMs, known, claim, version: known.version });
  }
}

/** Most slices have the addresses of pods alone, which are the pods': no flow is ever such a slice's. */
function isNobody(told: Told): boolean {
  return told.kind === "EndpointSlice" && told.object.addresses.length === 0;
}

/** Other nodes' clocks may be ahead of this one's: what is heard of at `now` has begun by then, and ended if it says so. */
function heardBy(claimed: Claimed, now: number): Claimed {
  const { startMs, endMs } = claimed;
  const isEndAhead = endMs > now && endMs < Number.POSITIVE_INFINITY;
  if (startMs <= now && !isEndAhead) return claimed;
  return { ...claimed, startMs: Math.min(startMs, now), endMs: isEndAhead ? now : endMs };
}

function claimId({ rank, address, port, protocol, sides }: Claimed | Claim): string {
  return `${rank} ${address} ${port} ${protocol} ${sides}`;
}
