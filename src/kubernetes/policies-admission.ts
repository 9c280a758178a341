// How far one policy admits one flow. Comes in: what is known of the flow's ends. Goes out: whether it surely does, surely
// does not, or whether that depends on what is not known, or on what the API does not define.

import { containsPrefix, isIpv4Prefix, type Prefix } from "../lib/cidr.ts";
import { PROTOCOL_NUMBERS } from "./directory-claims.ts";
import type { Pod } from "./objects-workload.ts";
import type { CompiledPeer, CompiledPort, CompiledRule, Policy } from "./policies.ts";
import { type CompiledSelector, matchesCompiled } from "./selectors.ts";

/** The other end of a flow, as a policy sees it. */
export interface PolicyPeer {
  /**
   * What its address says of it. `itself`: who it is. `node`: a node, of whose pods on its network the API does not say
   * whether selectors reach them. `sender`: such a node that may have put its own address before that of another.
   * `masked`: this node has put another address in the place of its own.
   */
  readonly standing: "itself" | "node" | "sender" | "masked";
  /** Its pod; undefined for any other end. */
  readonly pod: Pod | undefined;
  /** Labels of the pod's namespace; undefined where they are not known. */
  readonly namespaceLabels: ReadonlyMap<string, string> | undefined;
  /** Its address, with 128 bits. */
  readonly address: Prefix;
}

/** Where a flow goes. */
export interface PolicyTarget {
  readonly port: number;
  /** IANA number. */
  readonly protocol: number;
  /** The destination pod, whose container ports have the names; undefined where it is none. */
  readonly pod: Pod | undefined;
}

/** How far a policy admits a flow, in rising order. */
export const ADMISSION = { none: 0, unsure: 1, sure: 2 } as const;

/** One of {@link ADMISSION}. */
export type Admission = (typeof ADMISSION)[keyof typeof ADMISSION];

interface AskedFlow {
  readonly peer: PolicyPeer;
  readonly target: PolicyTarget;
}

/** How far a policy's `rules` admit a flow between its pod and `peer` to `target`. */
export function admit(policy: Policy, rules: readonly CompiledRule[], flow: AskedFlow): Admission {
  let most: Admission = ADMISSION.none;
  for (let i = 0; i < rules.length; i++) {
    const { peers, ports } = rules[i] as CompiledRule;
    const byPort = ports === undefined ? ADMISSION.sure : admitPort(ports, flow);
    if (byPort === ADMISSION.none) continue;
    const byPeer = peers === undefined ? ADMISSION.sure : admitPeer(peers, policy.namespace, flow.peer);
    const found = byPeer === ADMISSION.sure ? byPort : byPeer;
    if (found > most) most = found;
    if (most === ADMISSION.sure) break;
  }
  return most;
}

// Plain loops: these are asked for each flow, and closures and iterators are objects (bench/kubernetes.ts).

/** A port of a node may have a name by one of the pods on its network. */
function admitPort(ports: readonly CompiledPort[], { peer, target }: AskedFlow): Admission {
  let most: Admission = ADMISSION.none;
  for (let i = 0; i < ports.length; i++) {
    const port = ports[i] as CompiledPort;
    if (isPort(port, target)) return ADMISSION.sure;
    if (peer.standing === "node" && port.name !== undefined && port.protocol === target.protocol)
      most = ADMISSION.unsure;
  }
  return most;
}

function isPort({ protocol, least, most, name }: CompiledPort, target: PolicyTarget): boolean {
  if (protocol !== target.protocol) return false;
  if (name === undefined) return target.port >= least && target.port <= most;
  for (const { ports } of target.pod?.containers ?? []) {
    for (const port of ports) {
      if (port.name !== name || port.containerPort !== target.port) continue;
      if (PROTOCOL_NUMBERS[port.protocol] === protocol) return true;
    }
  }
  return false;
}

function admitPeer(rules: readonly CompiledPeer[], namespace: string, peer: PolicyPeer): Admission {
  if (peer.standing === "masked") return ADMISSION.unsure;
  let most: Admission = ADMISSION.none;
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as CompiledPeer;
    const found = rule.block === undefined ? fitSelectors(rule, namespace, peer) : fitBlock(rule.block, peer);
    if (found > most) most = found;
    if (most === ADMISSION.sure) break;
  }
  return most;
}

function fitBlock({ prefix, except }: NonNullable<CompiledPeer["block"]>, peer: PolicyPeer): Admission {
  const { address, standing } = peer;
  const missed = standing === "sender" ? ADMISSION.unsure : ADMISSION.none;
  // ::/0 has no bits that would tell IPv4 apart.
  if (!containsPrefix(prefix, address) || isIpv4Prefix(prefix) !== isIpv4Prefix(address)) return missed;
  for (const each of except) if (containsPrefix(each, address)) return missed;
  return ADMISSION.sure;
}

function fitSelectors(rule: CompiledPeer, namespace: string, peer: PolicyPeer): Admission {
  const { podSelector, namespaceSelector } = rule;
  const { pod, namespaceLabels, standing } = peer;
  // Of one that has neither, nothing was understood.
  if (podSelector === undefined && namespaceSelector === undefined) return ADMISSION.unsure;
  const fit = standing === "itself" ? ADMISSION.sure : ADMISSION.unsure;
  if (pod === undefined) return standing === "itself" ? ADMISSION.none : ADMISSION.unsure;
  if (podSelector !== undefined && !matchesCompiled(podSelector, pod.labels)) return ADMISSION.none;
  if (namespaceSelector === undefined) return pod.namespace === namespace ? fit : ADMISSION.none;
  if (namespaceLabels === undefined) return asksNothing(namespaceSelector) ? fit : ADMISSION.unsure;
  return matchesCompiled(namespaceSelector, namespaceLabels) ? fit : ADMISSION.none;
}

function asksNothing({ labels, expressions }: CompiledSelector): boolean {
  return labels.length === 0 && expressions.length === 0;
}
