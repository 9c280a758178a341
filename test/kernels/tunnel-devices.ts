// The devices whose packets can be read through, over one cable: how they are made, what they add, and the exchanges
// over each.

import { between, CABLE, type Exchange, type ExpectedTunnel } from "./scenario.ts";

/** A device in both namespaces over the cable's addresses, itself addressed 10.20.N.x or fd00:20:N::x. */
interface TunnelDevice {
  readonly name: string;
  readonly inner: 4 | 6;
  readonly isLayer3Device: boolean;
  /** The arguments of `ip link add NAME type …`; LOCAL, REMOTE and their variants are replaced. */
  readonly link: string;
  /** True: on the cable it carries copies, which are flows apart from those that the device shows. */
  readonly isMirror?: true;
  /** How its packets look on the cable; the addresses are those that `link` names. */
  readonly outer: Omit<ExpectedTunnel, "addresses" | "mac">;
}

const TUNNEL_DEVICES: readonly TunnelDevice[] = [
  {
    name: "ipip1",
    inner: 4,
    isLayer3Device: true,
    link: "ipip local LOCAL4 remote REMOTE4",
    outer: { type: "ipip", transport: "ipv4", headerBytes: 20 },
  },
  {
    name: "sit1",
    inner: 6,
    isLayer3Device: true,
    link: "sit local LOCAL4 remote REMOTE4",
    outer: { type: "6in4", transport: "ipv6", headerBytes: 20 },
  },
  {
    name: "gre1",
    inner: 4,
    isLayer3Device: true,
    link: "gre local LOCAL4 remote REMOTE4 key 7",
    outer: { type: "gre", id: "7", transport: "gre", headerBytes: 20 + 8 },
  },
  {
    name: "gre2",
    inner: 4,
    isLayer3Device: true,
    link: "gre local LOCAL4 remote REMOTE4 key 11 csum seq",
    outer: { type: "gre", id: "11", transport: "gre", headerBytes: 20 + 16 },
  },
  {
    name: "gretap1",
    inner: 4,
    isLayer3Device: false,
    link: "gretap local LOCAL4 remote REMOTE4 key 8",
    outer: { type: "gre", id: "8", transport: "gre", headerBytes: 20 + 8 + 14 },
  },
  {
    name: "erspan1",
    inner: 4,
    isLayer3Device: false,
    isMirror: true,
    link: "erspan local LOCAL4 remote REMOTE4 seq key 20 erspan_ver 1 erspan 1",
    outer: { type: "erspan", id: "20", transport: "gre", headerBytes: 20 + 8 + 8 + 14 },
  },
  {
    name: "erspan2",
    inner: 4,
    isLayer3Device: false,
    isMirror: true,
    link: "erspan local LOCAL4 remote REMOTE4 seq key 21 erspan_ver 2 erspan_dir ingress erspan_hwid 3",
    outer: { type: "erspan", id: "21", transport: "gre", headerBytes: 20 + 8 + 12 + 14 },
  },
  {
    // Its outer header has a destination option of 8 bytes: the limit of encapsulations (RFC 2473).
    name: "sixtnl1",
    inner: 6,
    isLayer3Device: true,
    link: "ip6tnl local LOCAL6 remote REMOTE6",
    outer: { type: "ip6ip6", transport: "ipv6", headerBytes: 40 + 8 },
  },
  {
    name: "sixgre1",
    inner: 4,
    isLayer3Device: true,
    link: "ip6gre local LOCAL6 remote REMOTE6 encaplimit none",
    outer: { type: "gre", transport: "gre", headerBytes: 40 + 4 },
  },
  {
    name: "vxlan1",
    inner: 4,
    isLayer3Device: false,
    link: "vxlan id 9 local LOCAL4 remote REMOTE4 dstport 4789",
    outer: { type: "vxlan", id: "9", transport: "udp", port: 4789, headerBytes: 20 + 8 + 8 + 14 },
  },
  {
    name: "vxlan2",
    inner: 6,
    isLayer3Device: false,
    link: "vxlan id 13 local LOCAL6 remote REMOTE6 dstport 4789",
    outer: { type: "vxlan", id: "13", transport: "udp", port: 4789, headerBytes: 40 + 8 + 8 + 14 },
  },
  {
    name: "geneve1",
    inner: 4,
    isLayer3Device: false,
    link: "geneve id 10 remote REMOTE4",
    outer: { type: "geneve", id: "10", transport: "udp", port: 6081, headerBytes: 20 + 8 + 8 + 14 },
  },
  {
    // Addresses of its own: ipip1 has no key to tell it from this one.
    name: "fou1",
    inner: 4,
    isLayer3Device: true,
    link: "ipip local LOCAL_FOU remote REMOTE_FOU encap fou encap-sport 5555 encap-dport 5555",
    outer: { type: "fou", transport: "udp", port: 5555, headerBytes: 20 + 8 },
  },
  {
    name: "fou2",
    inner: 4,
    isLayer3Device: true,
    link: "gre local LOCAL4 remote REMOTE4 key 12 encap fou encap-sport 5556 encap-dport 5556",
    outer: { type: "fou", id: "12", transport: "udp", port: 5556, headerBytes: 20 + 8 + 8 },
  },
];

