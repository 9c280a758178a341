// Which NetworkPolicies admit a flow, and which deny it. Comes in: both ends as resolved. Goes out: names of policies.

import type { NamedValue, NamedValues } from "../lib/named-values.ts";
import type { Directory } from "./directory.ts";
import { isPod } from "./known.ts";
import type { Policy } from "./policies.ts";
import { ADMISSION, type Admission, admit } from "./policies-admission.ts";
import { PolicyDenial, type PolicySurroundings } from "./policies-denial.ts";
import {
  fillAddress,
  isJudgeable,
  isRedirected,
  type JudgedFlow,
  newPolicyQuestion,
  type PolicyQuestion,
  policyPod,
} from "./policies-question.ts";
import { hasOwnAddress, type PodPolicies, SelectingPolicies } from "./policies-selecting.ts";

type Way = "ingress" | "egress";

/** Policies of one pod whose verdicts have a bit of their own. */
const MOST_BITS = 30;

/** Judges flows one after the other. */
export class PolicyVerdict {
  readonly #directory: Directory;
  readonly #selecting: SelectingPolicies;
  readonly #denial: PolicyDenial;
  /** One object for each verdict there was, so that its bytes are made once. */
  readonly #verdicts: Map<string, Map<string, NamedValues>> = new Map();
  readonly #question: PolicyQuestion = newPolicyQuestion();
  /** The same of whom the source called, where that is another. */
  readonly #called: PolicyQuestion = newPolicyQuestion();
  #isCalledAsked = false;

  constructor(directory: Directory, surroundings: PolicySurroundings) {
    this.#directory = directory;
    this.#selecting = new SelectingPolicies(directory);
    this.#denial = new PolicyDenial(directory, surroundings);
  }

  /** `network.policy.ingress` and `.egress` as far as there is something to say. */
  find(flow: JudgedFlow): NamedValues | undefined {
    const from = policyPod(flow.source);
    const to = policyPod(flow.destination);
    if ((from === undefined && to === undefined) || !isJudgeable(flow)) return undefined;
    const ofFrom = from && this.#selecting.find(from);
    const ofTo = to && this.#selecting.find(to);
    // By a port of its node, a pod is reached at another of its own.
    if (ofFrom !== undefined && !hasOwnAddress(ofFrom, flow.words, flow.sourceAt)) return undefined;
    if (ofTo !== undefined && !hasOwnAddress(ofTo, flow.words, flow.destinationAt)) return undefined;
    const ingress = ofTo && this.#judge("ingress", ofTo, flow);
    const egress = ofFrom && this.#judge("egress", ofFrom, flow);
    if (ingress === undefined && egress === undefined) return undefined;
    return this.#verdict(ingress, egress);
  }

  /** Labels of policies, joined; undefined where nothing selects the pod or it cannot be said. */
  #judge(way: Way, all: PodPolicies, flow: JudgedFlow): string | undefined {
    const policies = all[way];
    if (policies.length === 0) return undefined;
    this.#ask(way, flow);
    if (policies.length > MOST_BITS) return this.#judgeMany(way, all, flow);
    let bits = 0;
    let isUnsure = false;
    for (let index = 0; index < policies.length; index++) {
      const found = this.#admit(policies[index] as Policy, way);
      if (found === ADMISSION.sure) bits |= 2 << index;
      else if (found === ADMISSION.unsure) isUnsure = true;
    }
    if (bits !== 0) return joinBits(all, policies, way === "ingress" ? bits | 1 : bits);
    if (isUnsure || !this.#denial.isSure(way, all.pod, flow)) return undefined;
    return way === "ingress" ? all.ingressDenied : all.egressDenied;
  }

  #judgeMany(way: Way, all: PodPolicies, flow: JudgedFlow): string | undefined {
    const found = all[way].map((policy) => this.#admit(policy, way));
    const admitting = all[way].filter((_, index) => found[index] === ADMISSION.sure);
    if (admitting.length > 0) return joinLabels(admitting);
    if (found.includes(ADMISSION.unsure) || !this.#denial.isSure(way, all.pod, flow)) return undefined;
    return way === "ingress" ? all.ingressDenied : all.egressDenied;
  }

  /** Fills the questions. */
  #ask(way: Way, flow: JudgedFlow): void {
    const { peer, target } = this.#question;
    const isIngress = way === "ingress";
    const { holder } = isIngress ? flow.source : flow.destination;
    const pod = holder !== undefined && isPod(holder) ? holder.told.object : undefined;
    const isNode = pod?.isHostNetwork ?? holder?.told.kind === "Node";
    peer.standing = isNode ? (isIngress ? "sender" : "node") : "itself";
    if (isIngress && flow.isSourceTranslated) peer.standing = "masked";
    // A node's connection may be any pod's on its network, whoever listens at that port.
    peer.pod = isIngress && isNode ? undefined : pod;
    peer.namespaceLabels = peer.pod && this.#directory.scope(peer.pod.namespace).labels;
    fillAddress(this.#question, flow.words, isIngress ? flow.sourceAt : flow.destinationAt);
    target.port = flow.destinationPort;
    target.protocol = flow.protocol;
    target.pod = policyPod(flow.destination)?.told.object;
    this.#isCalledAsked = !isIngress && isRedirected(flow);
    if (!this.#isCalledAsked) return;
    fillAddress(this.#called, flow.words, flow.calledAt);
    this.#called.target.port = flow.calledPort;
    this.#called.target.protocol = flow.protocol;
  }

  /** By who answers; what admits the one that was called alone leaves it open, as the API does. */
  #admit(policy: Policy, way: Way): Admission {
    const rules = policy[way];
    if (rules === undefined) return ADMISSION.none;
    const found = admit(policy, rules, this.#question);
    if (!this.#isCalledAsked || found !== ADMISSION.none) return found;
    return admit(policy, rules, this.#called) === ADMISSION.none ? ADMISSION.none : ADMISSION.unsure;
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

function entryOf(way: Way, labels: string): readonly NamedValue[] {
  return labels === "" ? [] : [[`network.policy.${way}`, labels.split(",")]];
}
