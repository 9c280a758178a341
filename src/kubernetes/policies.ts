// NetworkPolicies made ready to be asked (policies-admission.ts): compiled once, when they change.

import { type Prefix, parsePrefix } from "../lib/cidr.ts";
import { PROTOCOL_NUMBERS } from "./directory-claims.ts";
import type { NetworkPolicy, PolicyRule } from "./objects-network.ts";
import { type CompiledSelector, compileSelector, type Selecting } from "./selectors.ts";

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

/** Admits what one of its peers and one of its ports admit. */
export interface CompiledRule {
  /** undefined: any. */
  readonly peers: readonly CompiledPeer[] | undefined;
  /** undefined: any. */
  readonly ports: readonly CompiledPort[] | undefined;
}

/** One of those that a rule admits, by its block or by its selectors. */
export interface CompiledPeer {
  /** Without a block and without selectors: nothing of it was understood. */
  readonly podSelector: CompiledSelector | undefined;
  readonly namespaceSelector: CompiledSelector | undefined;
  readonly block: { readonly prefix: Prefix; readonly except: readonly Prefix[] } | undefined;
}

/** Ports of one protocol. */
export interface CompiledPort {
  readonly protocol: number;
  readonly least: number;
  readonly most: number;
  /** A container port's name; then the numbers say nothing. */
  readonly name: string | undefined;
}

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
