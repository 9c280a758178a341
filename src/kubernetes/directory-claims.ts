// Which addresses an object has, and since when: the rules of attribution as a list. Comes in: an object. Goes out: claims.

import type { Told } from "./kept.ts";
import type { Known } from "./known.ts";
import type { TransportProtocol } from "./object.ts";
import type { EndpointSlice, Service } from "./objects-network.ts";
import type { ToldPod } from "./objects-workload.ts";

/** The order in which claims to one address are asked; a lower one that answers silences those above. */
export const RANK = {
  pod: 1,
  /** A port of a node that a pod has: on the host's network, or by `hostPort`. */
  hostPort: 2,
  node: 3,
  service: 4,
  slice: 5,
  entry: 6,
  /** A port of every node that a Service has: told beside the node, no answer of its own. */
  nodePort: 7,
} as const;

/** IANA numbers of the API's protocols. */
export const PROTOCOL_NUMBERS: Readonly<Record<TransportProtocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** Ends of a flow that a claim answers for, as bits. */
export const SIDES = { source: 1, destination: 2, both: 3 } as const;

/** What an object says it has. */
export interface Claimed {
  /** One of {@link RANK}. */
  readonly rank: number;
  /** As the API server writes it; "" for {@link RANK.nodePort}. */
  readonly address: string;
  /** 0: any. */
  readonly port: number;
  /** IANA number; 0: any. */
  readonly protocol: number;
  /** From when on, ms; included. */
  readonly startMs: number;
  /** Until when, ms; excluded. Infinity as long as it is so. */
  readonly endMs: number;
  /** Bits of {@link SIDES}. */
  readonly sides: number;
}

/** A claim in the directory, one link of the chain of those to the same address and port. */
export interface Claim {
  readonly known: Known;
  readonly rank: number;
  readonly address: string;
  readonly port: number;
  readonly protocol: number;
  readonly startMs: number;
  readonly sides: number;
  endMs: number;
  /** The end is told by the object, not by when its deletion was seen. */
  isEndTold: boolean;
  next: Claim | undefined;
}

/** All that `told` claims; addresses that are none are the directory's to refuse. */
export function claimsOf(told: Told): readonly Claimed[] {
  const { kind, object } = told;
  const since = { startMs: object.createdTime, endMs: Number.POSITIVE_INFINITY, sides: SIDES.both };
  switch (kind) {
    case "Pod":
      return podClaims(object);
    case "Node":
      return object.addresses.map((address) => ({ ...since, ...ANY_PORT, rank: RANK.node, address }));
    case "Service":
      return serviceClaims(object, since);
    case "EndpointSlice":
      return sliceClaims(object, since);
    case "Ingress":
    case "Gateway":
      return object.addresses.map((address) => ({ ...since, ...ANY_PORT, rank: RANK.entry, address }));
    default:
      return [];
  }
}

const ANY_PORT = { port: 0, protocol: 0 } as const;

type Range = Pick<Claimed, "startMs" | "endMs" | "sides">;

function podClaims(pod: ToldPod): readonly Claimed[] {
  const range = {
    startMs: pod.startTime ?? pod.createdTime,
    endMs: pod.endTime ?? Number.POSITIVE_INFINITY,
    sides: SIDES.both,
  };
  const own = pod.isHostNetwork ? [] : pod.podIPs;
  const claims: Claimed[] = own.map((address) => ({ ...range, ...ANY_PORT, rank: RANK.pod, address }));
  const hosts = pod.hostIPs.length > 0 || !pod.isHostNetwork ? pod.hostIPs : pod.podIPs;
  for (const { ports } of pod.containers) {
    for (const { hostPort, containerPort, protocol } of ports) {
      const port = hostPort || (pod.isHostNetwork ? containerPort : 0);
      if (port === 0) continue;
      const number = PROTOCOL_NUMBERS[protocol];
      for (const address of hosts) {
        claims.push({ ...range, rank: RANK.hostPort, address, port, protocol: number });
      }
    }
  }
  return claims;
}

function serviceClaims(service: Service, range: Range): readonly Claimed[] {
  const claims: Claimed[] = [];
  const addresses = new Set([...service.clusterIPs, ...service.externalIPs, ...service.loadBalancerIPs]);
  for (const { port, nodePort, protocol: name } of service.ports) {
    const protocol = PROTOCOL_NUMBERS[name];
    for (const address of addresses) claims.push({ ...range, rank: RANK.service, address, port, protocol });
    if (!nodePort) continue;
    claims.push({ ...range, rank: RANK.nodePort, address: "", port: nodePort, protocol });
  }
  return claims;
}

function sliceClaims(slice: EndpointSlice, range: Range): readonly Claimed[] {
  return slice.ports.flatMap(({ port = 0, protocol }) =>
    slice.addresses.map((address) => ({
      ...range,
      rank: RANK.slice,
      address,
      port,
      protocol: PROTOCOL_NUMBERS[protocol],
    })),
  );
}
