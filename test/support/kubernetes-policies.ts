// Pods of namespace `guard`, each with label `rule=NAME` and the NetworkPolicies that select that, one for each form that
// rules have. All but `leaving` share a network
// namespace.

import type { ApiObject } from "./kubernetes-server.ts";
import { runningPod } from "./kubernetes-workloads.ts";

/** The ports that rules speak of: the first one has a name. */
export const GUARD_PORTS = [7100, 7105, 7111] as const;

const CLIENTS = { podSelector: { matchLabels: { app: "client" } } };
const SHOP = { namespaceSelector: { matchExpressions: [{ key: "team", operator: "In", values: ["shop"] }] } };
const DATA = { namespaceSelector: { matchLabels: { tier: "data" } } };
const LEGACY = { ipBlock: { cidr: "198.51.100.0/24" } };
const OTHER_NODE = { ipBlock: { cidr: "192.0.2.20/32" } };
const STRANGERS = { ipBlock: { cidr: "203.0.113.0/24", except: ["203.0.113.8/32"] } };

/** Specs by the name of the policy; pods are named like them but for what is behind a dot. */
const SPECS: Readonly<Record<string, object>> = {
  pods: { ingress: [{ from: [CLIENTS] }] },
  namespaces: { ingress: [{ from: [SHOP] }] },
  both: { ingress: [{ from: [{ ...SHOP, ...CLIENTS }] }] },
  either: { ingress: [{ from: [DATA, CLIENTS] }] },
  block: { ingress: [{ from: [STRANGERS] }] },
  range: { ingress: [{ ports: [{ protocol: "UDP", port: 7100, endPort: 7105 }] }] },
  named: { ingress: [{ ports: [{ protocol: "UDP", port: "answers" }] }] },
  protocol: { ingress: [{ ports: [{ port: 7100 }] }] },
  closed: { policyTypes: ["Ingress"] },
  open: { ingress: [{}] },
  "several.some": { ingress: [{ from: [CLIENTS] }] },
  "several.none": { policyTypes: ["Ingress"] },
  leaving: { policyTypes: ["Egress"], egress: [{ to: [LEGACY, OTHER_NODE] }] },
  "leaving.open": {
    policyTypes: ["Egress"],
    egress: [{ to: [{ podSelector: { matchLabels: { rule: "open" } } }] }],
  },
  untyped: { egress: [{}] },
  served: { ingress: [{ from: [SHOP], ports: [{ protocol: "UDP", port: 7100 }] }] },
};

const PODS = [...new Set(Object.keys(SPECS).map(podOf))];

/** Addresses by the names of pods. */
export const GUARDED: Readonly<Record<string, string>> = Object.fromEntries(
  PODS.map((name, i) => [name, `10.244.0.${100 + i}`]),
);

export function addressOf(name: string): string {
  const address = GUARDED[name];
  if (address === undefined) throw new Error(`no policy selects ${name}`);
  return address;
}

/** The pods as `pod-NAME`, and the policies as `policy-NAME`. */
export function guardedObjects(): readonly (readonly [string, ApiObject])[] {
  const [port] = GUARD_PORTS;
  const ports = [{ name: "answers", containerPort: port, protocol: "UDP" }];
  const containers = [{ name: "main", image: "registry.test/main:1", ports }];
  const pods = PODS.map((name) => {
    const ips = [addressOf(name)];
    const pod = runningPod(name, { ips, namespace: "guard", labels: { rule: name }, containers });
    return [`pod-${name}`, pod] as const;
  });
  const policies = Object.entries(SPECS).map(([name, spec]) => {
    const policy: ApiObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name, namespace: "guard" },
      spec: { podSelector: { matchLabels: { rule: podOf(name) } }, ...spec },
    };
    return [`policy-${name}`, policy] as const;
  });
  return [...pods, ...policies];
}

function podOf(policy: string): string {
  return policy.replace(/\..*/, "");
}
