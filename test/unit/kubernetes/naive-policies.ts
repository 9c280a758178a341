// NetworkPolicies judged from the API's own words, one flow and all policies at a time, by text and bigint, once for what
// is certain and once for what is possible: what the compiled ones are compared with. Shares no code with them.

import type { LabelSelector } from "../../../src/kubernetes/object.ts";
import type { NetworkPolicy, PolicyRule } from "../../../src/kubernetes/objects-network.ts";
import type { Pod } from "../../../src/kubernetes/objects-workload.ts";

/** One end: its address, and who has it. A pod on the host's network has its node's. */
export interface NaiveEnd {
  readonly address: string;
  readonly pod?: Pod | undefined;
  /** The node that has the address. */
  readonly node?: string | undefined;
  /** Nobody is known to have it, and it may be a node's, or is one that no pod can be known by. */
  readonly isBound?: boolean;
}

export interface NaiveFlow {
  readonly source: NaiveEnd;
  readonly destination: NaiveEnd;
  readonly port: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  /** The node puts another address in the place of the source's. */
  readonly isMasked?: boolean;
  /** Whom the source called, where that is another than the destination. */
  readonly called?:
    | { readonly address: string; readonly port: number; readonly isOfHost: boolean }
    | undefined;
}

export interface NaiveCluster {
  readonly policies: readonly NetworkPolicy[];
  readonly namespaceLabels: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/**
 * How rules are read: for what they admit whatever the network does, or for what they may admit in some network, where
 * the API leaves it open who a peer is.
 */
type Reading = "certain" | "possible";

interface Asked {
  readonly cluster: NaiveCluster;
  readonly flow: NaiveFlow;
  readonly way: "Ingress" | "Egress";
}

/** Names of the policies that admit the flow at one of its ends, or of all that deny it there; sorted. */
export function naivePolicies(
  cluster: NaiveCluster,
  flow: NaiveFlow,
  way: "Ingress" | "Egress",
): readonly string[] {
  const { pod } = way === "Ingress" ? flow.destination : flow.source;
  if (pod === undefined || pod.isHostNetwork) return [];
  const isolating = cluster.policies.filter(
    (policy) =>
      policy.namespace === pod.namespace &&
      isSelected(policy.podSelector, pod.labels) &&
      typesOf(policy).includes(way),
  );
  const asked = { cluster, flow, way };
  const admitting = (reading: Reading): readonly NetworkPolicy[] =>
    isolating.filter((policy) => isAdmitted(policy, asked, reading));
  const certain = admitting("certain");
  if (certain.length > 0) return certain.map(({ namespace, name }) => `${namespace}/${name}`).sort();
  if (admitting("possible").length > 0 || isAlwaysAllowed(asked, pod)) return [];
  return isolating.map(({ namespace, name }) => `${namespace}/${name} (deny)`).sort();
}

/** "A pod cannot block access to itself", and "traffic to and from the node where a Pod is running is always allowed". */
function isAlwaysAllowed({ flow, way }: Asked, own: Pod): boolean {
  const other = way === "Ingress" ? flow.source : flow.destination;
  if (other.pod === own || other.node === own.nodeName || other.isBound === true) return true;
  return way === "Ingress" ? flow.isMasked === true : flow.called?.isOfHost === true;
}

function isAdmitted(policy: NetworkPolicy, { cluster, flow, way }: Asked, reading: Reading): boolean {
  const rules = way === "Ingress" ? policy.ingress : policy.egress;
  const other = way === "Ingress" ? flow.source : flow.destination;
  const admits = (rule: PolicyRule): boolean =>
    isPortAllowed(rule, { flow, way, reading }) &&
    (rule.peers.length === 0 ||
      rule.peers.some((peer) => isPeerAllowed(peer, { policy, cluster, other, way, flow, reading })));
  if (rules.some(admits)) return true;
  const { called } = flow;
  if (reading === "certain" || called === undefined || way === "Ingress") return false;
  const before = { ...flow, destination: { address: called.address }, port: called.port, called: undefined };
  return isAdmitted(policy, { cluster, flow: before, way }, reading);
}

/** "If no policyTypes are specified … Ingress will always be set and Egress will be set if there are egress rules." */
function typesOf({ policyTypes, egress }: NetworkPolicy): readonly string[] {
  if (policyTypes !== undefined) return policyTypes;
  return egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

function isSelected(
  { matchLabels, matchExpressions }: LabelSelector,
  labels: ReadonlyMap<string, string>,
): boolean {
  const requirements = [
    ...[...matchLabels].map(([key, value]) => ({ key, operator: "In", values: [value] })),
    ...matchExpressions,
  ];
  return requirements.every(({ key, operator, values }) => {
    const isThere = labels.has(key);
    const isListed = isThere && values.includes(labels.get(key) as string);
    return { In: isListed, NotIn: !isListed, Exists: isThere, DoesNotExist: !isThere }[operator];
  });
}

function isPortAllowed(
  { ports }: PolicyRule,
  { flow, way, reading }: Pick<Asked, "flow" | "way"> & { readonly reading: Reading },
): boolean {
  if (ports.length === 0) return true;
  return ports.some(({ protocol, port, endPort }) => {
    if (protocol !== flow.protocol) return false;
    if (port === undefined) return true;
    if (typeof port === "number") return flow.port >= port && flow.port <= (endPort ?? port);
    const { pod, node } = flow.destination;
    // Which of a node's ports has a name is as open as who of those on its network is meant.
    if (way === "Egress" && node !== undefined && reading === "possible") return true;
    const named = (pod?.isHostNetwork === false ? pod.containers : [])
      .flatMap((container) => container.ports)
      .filter((each) => each.name === port && each.protocol === protocol);
    return named.some(({ containerPort }) => containerPort === flow.port);
  });
}

function isPeerAllowed(
  { podSelector, namespaceSelector, ipBlock }: PolicyRule["peers"][number],
  {
    policy,
    cluster,
    other,
    way,
    flow,
    reading,
  }: Asked & { policy: NetworkPolicy; other: NaiveEnd; reading: Reading },
): boolean {
  const isPossible = reading === "possible";
  if (way === "Ingress" && flow.isMasked === true) return isPossible;
  const isSender = way === "Ingress" && other.node !== undefined;
  if (ipBlock !== undefined) {
    const isInside =
      isInCidr(other.address, ipBlock.cidr) && !ipBlock.except.some((cidr) => isInCidr(other.address, cidr));
    return isInside || (isSender && isPossible);
  }
  const { pod } = other;
  if (isSender || (pod === undefined && other.node !== undefined)) return isPossible;
  if (pod === undefined || (pod.isHostNetwork && !isPossible)) return false;
  const namespaceLabels = cluster.namespaceLabels.get(pod.namespace) ?? new Map<string, string>();
  const isNamespace =
    namespaceSelector === undefined
      ? pod.namespace === policy.namespace
      : isSelected(namespaceSelector, namespaceLabels);
  return isNamespace && (podSelector === undefined || isSelected(podSelector, pod.labels));
}

/** IPv4 alone is enough to compare by: what it does with words is the same in both families. */
function isInCidr(address: string, cidr: string): boolean {
  const [network = "", bits = "32"] = cidr.split("/");
  if (address.includes(":") || network.includes(":")) return address.includes(":") && cidr === "::/0";
  const shift = 32n - BigInt(bits);
  return numberOf(address) >> shift === numberOf(network) >> shift;
}

function numberOf(address: string): bigint {
  return address.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}
