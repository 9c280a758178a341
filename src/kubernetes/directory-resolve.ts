// Who had an address when a flow began: the order of attribution over the claims to it. Makes no objects.

import type { ClaimChains } from "./directory-chains.ts";
import { type Claim, RANK, SIDES } from "./directory-claims.ts";
import type { ListeningEnd, ListeningPods } from "./directory-sockets.ts";
import { isPod, type Known } from "./known.ts";
import { API_TIME_MS } from "./object.ts";

/** So long after a flow's start, news of what began before it may still be under way. */
export const SETTLE_MS = 5000;

/** One end of a flow. Reused, so mutable. */
export interface AddressQuery {
  /** The address at `at`: four words in memory order, IPv4 in ::ffff:0:0/96. */
  words: Uint32Array;
  at: number;
  /** 0 where the protocol has none. */
  port: number;
  /** IANA number. */
  protocol: number;
  /** The flow's first packet, ms since 1970. */
  startMs: number;
  /** Node ports are known by where a flow goes, not by where it comes from. */
  isDestination: boolean;
  /** It surely began the flow over TCP: its port is a client's, though a server may have the same one. */
  isCaller: boolean;
}

/** How a look-up ended: a range holds the start; one that ended before it; several equal ones; none. */
export type Outcome = "resolved" | "ended" | "ambiguous" | "unknown";

/** What was found. Reused, so mutable. */
export interface Resolution {
  outcome: Outcome;
  holder: Known | undefined;
  /** Beside a node: the Service whose node port the flow goes to. */
  service: Known | undefined;
  /**
   * Of a pod that a listening socket told: index of the container, -1 where it is not known which. undefined: no socket
   * told it.
   */
  container: number | undefined;
  /** The namespace of all candidates where they are ambiguous; "" where they differ or have none. */
  sharedNamespace: string;
  /** A range holds the start and no news can change that, or what else is known will be forgotten: never asked again. */
  isConfirmed: boolean;
}

/** @returns a resolution that found nothing */
export function newResolution(): Resolution {
  return {
    outcome: "unknown",
    holder: undefined,
    service: undefined,
    container: undefined,
    sharedNamespace: "",
    isConfirmed: false,
  };
}

/** Writes what `from` found over `to`. */
export function copyResolution(from: Readonly<Resolution>, to: Resolution): void {
  to.outcome = from.outcome;
  to.holder = from.holder;
  to.service = from.service;
  to.container = from.container;
  to.sharedNamespace = from.sharedNamespace;
  to.isConfirmed = from.isConfirmed;
}

/** The claims of one rank that remain: one, or several that are equal. */
interface Candidate {
  claim: Claim | undefined;
  isAlone: boolean;
  namespace: string;
  /** Others have it too, began earlier, and their end is told just as well; and the namespace of all of those. */
  hasRivals: boolean;
  rivalsNamespace: string;
}

/** Looks claims up. One of these serves any number of look-ups, one after the other. */
export class Resolver {
  readonly #chains: ClaimChains;
  readonly #listening: ListeningPods;
  readonly #graceMs: number;
  readonly #candidates: readonly Candidate[] = Array.from({ length: RANK.entry + 1 }, newCandidate);
  readonly #nodePort: Candidate = newCandidate();

  /** @param graceMs how long a claim that ended may still answer for flows that began after it */
  constructor(chains: ClaimChains, listening: ListeningPods, graceMs: number) {
    this.#chains = chains;
    this.#listening = listening;
    this.#graceMs = graceMs;
  }

  /** Writes who had the address into `found`. */
  resolve(query: AddressQuery, now: number, found: Resolution): void {
    forget(found);
    const isSettled = now >= query.startMs + SETTLE_MS;
    const end = this.#listening.find(query);
    const isClaimed = this.#gather(query, this.#asHolding);
    const isReached = end.kind !== "silent" && this.#isReached(query, end);
    // Who declares the port has it no more than its socket says.
    if (isReached) clear(this.#candidates[RANK.hostPort]);
    if (isReached && end.pod !== undefined) {
      found.outcome = "resolved";
      found.holder = end.pod;
      found.container = end.container;
    } else if (isClaimed) {
      this.#choose(found, "resolved", query.startMs - API_TIME_MS);
      if (found.holder?.told.kind === "Node") found.service = this.#serviceAt(query);
    } else if (isSettled && this.#gather(query, this.#asEnded)) {
      this.#choose(found, "ended", Number.POSITIVE_INFINITY);
    }
    // Later on rivals are forgotten, one after the other: who is left is not known any better for it.
    const isOld = found.outcome !== "unknown" && now >= query.startMs + this.#graceMs;
    found.isConfirmed = isSettled && ((found.outcome === "resolved" && !end.isPending) || isOld);
  }

  /**
   * Whether what comes to the address and port is the listening socket's: no pod or Service has it first, nothing is
   * forwarded from there, and the node is the pod's.
   */
  #isReached(query: AddressQuery, { pod }: Readonly<ListeningEnd>): boolean {
    const node = this.#candidates[RANK.node]?.claim;
    if (pod !== undefined && node !== undefined && node.known.told.object.name !== pod.told.object.nodeName)
      return false;
    const chains = this.#chains;
    const firsts = [
      chains.toAddress(query.words, query.at),
      chains.toPort(query.words, query.at, query),
      chains.toNodePort(query.port, query.protocol),
    ];
    for (const first of firsts) {
      for (let claim = first; claim !== undefined; claim = claim.next) {
        if (isForwarding(claim) && holds(claim, query)) return false;
      }
    }
    return true;
  }

