// What is kept of Services, EndpointSlices (Endpoints too) and NetworkPolicies.

import { tableAt, tablesOf, textOf, textsOf } from "./json.ts";
import { portOf, protocolOf } from "./json-port.ts";
import type { KubernetesObject, LabelSelector } from "./object.ts";
import type { EndpointSlice, NetworkPolicy, PolicyRule, Service } from "./objects-network.ts";
import { readLabels, readSelector } from "./selector.ts";

const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

export function pruneService(json: unknown, base: KubernetesObject): Service {
  const spec = tableAt(json, "spec");
  const clusterIPs = textsOf(spec["clusterIPs"]);
  const selected = readLabels(spec["selector"], () => true);
  return {
    ...base,
    clusterIPs: (clusterIPs.length > 0 ? clusterIPs : textsOf([spec["clusterIP"]])).filter(
      (ip) => ip !== "None",
    ),
    externalIPs: textsOf(spec["externalIPs"]),
    loadBalancerIPs: tablesOf(tableAt(json, "status", "loadBalancer")["ingress"]).flatMap(({ ip }) =>
      textsOf([ip]),
    ),
    ports: tablesOf(spec["ports"]).flatMap((one) => {
      const port = portOf(one["port"]);
      if (port === undefined) return [];
      return [{ port, nodePort: portOf(one["nodePort"]), protocol: protocolOf(one["protocol"]) }];
    }),
    selector: selected.size === 0 ? undefined : { matchLabels: selected, matchExpressions: [] },
  };
}

export function pruneEndpointSlice(json: unknown, base: KubernetesObject): EndpointSlice {
  const table = tableAt(json);
  if (Array.isArray(table["subsets"])) return pruneEndpoints(table["subsets"], base);
  const isNamed = table["addressType"] === "FQDN";
  const endpoints = isNamed ? [] : tablesOf(table["endpoints"]).filter((one) => !isPod(one));
  return {
    ...base,
    serviceName: base.labels.get(SERVICE_NAME_LABEL) ?? "",
    addresses: endpoints.flatMap((one) => textsOf(one["addresses"])),
    ports: tablesOf(table["ports"]).map(readEndpointPort),
  };
}

function pruneEndpoints(subsets: readonly unknown[], base: KubernetesObject): EndpointSlice {
  const tables = tablesOf(subsets);
  const addresses = tables.flatMap((subset) => [
    ...tablesOf(subset["addresses"]),
    ...tablesOf(subset["notReadyAddresses"]),
  ]);
  return {
    ...base,
    serviceName: base.name,
    addresses: addresses.filter((one) => !isPod(one)).flatMap(({ ip }) => textsOf([ip])),
    ports: tables.flatMap((subset) => tablesOf(subset["ports"])).map(readEndpointPort),
  };
}

function isPod(endpoint: unknown): boolean {
  return tableAt(endpoint, "targetRef")["kind"] === "Pod";
}

function readEndpointPort(json: Record<string, unknown>): EndpointSlice["ports"][number] {
  return { port: portOf(json["port"]), protocol: protocolOf(json["protocol"]) };
}

export function pruneNetworkPolicy(json: unknown, base: KubernetesObject): NetworkPolicy {
  const spec = tableAt(json, "spec");
  const types = spec["policyTypes"];
  const given =
    Array.isArray(types) && types.length > 0
      ? types.filter((one) => one === "Ingress" || one === "Egress")
      : undefined;
  return {
    ...base,
    podSelector: readSelector(spec["podSelector"]),
    policyTypes: given,
    ingress: tablesOf(spec["ingress"]).map((rule) => readRule(rule, "from")),
    egress: tablesOf(spec["egress"]).map((rule) => readRule(rule, "to")),
  };
}

function readRule(json: Record<string, unknown>, peers: "from" | "to"): PolicyRule {
  return {
    peers: entriesOf(json[peers]).map((peer) => ({
      podSelector: readGivenSelector(peer["podSelector"]),
      namespaceSelector: readGivenSelector(peer["namespaceSelector"]),
      ipBlock: readBlock(peer["ipBlock"]),
    })),
    ports: entriesOf(json["ports"]).map(({ protocol, port, endPort }) => ({
      protocol: protocolOf(protocol),
      // One that is given and not understood is nobody's name, rather than any port.
      port: port === undefined || typeof port === "string" ? port : (portOf(port) ?? ""),
      endPort: portOf(endPort),
    })),
  };
}

/** Entries of a list, what is none as one without fields: to leave it out would make a list of few one of any. */
function entriesOf(json: unknown): readonly Record<string, unknown>[] {
  if (json === undefined || json === null) return [];
  return Array.isArray(json) ? json.map((each) => tableAt(each)) : [{}];
}

function readGivenSelector(json: unknown): LabelSelector | undefined {
  return json === undefined || json === null ? undefined : readSelector(json);
}

function readBlock(json: unknown): PolicyRule["peers"][number]["ipBlock"] {
  const cidr = textOf(tableAt(json)["cidr"]);
  return cidr === "" ? undefined : { cidr, except: textsOf(tableAt(json)["except"]) };
}
