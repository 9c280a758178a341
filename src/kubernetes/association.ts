// [kubernetes.association.*]: claims by the fields that the config names, in place of those built in for a kind.

import type { AssociationConfig } from "./config-association.ts";
import { type Claimed, claimsOf, PROTOCOL_NUMBERS, RANK, SIDES } from "./directory-claims.ts";
import type { Told } from "./kept.ts";
import type { TransportProtocol } from "./object.ts";

type Sources = AssociationConfig["pod"]["sources"];

/** What the fields of an association have in one object. */
interface Fields {
  readonly addresses: Readonly<Record<string, readonly string[]>>;
  /** Numbers by field of one entry of its ports. */
  readonly ports: readonly {
    readonly protocol: TransportProtocol;
    readonly numbers: Readonly<Record<string, number | undefined>>;
  }[];
}

/** All that `told` claims: by its kind's own rules in `config` where there are some. */
export function associate(told: Told, config: AssociationConfig | undefined): readonly Claimed[] {
  const kind = told.kind.toLowerCase();
  if (config === undefined || !isAssociated(kind, config)) return claimsOf(told);
  const { sources } = config[kind];
  if (sources.length === 0) return claimsOf(told);
  const fields = fieldsOf(told);
  const range = rangeOf(told);
  const rank = told.kind === "Pod" && told.object.isHostNetwork ? RANK.hostPort : RANKS[kind];
  const claims = new Map<string, Claimed>();
  for (const end of ["source", "destination"] as const) {
    for (const place of placesOf(end, sources, fields)) {
      const id = JSON.stringify(place);
      const sides = SIDES[end] | (claims.get(id)?.sides ?? 0);
      claims.set(id, { ...range, ...place, rank, sides });
    }
  }
  return [...claims.values()];
}

const RANKS: Readonly<Record<keyof AssociationConfig, number>> = {
  pod: RANK.pod,
  node: RANK.node,
  service: RANK.service,
  endpointslice: RANK.slice,
  ingress: RANK.entry,
  gateway: RANK.entry,
};

type Place = Pick<Claimed, "address" | "port" | "protocol">;

/** A flow's end is an object's if all its conditions hold; one without an address is nobody's. */
function placesOf(end: "source" | "destination", sources: Sources, fields: Fields): readonly Place[] {
  const conditions = (from: string): readonly (readonly string[])[] =>
    sources.filter((source) => source.from === from).map(({ to }) => to);
  const addresses = common(conditions(`${end}.ip`), (field) => fields.addresses[field] ?? []);
  const ports = conditions(`${end}.port`);
  const isProtocolAsked = conditions("network.transport").length > 0;
  if (ports.length === 0 && !isProtocolAsked)
    return addresses.map((address) => ({ address, port: 0, protocol: 0 }));
  return fields.ports.flatMap(({ protocol: name, numbers }) => {
    const numbersOf = (field: string): readonly number[] => (numbers[field] ? [numbers[field]] : []);
    const asked = ports.length === 0 ? [0] : common(ports, numbersOf);
    const protocols = isProtocolAsked ? [PROTOCOL_NUMBERS[name]] : Object.values(PROTOCOL_NUMBERS);
    return asked.flatMap((port) =>
      protocols.flatMap((protocol) => addresses.map((address) => ({ address, port, protocol }))),
    );
  });
}

/** What each condition has in one of its fields. */
function common<T>(
  conditions: readonly (readonly string[])[],
  read: (field: string) => readonly T[],
): readonly T[] {
  const [first, ...others] = conditions.map((fields) => new Set(fields.flatMap(read)));
  return first === undefined ? [] : [...first].filter((value) => others.every((other) => other.has(value)));
}

function rangeOf({ kind, object }: Told): Pick<Claimed, "startMs" | "endMs"> {
  const startMs = kind === "Pod" ? (object.startTime ?? object.createdTime) : object.createdTime;
  return { startMs, endMs: (kind === "Pod" ? object.endTime : undefined) ?? Number.POSITIVE_INFINITY };
}

function isAssociated(kind: string, config: AssociationConfig): kind is keyof AssociationConfig {
  return Object.hasOwn(config, kind);
}

function fieldsOf({ kind, object }: Told): Fields {
  switch (kind) {
    case "Pod":
      return {
        addresses: {
          "status.podIP": object.podIPs.slice(0, 1),
          "status.podIPs[*]": object.podIPs,
          "status.hostIP": object.hostIPs.slice(0, 1),
          "status.hostIPs[*]": object.hostIPs,
        },
        ports: object.containers.flatMap(({ ports }) =>
          ports.map(({ protocol, containerPort, hostPort }) => ({
            protocol,
            numbers: {
              "spec.containers[*].ports[*].containerPort": containerPort,
              "spec.containers[*].ports[*].hostPort": hostPort,
            },
          })),
        ),
      };
    case "Node":
      return { addresses: { "status.addresses[*].address": object.addresses }, ports: [] };
    case "Service":
      return {
        addresses: {
          "spec.clusterIP": object.clusterIPs.slice(0, 1),
          "spec.clusterIPs[*]": object.clusterIPs,
          "spec.externalIPs[*]": object.externalIPs,
          "status.loadBalancer.ingress[*].ip": object.loadBalancerIPs,
        },
        ports: object.ports.map(({ protocol, port, nodePort }) => ({
          protocol,
          numbers: { "spec.ports[*].port": port, "spec.ports[*].nodePort": nodePort },
        })),
      };
    case "EndpointSlice":
      return {
        addresses: { "endpoints[*].addresses[*]": object.addresses },
        ports: object.ports.map(({ protocol, port }) => ({ protocol, numbers: { "ports[*].port": port } })),
      };
    case "Ingress":
      return { addresses: { "status.loadBalancer.ingress[*].ip": object.addresses }, ports: [] };
    case "Gateway":
      return { addresses: { "status.addresses[*].value": object.addresses }, ports: [] };
    default:
      return { addresses: {}, ports: [] };
  }
}
