// What is kept of pods and nodes.

import { parsePrefix } from "../lib/cidr.ts";
import { parseAddress } from "../lib/parse-address.ts";
import { tableAt, tablesOf, textOf, textsOf, timeOf } from "./json.ts";
import { portOf, protocolOf } from "./json-port.ts";
import type { KubernetesObject } from "./object.ts";
import type { Container, ContainerId, ContainerPort, Node, ToldPod } from "./objects-workload.ts";

export function prunePod(json: unknown, base: KubernetesObject): ToldPod {
  const spec = tableAt(json, "spec");
  const status = tableAt(json, "status");
  const sidecars = tablesOf(spec["initContainers"]).filter((one) => one["restartPolicy"] === "Always");
  const isHostNetwork = spec["hostNetwork"] === true;
  const startTime = timeOf(status["startTime"]);
  const endTime = findEnd(status);
  return {
    ...base,
    nodeName: textOf(spec["nodeName"]),
    isHostNetwork,
    podIPs: readIPs(status["podIPs"], status["podIP"]),
    hostIPs: readIPs(status["hostIPs"], status["hostIP"]),
    containers: [...tablesOf(spec["containers"]), ...sidecars].map(readContainer),
    host: isHostNetwork
      ? {
          startMs: startTime ?? base.createdTime,
          endMs: endTime ?? Number.POSITIVE_INFINITY,
          containerIds: readContainerIds(status),
          staticUid: readStaticUid(json),
        }
      : undefined,
    startTime,
    endTime,
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

/** `containerd://` or another runtime, and the id. */
const CONTAINER_ID = /^[\w-]+:\/\/([0-9a-f]{12})[0-9a-f]{52}$/;

function readContainerIds(status: Record<string, unknown>): readonly ContainerId[] {
  return [...tablesOf(status["containerStatuses"]), ...tablesOf(status["initContainerStatuses"])].flatMap(
    (container) => {
      const before = tableAt(container, "lastState", "terminated")["containerID"];
      return [container["containerID"], before].flatMap((text): readonly ContainerId[] => {
        const [, id] = CONTAINER_ID.exec(textOf(text)) ?? [];
        return id === undefined ? [] : [{ id, name: textOf(container["name"]) }];
      });
    },
  );
}

/** Only a pod that the kubelet mirrors for its node has one. */
function readStaticUid(json: unknown): string {
  const annotations = tableAt(json, "metadata", "annotations");
  const isMirror = textOf(annotations["kubernetes.io/config.mirror"]) !== "";
  const uid = textOf(annotations["kubernetes.io/config.hash"]);
  return isMirror && STATIC_UID.test(uid) ? uid : "";
}

const STATIC_UID = /^[0-9a-f-]{32,36}$/;

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
