// When a flow that no rule admits is surely denied. Comes in: a flow and its ends. Goes out: whether to say so. What is
// missing, has changed since, or is always allowed makes it unsure, and nothing is said.

import { PrefixSet, parsePrefix } from "../lib/cidr.ts";
import type { Directory } from "./directory.ts";
import type { Resolution } from "./directory-resolve.ts";
import type { Known, KnownPod } from "./known.ts";
import { isRedirected, type JudgedFlow } from "./policies-question.ts";

/** What the agent knows beside the cluster's objects. */
export interface PolicySurroundings {
  /**
   * Whether all pods, nodes and policies there were since `startMs` (ms since 1970) are known: lists were complete by then,
   * nothing is missing now, and nothing was left out.
   */
  readonly isWhole: (startMs: number) => boolean;
  /** Whether an address (four words in memory order) is this host's, or nobody knows. */
  readonly mayBeHostAddress: (words: Uint32Array, at: number) => boolean;
}

/**
 * Addresses of one link, of one host or of many: what has one is no other pod, and plug-ins treat it each in its own way.
 */
const BOUND = new PrefixSet(
  [
    ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32"],
    ...["::/128", "::1/128", "fe80::/10", "ff00::/8"],
  ].flatMap((text) => parsePrefix(text) ?? []),
);

/** Judges denials of one cluster. */
export class PolicyDenial {
  readonly #directory: Directory;
  readonly #surroundings: PolicySurroundings;

  constructor(directory: Directory, surroundings: PolicySurroundings) {
    this.#directory = directory;
    this.#surroundings = surroundings;
  }

  /** Whether a flow that surely no rule admits is told as denied by the policies of `pod`, one of its ends. */
  isSure(way: "ingress" | "egress", pod: KnownPod, flow: JudgedFlow): boolean {
    const { holder } = way === "ingress" ? flow.source : flow.destination;
    // Always allowed: a pod's traffic with itself and with its own node.
    if (holder === pod || (holder !== undefined && nodeOf(holder) === pod.told.object.nodeName)) return false;
    if (!flow.isInitiatorSure || !flow.isSettled || !this.#surroundings.isWhole(flow.startMs)) return false;
    if (way === "ingress" ? this.#isFromHost(flow) : this.#isToHost(flow)) return false;
    return this.#isSince(flow.startMs, pod, holder);
  }

  /** Whether the source may be the pod's own node, by an address that no Node names or by masquerade. */
  #isFromHost({ source, words, sourceAt, isSourceTranslated }: JudgedFlow): boolean {
    return isSourceTranslated || (!isPeer(source) && this.#isNodes(words, sourceAt));
  }

  /** The same of the destination, or of whom the source called. */
  #isToHost(flow: JudgedFlow): boolean {
    const { destination, words, destinationAt, calledAt } = flow;
    if (isRedirected(flow) && this.#isHosts(words, calledAt)) return true;
    return !isPeer(destination) && this.#isNodes(words, destinationAt);
  }

  /** Of what has an address that is no pod's and no Node's: a node's bridge or tunnel is in a network of pods. */
  #isNodes(words: Uint32Array, at: number): boolean {
    return this.#isHosts(words, at) || this.#directory.podNetworks.contains(words, at);
  }

  #isHosts(words: Uint32Array, at: number): boolean {
    return BOUND.contains(words, at) || this.#surroundings.mayBeHostAddress(words, at);
  }

  /** Whether what the policies say of the two was the same all the flow's life. */
  #isSince(startMs: number, pod: KnownPod, holder: Known | undefined): boolean {
    if (this.#directory.scope(pod.told.object.namespace).policiesMs >= startMs) return false;
    if (this.#directory.lastLabelledMs < startMs) return true;
    return (
      this.#isLabelledSince(pod, startMs) && (holder === undefined || this.#isLabelledSince(holder, startMs))
    );
  }

  #isLabelledSince(known: Known, startMs: number): boolean {
    const { kind, object } = known.told;
    if (kind !== "Pod") return true;
    const { namespace } = this.#directory.scope(object.namespace);
    const namespaceMs = namespace === undefined ? 0 : this.#directory.labelledMs(namespace);
    return this.#directory.labelledMs(known) < startMs && namespaceMs < startMs;
  }
}

/** Whether it is known who has the address: of a node's others nothing is. */
function isPeer({ holder }: Resolution): boolean {
  return holder !== undefined && (holder.told.kind === "Pod" || holder.told.kind === "Node");
}

/** The node that an end is to policies; undefined where it is none. */
function nodeOf({ told }: Known): string | undefined {
  if (told.kind === "Node") return told.object.name;
  return told.kind === "Pod" && told.object.isHostNetwork ? told.object.nodeName : undefined;
}
