// NetworkPolicies judged from the API's own words, one flow and all policies at a time, by text and bigint: what the
// compiled ones are compared with. Shares no code with them.

import type { LabelSelector } from "../../../src/kubernetes/object.ts";
import type { NetworkPolicy, PolicyRule } from "../../../src/kubernetes/objects-network.ts";
import type { Pod } from "../../../src/kubernetes/objects-workload.ts";

/** One end: its address, and the pod that has it. */
export interface NaiveEnd {
  readonly address: string;
  readonly pod: Pod | undefined;
}

export interface NaiveFlow {
  readonly source: NaiveEnd;
  readonly destination: NaiveEnd;
  readonly port: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
}

export interface NaiveCluster {
  readonly policies: readonly NetworkPolicy[];
  readonly namespaceLabels: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** Names of the policies that admit the flow at one of its ends, or of all that deny it there; sorted. */
export function naivePolicies(
  cluster: NaiveCluster,
  flow: NaiveFlow,
  way: "Ingress" | "Egress",
): readonly string[] {
  const own = way === "Ingress" ? flow.destination : flow.source;
  const other = way === "Ingress" ? flow.source : flow.destination;
  const { pod } = own;
  if (pod === undefined) return [];
  const isolating = cluster.policies.filter(
    (policy) =>
      policy.namespace === pod.namespace &&
      isSelected(policy.podSelector, pod.labels) &&
      typesOf(policy).includes(way),
  );
  const allowing = isolating.filter((policy) => {
    const rules = way === "Ingress" ? policy.ingress : policy.egress;
    return rules.some((rule) => isPortAllowed(rule, flow) && isPeerAllowed(rule, policy, { other, cluster }));
  });
  const isSelf = flow.source.pod !== undefined && flow.source.pod === flow.destination.pod;
  const isDenied = allowing.length === 0 && !isSelf;
  return (isDenied ? isolating : allowing)
    .map(({ namespace, name }) => `${namespace}/${name}${isDenied ? " (deny)" : ""}`)
    .sort();
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

function isPortAllowed({ ports }: PolicyRule, flow: NaiveFlow): boolean {
  if (ports.length === 0) return true;
  return ports.some(({ protocol, port, endPort }) => {
    if (protocol !== flow.protocol) return false;
    if (port === undefined) return true;
    if (typeof port === "number") return flow.port >= port && flow.port <= (endPort ?? port);
    const named = (flow.destination.pod?.containers ?? [])
      .flatMap((container) => container.ports)
      .filter((each) => each.name === port && each.protocol === protocol);
    return named.some(({ containerPort }) => containerPort === flow.port);
  });
}

function isPeerAllowed(
  { peers }: PolicyRule,
  policy: NetworkPolicy,
  { other, cluster }: { readonly other: NaiveEnd; readonly cluster: NaiveCluster },
): boolean {
  if (peers.length === 0) return true;
  return peers.some(({ podSelector, namespaceSelector, ipBlock }) => {
    if (ipBlock !== undefined) {
      return (
        isInCidr(other.address, ipBlock.cidr) && !ipBlock.except.some((cidr) => isInCidr(other.address, cidr))
      );
    }
    const { pod } = other;
    if (pod === undefined) return false;
    const namespaceLabels = cluster.namespaceLabels.get(pod.namespace) ?? new Map<string, string>();
    const isNamespace =
      namespaceSelector === undefined
        ? pod.namespace === policy.namespace
        : isSelected(namespaceSelector, namespaceLabels);
    return isNamespace && (podSelector === undefined || isSelected(podSelector, pod.labels));
  });
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
