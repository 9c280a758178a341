// What is kept of the objects that give addresses to others, or rules for them.

import type { KubernetesObject, LabelSelector, TransportProtocol } from "./object.ts";

export interface Service extends KubernetesObject {
  /** Without "None". */
  readonly clusterIPs: readonly string[];
  readonly externalIPs: readonly string[];
  /** IPs of `status.loadBalancer.ingress`. */
  readonly loadBalancerIPs: readonly string[];
  readonly ports: readonly {
    readonly port: number;
    readonly nodePort: number | undefined;
    readonly protocol: TransportProtocol;
  }[];
  /** undefined for a Service without a selector, or with an empty one: it selects nothing. */
  readonly selector: LabelSelector | undefined;
}

export interface EndpointSlice extends KubernetesObject {
  /** Label kubernetes.io/service-name, or an Endpoints object's own name; "" where there is none. */
  readonly serviceName: string;
  /** IPs of endpoints whose targetRef is no Pod: those of pods are known by the pods. */
  readonly addresses: readonly string[];
  /** One without a number is any port. */
  readonly ports: readonly { readonly port: number | undefined; readonly protocol: TransportProtocol }[];
}

/** Ingress and Gateway. */
export interface Ingress extends KubernetesObject {
  /** IPs of `status.loadBalancer.ingress`; `status.addresses` of type IPAddress. */
  readonly addresses: readonly string[];
}

/** One rule of `ingress` (peers: `from`) or `egress` (peers: `to`). */
export interface PolicyRule {
  /** Empty: any. */
  readonly peers: readonly {
    readonly podSelector: LabelSelector | undefined;
    readonly namespaceSelector: LabelSelector | undefined;
    readonly ipBlock: { readonly cidr: string; readonly except: readonly string[] } | undefined;
  }[];
  /** Empty: any. */
  readonly ports: readonly {
    readonly protocol: TransportProtocol;
    /** A number, a container port's name, or undefined: any. */
    readonly port: number | string | undefined;
    readonly endPort: number | undefined;
  }[];
}

export interface NetworkPolicy extends KubernetesObject {
  readonly podSelector: LabelSelector;
  /** undefined: not given, so that the default applies. */
  readonly policyTypes: readonly ("Ingress" | "Egress")[] | undefined;
  readonly ingress: readonly PolicyRule[];
  readonly egress: readonly PolicyRule[];
}
