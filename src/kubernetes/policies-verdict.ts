// Which NetworkPolicies admit a flow, and which deny it. Comes in: both ends as resolved. Goes out: names of policies.

import type { Prefix } from "../lib/cidr.ts";
import type { NamedValue, NamedValues } from "../lib/named-values.ts";
import type { Directory } from "./directory.ts";
import type { Resolution } from "./directory-resolve.ts";
import { isPod, type Known, type KnownPod } from "./known.ts";
import type { Pod } from "./objects-workload.ts";
import { admits, isPolicyProtocol, type Policy, type PolicyPeer, type PolicyTarget } from "./policies.ts";

/** A flow between two resolved ends. Reused, so mutable. */
export interface JudgedFlow {
  source: Resolution;
  destination: Resolution;
  /** Both addresses: four words each in memory order at `sourceAt` and `destinationAt`. */
  words: Uint32Array;
  sourceAt: number;
  destinationAt: number;
  destinationPort: number;
  /** IANA number. */
  protocol: number;
  /** So long after the flow's start that no news of its ends is to be expected. */
  isSettled: boolean;
}

type Way = "ingress" | "egress";

/** The policies that select one pod, compiled for its ways; kept until one of them or the pod changes. */
interface PodPolicies {
  readonly version: number;
  readonly ingress: readonly Policy[];
  readonly egress: readonly Policy[];
  /** Labels of all of them joined, as those that deny. */
  readonly ingressDenied: string;
  readonly egressDenied: string;
  /** Labels joined, by the bits of the policies that admit: texts are not joined anew for each flow. */
  readonly joined: Map<number, string>;
}

/** Policies of one pod whose verdicts have a bit of their own. */
const MOST_BITS = 30;

/** One end as policies see it; its fields are written anew for each flow. */
interface Peer extends PolicyPeer {
  pod: Pod | undefined;
  namespaceLabels: ReadonlyMap<string, string> | undefined;
  readonly address: Prefix;
}

interface Target extends PolicyTarget {
  port: number;
  protocol: number;
  pod: Pod | undefined;
}

/** Judges flows one after the other. */
export class PolicyVerdict {
  readonly #directory: Directory;
  readonly #selecting: WeakMap<KnownPod, PodPolicies> = new WeakMap();
  /** One object for each verdict there was, so that its bytes are made once. */
  readonly #verdicts: Map<string, Map<string, NamedValues>> = new Map();
  readonly #source: Peer = newPeer();
  readonly #destination: Peer = newPeer();
  readonly #target: Target = { port: 0, protocol: 0, pod: undefined };
  /** What a pod's policies are asked of; its peer is written anew for each way. */
  readonly #meeting: { peer: Peer; readonly target: Target } = { peer: this.#source, target: this.#target };

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /**
   * `network.policy.ingress` and `.egress` as far as there is something to say: nothing of protocols that policies do
   * not speak of, of pods on the host's network, and of ends that are not known well enough.
   */
  find(flow: JudgedFlow): NamedValues | undefined {
    if (!isPolicyProtocol(flow.protocol)) return undefined;
    const from = policyPod(flow.source);
    const to = policyPod(flow.destination);
    if (from === undefined && to === undefined) return undefined;
    const isOpaque = isBehindService(flow.source) || isBehindService(flow.destination);
    if (isOpaque || flow.source.outcome === "ambiguous" || flow.destination.outcome === "ambiguous")
      return undefined;
    this.#look(flow, from, to);
    const ingress = to && this.#judge("ingress", to, flow);
    const egress = from && this.#judge("egress", from, flow);
    if (ingress === undefined && egress === undefined) return undefined;
    return this.#verdict(ingress, egress);
  }

