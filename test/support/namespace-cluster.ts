// A cluster's node with pods, each a network namespace behind a veth pair that has the addresses the API says, and one
// network outside, where the other node, its pods and everybody else are. The node forwards between them.

import { connect, Namespace } from "./namespace.ts";
import type { Errand, ServedEnd } from "./namespace-errands.ts";
import type { TestProcess } from "./namespace-process.ts";
import { demandSuccess } from "./namespace-traffic.ts";

/** Addresses of the two nodes: the one in whose namespace the agent runs, and the one outside. */
export const NODE_ADDRESSES = {
  own: ["192.0.2.10", "2001:db8:2::10"],
  other: ["192.0.2.20", "2001:db8:2::20"],
} as const;

const ERRANDS: string = new URL("./namespace-errands.ts", import.meta.url).pathname;
const GATEWAY = "169.254.1.1";

/** The node and all around it. */
export class ClusterNetwork implements AsyncDisposable {
  readonly node: Namespace = new Namespace("node");
  /** Has the other node's addresses, and those that it is given with {@link addOutside}. */
  readonly outside: Namespace = new Namespace("outside");
  readonly #pods: Set<Namespace> = new Set();
  #made = 0;

  constructor() {
    const { node, outside } = this;
    connect({ namespace: node, device: "uplink" }, { namespace: outside, device: "eth0" });
    addAddresses(node, "uplink", { addresses: NODE_ADDRESSES.own, bits: [24, 64] });
    addAddresses(outside, "eth0", { addresses: NODE_ADDRESSES.other, bits: [24, 64] });
    for (const forward of ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
      node.run("sysctl", "-q", "-w", forward);
    const [near, far] = [NODE_ADDRESSES.own, NODE_ADDRESSES.other];
    for (const i of [0, 1] as const) {
      node.ip(FAMILIES[i], "route", "add", "default", "via", far[i], "dev", "uplink");
      outside.ip(FAMILIES[i], "route", "add", "default", "via", near[i], "dev", "eth0");
    }
  }

  /** Gives the network outside more addresses. */
  addOutside(addresses: readonly string[]): void {
    addAddresses(this.outside, "eth0", { addresses, bits: HOST_BITS });
  }

  /** Gives the node more addresses, as network plug-ins do: on a bridge. */
  addOwn(addresses: readonly string[]): void {
    this.node.ip("link", "add", "cni0", "type", "bridge");
    this.node.ip("link", "set", "cni0", "up");
    addAddresses(this.node, "cni0", { addresses, bits: HOST_BITS });
  }

  /** Makes a namespace that has these addresses; several pods may share it. */
  addPod(addresses: readonly string[]): Namespace {
    const number = ++this.#made;
    const device = `pod${number}`;
    const namespace = new Namespace(device);
    this.#pods.add(namespace);
    connect({ namespace: this.node, device }, { namespace, device: "eth0" });
    this.node.ip("address", "add", `${GATEWAY}/32`, "dev", device);
    this.node.ip("address", "add", "fe80::1/64", "dev", device, "nodad");
    namespace.ip("address", "add", "fe80::2/64", "dev", "eth0", "nodad");
    addAddresses(namespace, "eth0", { addresses, bits: HOST_BITS });
    for (const address of addresses) {
      const i = familyOf(address);
      const route = [FAMILIES[i], "route", "add", `${address}/${HOST_BITS[i]}`, "dev", device] as const;
      this.node.ip(...route, "src", NODE_ADDRESSES.own[i]);
    }
    namespace.ip("route", "add", GATEWAY, "dev", "eth0");
    namespace.ip("route", "add", "default", "via", GATEWAY);
    namespace.ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0");
    return namespace;
  }

  /** Takes a pod's namespace away, and so its addresses. */
  async removePod(namespace: Namespace): Promise<void> {
    this.#pods.delete(namespace);
    await namespace[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [...this.#pods, this.outside, this.node]) await each[Symbol.asyncDispose]();
  }
}

/** Answers at each of these until the namespace is removed. @param prefix words before the command */
export async function serveAll(
  namespace: Namespace,
  ends: readonly ServedEnd[],
  prefix: readonly string[] = [],
): Promise<TestProcess> {
  const started = namespace.start([...prefix, process.execPath, ERRANDS, "serve", JSON.stringify(ends)]);
  await started.until(({ output }) => output.includes("ready"));
  return started;
}

/** Has all of these answered. */
export async function askAll(namespace: Namespace, errands: readonly Errand[]): Promise<void> {
  await demandSuccess(startAsking(namespace, errands));
}

/** Begins to ask, for as long as the errands say. */
export function startAsking(namespace: Namespace, errands: readonly Errand[]): TestProcess {
  return namespace.start([process.execPath, ERRANDS, "ask", JSON.stringify(errands)]);
}

const HOST_BITS = [32, 128] as const;
const FAMILIES = ["-4", "-6"] as const;

function familyOf(address: string): 0 | 1 {
  return address.includes(":") ? 1 : 0;
}

function addAddresses(
  namespace: Namespace,
  device: string,
  { addresses, bits }: { readonly addresses: readonly string[]; readonly bits: readonly [number, number] },
): void {
  for (const address of addresses) {
    const i = familyOf(address);
    const nodad = i === 1 ? ["nodad"] : [];
    namespace.ip("address", "add", `${address}/${bits[i]}`, "dev", device, ...nodad);
  }
}