/** Their names, the same in both namespaces. */
export const TUNNEL_NAMES: readonly string[] = TUNNEL_DEVICES.map(({ name }) => name);

/** Of them, those that mirror. */
export const MIRROR_NAMES: readonly string[] = TUNNEL_DEVICES.filter(({ isMirror }) => isMirror).map(
  ({ name }) => name,
);

/** In the agent's `[parser]` section: the ports of those that have no number of their own. */
export const FOU_PORTS = "fou_ports = [5555, 5556]";

/** Ethernet address of the agent's end of the cable. */
const CABLE_MAC = "02:00:00:00:19:01";

function tunnelSubnet(index: number, inner: 4 | 6): { readonly prefix: string; readonly length: number } {
  return inner === 4
    ? { prefix: `10.20.${index}.`, length: 24 }
    : { prefix: `fd00:20:${index}::`, length: 64 };
}

/** Where the device's own packets go from and to. */
function outerAddresses(link: string): readonly [string, string] {
  if (link.includes("_FOU")) return ["10.19.1.1", "10.19.1.2"];
  return link.includes("REMOTE6") ? ["fd00:19::1", "fd00:19::2"] : ["10.19.0.1", "10.19.0.2"];
}

function tunnelSetup(device: TunnelDevice, index: number): string {
  const { prefix, length } = tunnelSubnet(index, device.inner);
  const [first, second] = outerAddresses(device.link);
  const side = (namespace: string, own: number, [local, remote]: readonly [string, string]): string => {
    const link = device.link.replace(/LOCAL\w+/, local).replace(/REMOTE\w+/, remote);
    return `in_namespace ${namespace} ip link add ${device.name} mtu 1400 type ${link}
add_address ${namespace} ${device.name} ${prefix}${own}/${length}`;
  };
  return [
    side("root", 1, [first, second]),
    side("peer", 2, [second, first]),
    ...(device.isLayer3Device ? [] : [neighbours(device.name, [`${prefix}1`, `${prefix}2`])]),
  ].join("\n");
}

/** Both ends of a device know each other, so that neither has to ask. */
export function neighbours(device: string, [root, peer]: readonly [string, string]): string {
  return `add_neighbour root ${device} ${peer} peer
add_neighbour peer ${device} ${root} root`;
}

const UNDERLAY = `${CABLE}
ip link set veth0 address ${CABLE_MAC}
add_address root veth0 10.19.0.1/24
add_address peer veth0 10.19.0.2/24
add_address root veth0 10.19.1.1/24
add_address peer veth0 10.19.1.2/24
add_address root veth0 fd00:19::1/64
add_address peer veth0 fd00:19::2/64
${neighbours("veth0", ["10.19.0.1", "10.19.0.2"])}
${neighbours("veth0", ["10.19.1.1", "10.19.1.2"])}
${neighbours("veth0", ["fd00:19::1", "fd00:19::2"])}`;

const FOU = `
modprobe fou
for namespace in root peer; do
  in_namespace $namespace ip fou add port 5555 ipproto 4
  in_namespace $namespace ip fou add port 5556 ipproto 47
done`;

function tunnelExchange(device: TunnelDevice, index: number, isCarrierSeen: boolean): Exchange {
  const { name, isLayer3Device, link, outer } = device;
  const { prefix } = tunnelSubnet(index, device.inner);
  const tunnel: ExpectedTunnel = { ...outer, mac: CABLE_MAC, addresses: outerAddresses(link) };
  return between(name, [`${prefix}1`, `${prefix}2`], {
    isSteady: true,
    isLayer3Device,
    ...(isCarrierSeen ? { tunnel } : {}),
  });
}

/** The cable, and every device over it. */
export const TUNNELS: string = [UNDERLAY, FOU, ...TUNNEL_DEVICES.map(tunnelSetup)].join("\n");

/** Exchanges over each device; `isCarrierSeen`: the agent sees them in the cable's packets. */
export function tunnelExchanges(isCarrierSeen: boolean): Exchange[] {
  return TUNNEL_DEVICES.map((device, index) => tunnelExchange(device, index, isCarrierSeen));
}
