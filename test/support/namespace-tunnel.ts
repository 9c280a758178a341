// VXLAN over the veth pair of two namespaces. Every neighbour is known beforehand: nobody asks for one, and what
// passes the pair is what was sent.

import type { Namespace } from "./namespace.ts";
import { addIpv6, type Host, makePair, type Pair } from "./namespace-pair.ts";
import type { Speaker } from "./namespace-traffic.ts";

/** The family of the packets that carry others. */
export type Underlay = "ipv4" | "ipv6";

/** One end of a VXLAN network: a device with an address of each family. */
export interface TunnelHost {
  readonly namespace: Namespace;
  readonly device: string;
  readonly ipv4: Speaker;
  readonly ipv6: Speaker;
  /** Every address that it sends from. */
  readonly addresses: readonly string[];
}

export interface VxlanOptions {
  /** The network's number; devices are `vxlan<vni>`. */
  readonly vni: number;
  readonly underlay: Underlay;
  /** Of the devices, which then are not bound to the pair's; default what leaves room for the headers in those. */
  readonly mtu?: number;
  /** Where the devices are moved to once they are made; they go on sending over the pair. */
  readonly tenants?: readonly [Namespace, Namespace];
}

/** Headers of one VXLAN packet beyond the IP packet it carries: IP, UDP, VXLAN, Ethernet. */
export const VXLAN_HEADER_BYTES: Readonly<Record<Underlay, number>> = {
  ipv4: 20 + 8 + 8 + 14,
  ipv6: 40 + 8 + 8 + 14,
};

export const VXLAN_PORT = 4789;

/** The pair, with the addresses of both families. */
export function makeUnderlay(): Pair {
  const pair = makePair();
  addIpv6(pair);
  introduce(pair.hosts);
  return pair;
}

/** Makes both ends of a VXLAN network, up, with the inner addresses 10.78.0.1 and .2, fd78::1 and ::2. */
export function addVxlan({ hosts: [left, right] }: Pair, options: VxlanOptions): [TunnelHost, TunnelHost] {
  const [leftTenant, rightTenant] = options.tenants ?? [left.namespace, right.namespace];
  const ends = [
    addEnd([left, right], leftTenant, { ...options, number: 1 }),
    addEnd([right, left], rightTenant, { ...options, number: 2 }),
  ] as const;
  introduce(ends);
  return [...ends];
}

function addEnd(
  [near, far]: readonly [Host, Host],
  tenant: Namespace,
  { vni, underlay, mtu, number }: VxlanOptions & { readonly number: number },
): TunnelHost {
  const device = `vxlan${vni}`;
  const outer = ["local", near[underlay].address, "remote", far[underlay].address];
  near.namespace.ip(
    ...["link", "add", device, ...(mtu === undefined ? [] : ["mtu", String(mtu)]), "type", "vxlan"],
    ...["id", String(vni), ...outer, "dstport", String(VXLAN_PORT)],
    ...(mtu === undefined ? ["dev", near.device] : []),
  );
  if (tenant !== near.namespace) near.namespace.ip("link", "set", device, "netns", tenant.name);
  tenant.ip("link", "set", device, "addrgenmode", "none", "up");
  return addAddresses(tenant, device, number);
}

/** Gives a device the inner addresses of this number. Link-local first: see {@link addIpv6}. */
export function addAddresses(namespace: Namespace, device: string, number: number): TunnelHost {
  const addresses = [`10.78.0.${number}`, `fd78::${number}`, `fe80::78:${number}`] as const;
  const [ipv4, ipv6, linkLocal] = addresses;
  for (const address of [linkLocal, ipv6])
    namespace.ip("address", "add", `${address}/64`, "dev", device, "nodad");
  namespace.ip("address", "add", `${ipv4}/24`, "dev", device);
  return {
    namespace,
    device,
    addresses,
    ipv4: { namespace, address: ipv4 },
    ipv6: { namespace, address: ipv6 },
  };
}

/** Tells two ends each other's link-layer address. */
export function introduce(ends: readonly [TunnelHost | Host, TunnelHost | Host]): void {
  const [one, other] = ends;
  for (const [here, there] of [
    [one, other],
    [other, one],
  ] as const) {
    const mac = there.namespace.run("cat", `/sys/class/net/${there.device}/address`).trim();
    for (const address of there.addresses)
      here.namespace.ip("neigh", "replace", address, "lladdr", mac, "dev", here.device, "nud", "permanent");
  }
}
