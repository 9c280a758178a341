// A node as an agent finds it: two pods behind veth pairs, and two networks outside behind devices that default routes
// lead through. It forwards between them.

import { connect, Namespace } from "./namespace.ts";
import type { Speaker } from "./namespace-traffic.ts";

/** One of the four around the node. */
export interface Neighbour extends Speaker {
  /** The node's device that leads there, and its address on it. */
  readonly device: string;
  readonly node: Speaker;
}

export interface Node extends AsyncDisposable {
  readonly namespace: Namespace;
  readonly pod: Neighbour;
  readonly otherPod: Neighbour;
  readonly outside: Neighbour;
  readonly beyond: Neighbour;
}

const NAMES = ["pod", "otherPod", "outside", "beyond"] as const;

/** Makes it; IPv4 alone, silent until somebody speaks. */
export function makeNode(): Node {
  const namespace = new Namespace("node");
  const [pod, otherPod, outside, beyond] = NAMES.map((name, i) => addNeighbour(namespace, name, i + 1));
  if (!pod || !otherPod || !outside || !beyond) throw new Error("four neighbours make a node");
  namespace.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1");
  for (const [metric, { device, address }] of [outside, beyond].entries())
    namespace.ip("route", "add", "default", "via", address, "dev", device, "metric", String(metric + 1));
  return {
    ...{ namespace, pod, otherPod, outside, beyond },
    [Symbol.asyncDispose]: async () => {
      const neighbours = [pod, otherPod, outside, beyond].map((each) => each.namespace);
      for (const each of [...neighbours, namespace]) await each[Symbol.asyncDispose]();
    },
  };
}

function addNeighbour(node: Namespace, name: string, number: number): Neighbour {
  const namespace = new Namespace(name);
  const device = `to-${name}`;
  const [address, gateway] = [`10.78.${number}.2`, `10.78.${number}.1`];
  connect({ namespace: node, device }, { namespace, device: "eth0" });
  node.ip("address", "add", `${gateway}/24`, "dev", device);
  namespace.ip("address", "add", `${address}/24`, "dev", "eth0");
  namespace.ip("route", "add", "default", "via", gateway);
  return { namespace, address, device, node: { namespace: node, address: gateway } };
}
