// What is kept of pods and nodes.

import { parsePrefix } from "../lib/cidr.ts";
import { parseAddress } from "../lib/parse-address.ts";
import { tableAt, tablesOf, textOf, textsOf, timeOf } from "./json.ts";
import { portOf, protocolOf } from "./json-port.ts";
import type { KubernetesObject } from "./object.ts";
import type { Container, ContainerPort, Node, ToldPod } from "./objects-workload.ts";

export function prunePod(json: unknown, base: KubernetesObject): ToldPod {
  const spec = tableAt(json, "spec");
  const status = tableAt(json, "status");
  const sidecars = tablesOf(spec["initContainers"]).filter((one) => one["restartPolicy"] === "Always");
  return {
    ...base,
    nodeName: textOf(spec["nodeName"]),
    isHostNetwork: spec["hostNetwork"] === true,
    podIPs: readIPs(status["podIPs"], status["podIP"]),
    hostIPs: readIPs(status["hostIPs"], status["hostIP"]),
    containers: [...tablesOf(spec["containers"]), ...sidecars].map(readContainer),
    startTime: timeOf(status["startTime"]),
    endTime: findEnd(status),
  };
}

export function pruneNode(json: unknown, base: KubernetesObject): Node {
  const addresses = tablesOf(tableAt(json, "status")["addresses"])
    .map(({ address }) => textOf(address))
    .filter((address) => parseAddress(address) !== undefined);
  const spec = tableAt(json, "spec");
  const networks = textsOf(spec["podCIDRs"]);
  const podCIDRs = (networks.length > 0 ? networks : textsOf([spec["podCIDR"]])).filter(
    (network) => parsePrefix(network) !== undefined,
  );
  return { ...base, addresses: [...new Set(addresses)], podCIDRs };
}

function readIPs(several: unknown, one: unknown): readonly string[] {
  const ips = tablesOf(several).flatMap(({ ip }) => textsOf([ip]));
  return ips.length > 0 ? ips : textsOf([one]);
}

function readContainer(json: Record<string, unknown>): Container {
  return {
    name: textOf(json["name"]),
    image: textOf(json["image"]),
    ports: tablesOf(json["ports"]).flatMap((port): readonly ContainerPort[] => {
      const containerPort = portOf(port["containerPort"]);
      if (containerPort === undefined) return [];
      const name = textOf(port["name"]);
      return [
        {
          name: name === "" ? undefined : name,
          containerPort,
          hostPort: portOf(port["hostPort"]),
          protocol: protocolOf(port["protocol"]),
        },
      ];
    }),
  };
}

/** When the last container of an ended pod finished; of one whose containers never ran, when that was decided. */
function findEnd(status: Record<string, unknown>): number | undefined {
  if (status["phase"] !== "Succeeded" && status["phase"] !== "Failed") return undefined;
  const ended = [
    ...tablesOf(status["containerStatuses"]),
    ...tablesOf(status["initContainerStatuses"]),
  ].flatMap((container) => timeOf(tableAt(container, "state", "terminated")["finishedAt"]) ?? []);
  if (ended.length > 0) return Math.max(...ended);
  const decided = tablesOf(status["conditions"]).flatMap((one) => timeOf(one["lastTransitionTime"]) ?? []);
  return decided.length > 0 ? Math.max(...decided) : timeOf(status["startTime"]);
}
