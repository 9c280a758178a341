// What policies are asked of a flow: how each of its ends looks to the policies of the other. Comes in: both ends as resolved.

import { PROTOCOL_NUMBERS } from "./directory-claims.ts";
import type { Resolution } from "./directory-resolve.ts";
import { isPod, type KnownPod } from "./known.ts";
import type { PolicyPeer, PolicyTarget } from "./policies-admission.ts";

/** A flow between two resolved ends. Reused, so mutable. */
export interface JudgedFlow {
  source: Resolution;
  /** Who answers. */
  destination: Resolution;
  /** Addresses: four words each in memory order at `sourceAt`, `destinationAt` and `calledAt`. */
  words: Uint32Array;
  sourceAt: number;
  destinationAt: number;
  destinationPort: number;
  /** Whom the source called, where the node translates the conversation, which may be who answers; else −1. */
  calledAt: number;
  calledPort: number;
  /** The node puts another address in the place of the source's. */
  isSourceTranslated: boolean;
  /** The source began the flow, and is not only taken for who did. */
  isInitiatorSure: boolean;
  /** IANA number. */
  protocol: number;
  /** The flow's first packet, ms since 1970. */
  startMs: number;
  /** So long after the flow's start that no news of its ends is to be expected. */
  isSettled: boolean;
}

/** Its fields are written anew for each flow and way. */
export interface PolicyQuestion {
  readonly peer: { -readonly [K in keyof PolicyPeer]: PolicyPeer[K] };
  readonly target: { -readonly [K in keyof PolicyTarget]: PolicyTarget[K] };
}

/** @returns one that is to be filled before it is asked */
export function newPolicyQuestion(): PolicyQuestion {
  const address = { octets: new Uint8Array(16), bits: 128 };
  return {
    peer: { standing: "itself", pod: undefined, namespaceLabels: undefined, address },
    target: { port: 0, protocol: 0, pod: undefined },
  };
}

/** Writes the address of four words at `at` as the peer's. */
export function fillAddress({ peer }: PolicyQuestion, words: Uint32Array, at: number): void {
  const { octets } = peer.address;
  for (let i = 0; i < 16; i++) octets[i] = (words[at + (i >> 2)] as number) >>> ((i & 3) * 8);
}

/** The end's pod, if policies apply to it: not one on the host's network, which is its node to them. */
export function policyPod({ holder }: Resolution): KnownPod | undefined {
  if (holder === undefined || !isPod(holder) || holder.told.object.isHostNetwork) return undefined;
  return holder;
}

/**
 * Whether policies may speak of the flow, and it is clear between whom it is. Not of protocols other than TCP, UDP and
 * SCTP; not with an end that several may be, or none any more; not with a Service, Ingress or Gateway for an end, unless
 * the node told who answered there.
 */
export function isJudgeable(flow: JudgedFlow): boolean {
  if (!NUMBERS.has(flow.protocol)) return false;
  return isClear(flow.source, false) && isClear(flow.destination, isRedirected(flow));
}

const NUMBERS: ReadonlySet<number> = new Set(Object.values(PROTOCOL_NUMBERS));

/** Whether who answers is another, or at another port, than who was called. */
export function isRedirected(flow: JudgedFlow): boolean {
  const { words, destinationAt, calledAt } = flow;
  if (calledAt < 0) return false;
  if (flow.calledPort !== flow.destinationPort) return true;
  for (let i = 0; i < 4; i++) if (words[calledAt + i] !== words[destinationAt + i]) return true;
  return false;
}

function isClear({ outcome, holder, service }: Resolution, isRedirectedThere: boolean): boolean {
  if (outcome === "ambiguous" || outcome === "ended") return false;
  const kind = holder?.told.kind;
  const isEntry = kind === "Service" || kind === "Ingress" || kind === "Gateway";
  return isRedirectedThere || !(isEntry || (kind === "Node" && service !== undefined));
}
