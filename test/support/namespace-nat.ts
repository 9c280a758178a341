// A node that translates: Services before its pods and before networks outside, node ports, masquerade, a hairpin, in
// both families. Services keep the port but for the one of port 80.

import { connect, Namespace } from "./namespace.ts";
import { makeNode, type Neighbour, type Node } from "./namespace-node.ts";

/** Addresses that nobody has: the node translates them. */
export const SERVICE = {
  /** Of otherPod; its port 80 is otherPod's 7000. */
  local: "10.96.0.1",
  /** Of outside, by masquerade. */
  remote: "10.96.0.2",
  /** Of pod itself, by masquerade. */
  hairpin: "10.96.0.3",
  /** Of outside and otherPod by turns, TCP alone. */
  turns: "10.96.0.4",
  /** Of otherPod. */
  local6: "fd00:96::1",
} as const;

/** Ports at the node's address: of otherPod, and of beyond by masquerade. */
export const NODE_PORT = { local: 30_080, remote: 30_081 } as const;

/** Answers at the backends. */
export const BACKEND_PORT = 7100;

const RULES = (node: Node): string => `
table ip nat {
  chain before {
    type nat hook prerouting priority dstnat
    ip daddr ${SERVICE.local} tcp dport 80 dnat to ${node.otherPod.address}:7000
    ip daddr ${SERVICE.local} dnat to ${node.otherPod.address}
    ip daddr ${SERVICE.turns} meta l4proto tcp dnat to numgen inc mod 2 map { 0 : ${node.outside.address}, 1 : ${node.otherPod.address} }
    ip daddr ${SERVICE.remote} dnat to ${node.outside.address}
    ip daddr ${SERVICE.hairpin} dnat to ${node.pod.address}
    ip daddr ${node.outside.node.address} udp dport ${NODE_PORT.local} dnat to ${node.otherPod.address}:${BACKEND_PORT}
    ip daddr ${node.outside.node.address} udp dport ${NODE_PORT.remote} dnat to ${node.beyond.address}:${BACKEND_PORT}
  }
  chain after {
    type nat hook postrouting priority srcnat
    ip saddr ${node.pod.address} ip daddr ${node.pod.address} masquerade
    ip saddr ${node.pod.address} oifname "${node.outside.device}" masquerade
    oifname "${node.beyond.device}" masquerade
  }
}
table ip6 nat {
  chain before {
    type nat hook prerouting priority dstnat
    ip6 daddr ${SERVICE.local6} dnat to ${address6(node.otherPod)}
  }
}
`;

/** Makes it; removed as any node. */
export async function makeTranslatingNode(): Promise<Node> {
  const node = makeNode();
  for (const neighbour of [node.pod, node.otherPod]) addAddress6(node, neighbour);
  node.namespace.run("sysctl", "-q", "-w", "net.ipv6.conf.all.forwarding=1");
  await loadRules(node, RULES(node));
  return node;
}

/** A translating node whose conntrack has two zones, and a second pod that has the first one's address. */
export interface ZonedNode extends AsyncDisposable {
  readonly node: Node;
  readonly twin: Neighbour;
}

const ZONE = { pod: 1, twin: 2 } as const;

const ZONED_RULES = ({ pod, otherPod, outside }: Node, twin: string): string => `
table ip zones {
  chain before {
    type filter hook prerouting priority raw
    iifname { "${pod.device}", "${otherPod.device}" } ct zone set ${ZONE.pod}
    iifname { "${twin}", "${outside.device}" } ct zone set ${ZONE.twin} meta mark set ${ZONE.twin}
  }
}
table ip nat {
  chain before {
    type nat hook prerouting priority dstnat
    iifname "${pod.device}" ip daddr ${SERVICE.local} dnat to ${otherPod.address}
    iifname "${twin}" ip daddr ${SERVICE.local} dnat to ${outside.address}
  }
}
`;

/** Makes it: {@link SERVICE}.local is of otherPod in the pod's zone, and of outside in the twin's. */
export async function makeZonedNode(): Promise<ZonedNode> {
  const node = makeNode();
  const { pod } = node;
  const namespace = new Namespace("twin");
  const device = "to-twin";
  connect({ namespace: node.namespace, device }, { namespace, device: "eth0" });
  namespace.ip("address", "add", `${pod.address}/24`, "dev", "eth0");
  namespace.ip("route", "add", "default", "via", pod.node.address);
  const table = String(100 + ZONE.twin);
  node.namespace.ip(
    "route",
    "add",
    `${pod.address}/32`,
    "dev",
    device,
    "src",
    pod.node.address,
    "table",
    table,
  );
  node.namespace.ip("rule", "add", "fwmark", String(ZONE.twin), "table", table);
  for (const each of ["all", device])
    node.namespace.run("sysctl", "-q", "-w", `net.ipv4.conf.${each}.rp_filter=0`);
  await loadRules(node, ZONED_RULES(node, device));
  const twin = { ...pod, namespace, device };
  return {
    node,
    twin,
    [Symbol.asyncDispose]: async () => {
      await namespace[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
    },
  };
}

async function loadRules({ namespace }: Node, rules: string): Promise<void> {
  const path = `${namespace.folder}/nat`;
  await Bun.write(path, rules);
  namespace.run("nft", "-f", path);
}

/** A neighbour's IPv6 address. */
export function address6(neighbour: Neighbour): string {
  return `fd00:78:${number(neighbour)}::2`;
}

function number({ address }: Neighbour): string {
  return address.split(".")[2] ?? "";
}

function addAddress6(node: Node, neighbour: Neighbour): void {
  const prefix = `fd00:78:${number(neighbour)}::`;
  // A node asks for its neighbours from a link-local address.
  node.namespace.ip("address", "add", "fe80::1/64", "dev", neighbour.device, "nodad");
  neighbour.namespace.ip("address", "add", "fe80::2/64", "dev", "eth0", "nodad");
  node.namespace.ip("address", "add", `${prefix}1/64`, "dev", neighbour.device, "nodad");
  neighbour.namespace.ip("address", "add", `${prefix}2/64`, "dev", "eth0", "nodad");
  neighbour.namespace.ip("route", "add", "default", "via", `${prefix}1`);
}