  /** Sorts the claims to the address and port by rank; false where no rank has one. */
  #gather(query: AddressQuery, consider: (claim: Claim, query: AddressQuery) => boolean): boolean {
    for (const candidate of this.#candidates) clear(candidate);
    let isAny = false;
    for (let claim = this.#chains.toAddress(query.words, query.at); claim !== undefined; claim = claim.next) {
      if (consider(claim, query)) isAny = true;
    }
    if (query.port === 0) return isAny;
    for (
      let claim = this.#chains.toPort(query.words, query.at, query);
      claim !== undefined;
      claim = claim.next
    ) {
      if (consider(claim, query)) isAny = true;
    }
    return isAny;
  }

  readonly #asHolding = (claim: Claim, query: AddressQuery): boolean => {
    if (!holds(claim, query)) return false;
    consider(this.#candidates[claim.rank], claim, compareHolding);
    return true;
  };

  readonly #asEnded = (claim: Claim, query: AddressQuery): boolean => {
    const agoMs = query.startMs - claim.endMs;
    if (!concerns(claim, query) || agoMs < 0 || agoMs > this.#graceMs) return false;
    consider(this.#candidates[claim.rank], claim, compareEnded);
    return true;
  };

  /** @param sureMs what began after that may have begun too late: it is one of its rivals then */
  #choose(found: Resolution, outcome: Outcome, sureMs: number): void {
    for (let rank: number = RANK.pod; rank <= RANK.entry; rank++) {
      const candidate = this.#candidates[rank];
      if (candidate?.claim === undefined) continue;
      const isUnsure = candidate.hasRivals && candidate.claim.startMs > sureMs;
      if (candidate.isAlone && !isUnsure) {
        found.holder = candidate.claim.known;
        found.outcome = outcome;
        return;
      }
      // The node is what several pods on one port of it share.
      if (rank === RANK.hostPort && this.#candidates[RANK.node]?.claim !== undefined) continue;
      found.outcome = "ambiguous";
      found.sharedNamespace = isUnsure ? candidate.rivalsNamespace : candidate.namespace;
      return;
    }
  }

  #serviceAt(query: AddressQuery): Known | undefined {
    if (!query.isDestination || query.port === 0) return undefined;
    clear(this.#nodePort);
    for (
      let claim = this.#chains.toNodePort(query.port, query.protocol);
      claim !== undefined;
      claim = claim.next
    ) {
      if (holds(claim, query)) consider(this.#nodePort, claim, compareHolding);
    }
    return this.#nodePort.isAlone ? this.#nodePort.claim?.known : undefined;
  }
}

/** Whether the claim is of something that is reached before any socket of the node. */
function isForwarding({ rank, known }: Claim): boolean {
  const isForwarded = rank === RANK.hostPort && isPod(known) && !known.told.object.isHostNetwork;
  return isForwarded || rank === RANK.pod || rank === RANK.service || rank === RANK.nodePort;
}

function forget(found: Resolution): void {
  found.holder = undefined;
  found.container = undefined;
  found.service = undefined;
  found.sharedNamespace = "";
  found.outcome = "unknown";
  found.isConfirmed = false;
}

function newCandidate(): Candidate {
  return { claim: undefined, isAlone: true, namespace: "", hasRivals: false, rivalsNamespace: "" };
}

function clear(candidate: Candidate | undefined): void {
  if (candidate === undefined) return;
  candidate.claim = undefined;
  candidate.isAlone = true;
  candidate.hasRivals = false;
}

function concerns(claim: Claim, query: AddressQuery): boolean {
  if (query.isCaller && claim.rank === RANK.hostPort && claim.port !== 0) return false;
  const side = query.isDestination ? SIDES.destination : SIDES.source;
  return (claim.sides & side) !== 0 && (claim.protocol === 0 || claim.protocol === query.protocol);
}

function holds(claim: Claim, query: AddressQuery): boolean {
  return concerns(claim, query) && claim.startMs <= query.startMs && query.startMs < claim.endMs;
}

function consider(
  candidate: Candidate | undefined,
  claim: Claim,
  compare: (left: Claim, right: Claim) => number,
): void {
  if (candidate === undefined) return;
  const best = candidate.claim;
  const { namespace } = claim.known.told.object;
  const order = best === undefined ? 1 : compare(claim, best);
  if (best !== undefined && best.isEndTold === claim.isEndTold) {
    if (best.known !== claim.known) candidate.hasRivals = true;
    if (candidate.rivalsNamespace !== namespace) candidate.rivalsNamespace = "";
  } else if (order > 0) {
    candidate.hasRivals = false;
    candidate.rivalsNamespace = namespace;
  }
  if (order < 0 || (order === 0 && best?.known === claim.known)) return;
  candidate.isAlone = order > 0;
  candidate.namespace = order > 0 || candidate.namespace === namespace ? namespace : "";
  candidate.claim = claim;
}

/**
 * Above 0: `left` is the better one. One that the object itself says has ended after the start still had the address
 * then, whatever came after it; else the one that began last.
 */
function compareHolding(left: Claim, right: Claim): number {
  const told = Number(left.isEndTold) - Number(right.isEndTold);
  return told === 0 ? left.startMs - right.startMs : told;
}

function compareEnded(left: Claim, right: Claim): number {
  return left.endMs - right.endMs;
}
