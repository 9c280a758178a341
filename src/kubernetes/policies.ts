// NetworkPolicies as they are evaluated: compiled once when they change, asked once a flow.

import { containsPrefix, isIpv4Prefix, type Prefix, parsePrefix } from "../lib/cidr.ts";
import { PROTOCOL_NUMBERS } from "./directory-claims.ts";
import type { NetworkPolicy, PolicyRule } from "./objects-network.ts";
import type { Pod } from "./objects-workload.ts";
import { type CompiledSelector, compileSelector, matchesCompiled, type Selecting } from "./selectors.ts";

/** A policy, ready to be asked. `selector` is its podSelector. */
export interface Policy extends Selecting {
  /** `namespace/name`, and the same with what says that it denies. */
  readonly label: string;
  readonly denyLabel: string;
  readonly namespace: string;
  /** undefined: the policy says nothing of that way. */
  readonly ingress: readonly CompiledRule[] | undefined;
  readonly egress: readonly CompiledRule[] | undefined;
}

interface CompiledRule {
  /** undefined: any. */
  readonly peers: readonly CompiledPeer[] | undefined;
  /** undefined: any. */
  readonly ports: readonly CompiledPort[] | undefined;
}

interface CompiledPeer {
  readonly podSelector: CompiledSelector | undefined;
  readonly namespaceSelector: CompiledSelector | undefined;
  readonly block: { readonly prefix: Prefix; readonly except: readonly Prefix[] } | undefined;
}

interface CompiledPort {
  readonly protocol: number;
  readonly least: number;
  readonly most: number;
  /** A container port's name; then the numbers say nothing. */
  readonly name: string | undefined;
}

/** The other end of a flow, as a policy sees it. */
export interface PolicyPeer {
  /** Its pod, one with an address of its own; undefined for any other end. */
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

/** Whether policies speak of a protocol at all: of TCP, UDP and SCTP alone. */
export function isPolicyProtocol(protocol: number): boolean {
  return NUMBERS.has(protocol);
}

const NUMBERS: ReadonlySet<number> = new Set(Object.values(PROTOCOL_NUMBERS));

const HIGHEST_PORT = 65_535;

/** Applies the API's defaults: a policy is about ingress unless it says otherwise, about egress if it has such rules. */
export function compilePolicy(policy: NetworkPolicy): Policy {
  const { namespace, name, podSelector, policyTypes, ingress, egress } = policy;
  const label = `${namespace}/${name}`;
  const isIngress = policyTypes === undefined || policyTypes.includes("Ingress");
  const isEgress = policyTypes === undefined ? egress.length > 0 : policyTypes.includes("Egress");
  return {
    selector: podSelector,
    label,
    denyLabel: `${label} (deny)`,
    namespace,
    ingress: isIngress ? ingress.map(compileRule) : undefined,
    egress: isEgress ? egress.map(compileRule) : undefined,
  };
}

/** Whether one of a policy's `rules` admits a flow between its pod and `peer` to `target`. */
export function admits(
  policy: Policy,
  rules: readonly CompiledRule[],
  flow: { readonly peer: PolicyPeer; readonly target: PolicyTarget },
): boolean {
  for (let i = 0; i < rules.length; i++) {
    const { peers, ports } = rules[i] as CompiledRule;
    if (ports !== undefined && !hasPort(ports, flow.target)) continue;
    if (peers === undefined || hasPeer(peers, policy.namespace, flow.peer)) return true;
  }
  return false;
}

// Plain loops: these are asked for each flow, and closures and iterators are objects (bench/kubernetes.ts).

function hasPort(ports: readonly CompiledPort[], target: PolicyTarget): boolean {
  for (let i = 0; i < ports.length; i++) if (isPort(ports[i] as CompiledPort, target)) return true;
  return false;
}

function hasPeer(peers: readonly CompiledPeer[], namespace: string, peer: PolicyPeer): boolean {
  for (let i = 0; i < peers.length; i++) if (isPeer(peers[i] as CompiledPeer, namespace, peer)) return true;
  return false;
}

function compileRule({ peers, ports }: PolicyRule): CompiledRule {
  return {
    peers: peers.length === 0 ? undefined : peers.map(compilePeer),
    ports: ports.length === 0 ? undefined : ports.map(compilePort),
  };
}

function compilePeer(peer: PolicyRule["peers"][number]): CompiledPeer {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const prefix = ipBlock && parsePrefix(ipBlock.cidr);
  const except = ipBlock?.except.map(parsePrefix) ?? [];
  const isReadable = except.every((each) => each !== undefined);
  return {
    podSelector: podSelector && compileSelector(podSelector),
    namespaceSelector: namespaceSelector && compileSelector(namespaceSelector),
    block: prefix && isReadable ? { prefix, except } : undefined,
  };
}

function compilePort({ protocol, port, endPort }: PolicyRule["ports"][number]): CompiledPort {
  const number = PROTOCOL_NUMBERS[protocol];
  if (typeof port === "string") return { protocol: number, least: 0, most: 0, name: port };
  if (port === undefined) return { protocol: number, least: 0, most: HIGHEST_PORT, name: undefined };
  return { protocol: number, least: port, most: endPort ?? port, name: undefined };
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

function isPeer(rule: CompiledPeer, namespace: string, peer: PolicyPeer): boolean {
  const { podSelector, namespaceSelector, block } = rule;
  if (block !== undefined) return isInBlock(block, peer.address);
  const { pod, namespaceLabels } = peer;
  // A rule without any of the three was one whose block is not readable: it admits nothing.
  if (pod === undefined || (podSelector === undefined && namespaceSelector === undefined)) return false;
  if (podSelector !== undefined && !matchesCompiled(podSelector, pod.labels)) return false;
  if (namespaceSelector === undefined) return pod.namespace === namespace;
  return namespaceLabels !== undefined && matchesCompiled(namespaceSelector, namespaceLabels);
}

function isInBlock({ prefix, except }: NonNullable<CompiledPeer["block"]>, address: Prefix): boolean {
  // ::/0 has no bits that would tell IPv4 apart.
  if (!containsPrefix(prefix, address) || isIpv4Prefix(prefix) !== isIpv4Prefix(address)) return false;
  for (const each of except) if (containsPrefix(each, address)) return false;
  return true;
}