  #look(flow: JudgedFlow, from: KnownPod | undefined, to: KnownPod | undefined): void {
    this.#fill(this.#source, from, flow.words, flow.sourceAt);
    this.#fill(this.#destination, to, flow.words, flow.destinationAt);
    this.#target.port = flow.destinationPort;
    this.#target.protocol = flow.protocol;
    this.#target.pod = to?.told.object;
  }

  #fill(peer: Peer, known: KnownPod | undefined, words: Uint32Array, at: number): void {
    peer.pod = known?.told.object;
    peer.namespaceLabels = known && this.#directory.scope(known.told.object.namespace).labels;
    const { octets } = peer.address;
    for (let i = 0; i < 16; i++) octets[i] = (words[at + (i >> 2)] as number) >>> ((i & 3) * 8);
  }

  /** Labels of policies, joined; undefined where nothing selects the pod or it cannot be said. */
  #judge(way: Way, known: KnownPod, flow: JudgedFlow): string | undefined {
    const all = this.#policiesOf(known);
    const policies = all[way];
    if (policies.length === 0) return undefined;
    const peer = way === "ingress" ? this.#source : this.#destination;
    this.#meeting.peer = peer;
    if (policies.length > MOST_BITS) {
      const admitting = policies.filter((policy) => this.#isAdmitted(policy, way));
      if (admitting.length > 0) return joinLabels(admitting);
    } else {
      let bits = 0;
      for (let index = 0; index < policies.length; index++) {
        if (this.#isAdmitted(policies[index] as Policy, way)) bits |= 2 << index;
      }
      if (bits !== 0) return joinBits(all, policies, way === "ingress" ? bits | 1 : bits);
    }
    if (!flow.isSettled || !isDeniable(known, way === "ingress" ? flow.source : flow.destination, peer)) {
      return undefined;
    }
    return way === "ingress" ? all.ingressDenied : all.egressDenied;
  }

  #isAdmitted(policy: Policy, way: Way): boolean {
    const rules = policy[way];
    return rules !== undefined && admits(policy, rules, this.#meeting);
  }

  #policiesOf(known: KnownPod): PodPolicies {
    const { namespace, labels } = known.told.object;
    const scope = this.#directory.scope(namespace);
    const version = known.version + scope.policiesVersion.version;
    const before = this.#selecting.get(known);
    if (before !== undefined && before.version === version) return before;
    const policies = scope.policies.find(labels).toSorted((a, b) => (a.label < b.label ? -1 : 1));
    const ingress = policies.filter((policy) => policy.ingress !== undefined);
    const egress = policies.filter((policy) => policy.egress !== undefined);
    const made: PodPolicies = {
      version,
      ingress,
      egress,
      ingressDenied: ingress.map(({ denyLabel }) => denyLabel).join(","),
      egressDenied: egress.map(({ denyLabel }) => denyLabel).join(","),
      joined: new Map(),
    };
    this.#selecting.set(known, made);
    return made;
  }

  #verdict(ingress = "", egress = ""): NamedValues {
    let byEgress = this.#verdicts.get(ingress);
    if (byEgress === undefined) {
      if (this.#verdicts.size >= VERDICTS) this.#verdicts.clear();
      byEgress = new Map();
      this.#verdicts.set(ingress, byEgress);
    }
    let verdict = byEgress.get(egress);
    if (verdict === undefined) {
      if (byEgress.size >= VERDICTS) byEgress.clear();
      verdict = { entries: [...entryOf("ingress", ingress), ...entryOf("egress", egress)] };
      byEgress.set(egress, verdict);
    }
    return verdict;
  }
}

function joinLabels(policies: readonly Policy[]): string {
  return policies.map(({ label }) => label).join(",");
}

function joinBits({ joined }: PodPolicies, policies: readonly Policy[], bits: number): string {
  let labels = joined.get(bits);
  if (labels === undefined) {
    labels = joinLabels(policies.filter((_, index) => (bits & (2 << index)) !== 0));
    joined.set(bits, labels);
  }
  return labels;
}

/** Different verdicts kept; there are few more than policies. */
const VERDICTS = 4096;

function newPeer(): Peer {
  return { pod: undefined, namespaceLabels: undefined, address: { octets: new Uint8Array(16), bits: 128 } };
}

function entryOf(way: Way, labels: string): readonly NamedValue[] {
  return labels === "" ? [] : [[`network.policy.${way}`, labels.split(",")]];
}

/** The end's pod, if policies apply to it: not one on the host's network, which is its node to them. */
function policyPod({ holder }: Resolution): KnownPod | undefined {
  if (holder === undefined || !isPod(holder) || holder.told.object.isHostNetwork) return undefined;
  return holder;
}

/** An address that stands for others: who answers is not known. It is where the node told who a Service led to. */
function isBehindService({ holder, service }: Resolution): boolean {
  const kind = holder?.told.kind;
  if (kind === "Node") return service !== undefined;
  return kind === "Service" || kind === "Ingress" || kind === "Gateway";
}

/**
 * Whether a flow that no rule admits is denied: not between a pod and itself or its own node, and not while the other
 * end's labels are not known.
 */
function isDeniable(known: KnownPod, other: Resolution, peer: PolicyPeer): boolean {
  const { holder } = other;
  if (holder === known || (peer.pod !== undefined && peer.namespaceLabels === undefined)) return false;
  return holder === undefined || nodeOf(holder) !== known.told.object.nodeName;
}

/** The node that an end is to policies; undefined where it is none. */
function nodeOf({ told }: Known): string | undefined {
  if (told.kind === "Node") return told.object.name;
  return told.kind === "Pod" && told.object.isHostNetwork ? told.object.nodeName : undefined;
}
