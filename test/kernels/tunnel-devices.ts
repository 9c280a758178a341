// The devices that encapsulate: each must show the agent what it carries, Ethernet header or not.

import { between, CABLE, type Scenario } from "./scenario.ts";

/** A device in both namespaces over the cable's addresses, itself addressed 10.20.N.x or fd00:20:N::x. */
interface TunnelDevice {
  readonly name: string;
  readonly inner: 4 | 6;
  readonly isLayer3Device: boolean;
  /** The arguments of `ip link add NAME type …`; LOCAL, REMOTE and their 6-variants are replaced. */
  readonly link: string;
}

const TUNNEL_DEVICES: readonly TunnelDevice[] = [
  { name: "ipip1", inner: 4, isLayer3Device: true, link: "ipip local LOCAL4 remote REMOTE4" },
  { name: "sit1", inner: 6, isLayer3Device: true, link: "sit local LOCAL4 remote REMOTE4" },
  { name: "gre1", inner: 4, isLayer3Device: true, link: "gre local LOCAL4 remote REMOTE4 key 7" },
  { name: "gretap1", inner: 4, isLayer3Device: false, link: "gretap local LOCAL4 remote REMOTE4 key 8" },
  { name: "sixtnl1", inner: 6, isLayer3Device: true, link: "ip6tnl local LOCAL6 remote REMOTE6" },
  { name: "sixgre1", inner: 4, isLayer3Device: true, link: "ip6gre local LOCAL6 remote REMOTE6" },
  {
    name: "vxlan1",
    inner: 4,
    isLayer3Device: false,
    link: "vxlan id 9 local LOCAL4 remote REMOTE4 dstport 4789",
  },
  { name: "geneve1", inner: 4, isLayer3Device: false, link: "geneve id 10 remote REMOTE4" },
];

function tunnelSubnet(index: number, inner: 4 | 6): { readonly prefix: string; readonly length: number } {
  return inner === 4
    ? { prefix: `10.20.${index}.`, length: 24 }
    : { prefix: `fd00:20:${index}::`, length: 64 };
}

function tunnelSetup(device: TunnelDevice, index: number): string {
  const { prefix, length } = tunnelSubnet(index, device.inner);
  const side = (namespace: string, own: number, far: number): string => {
    const link = device.link
      .replace("LOCAL4", `10.19.0.${own}`)
      .replace("REMOTE4", `10.19.0.${far}`)
      .replace("LOCAL6", `fd00:19::${own}`)
      .replace("REMOTE6", `fd00:19::${far}`);
    return `in_namespace ${namespace} ip link add ${device.name} mtu 1400 type ${link}
add_address ${namespace} ${device.name} ${prefix}${own}/${length}`;
  };
  return `${side("root", 1, 2)}\n${side("peer", 2, 1)}`;
}

const WIREGUARD = `
for namespace in root peer; do
  wg genkey >/tmp/$namespace.key
  wg pubkey </tmp/$namespace.key >/tmp/$namespace.pub
  in_namespace $namespace ip link add wg1 type wireguard
done
wg set wg1 private-key /tmp/root.key listen-port 51820 \\
  peer "$(cat /tmp/peer.pub)" endpoint 10.19.0.2:51820 allowed-ips 10.21.0.0/24
in_namespace peer wg set wg1 private-key /tmp/peer.key listen-port 51820 \\
  peer "$(cat /tmp/root.pub)" endpoint 10.19.0.1:51820 allowed-ips 10.21.0.0/24
add_address root wg1 10.21.0.1/24
add_address peer wg1 10.21.0.2/24`;

const TUN = `
modprobe tun
tool tun-cable tun1 peer &
echo $! >/run/cable.pid
await_device root tun1
await_device peer tun1
add_address root tun1 10.22.0.1/24
add_address peer tun1 10.22.0.2/24`;

const UNDERLAY = `${CABLE}
add_address root veth0 10.19.0.1/24
add_address peer veth0 10.19.0.2/24
add_address root veth0 fd00:19::1/64
add_address peer veth0 fd00:19::2/64`;

/** Only the tunnel devices are watched, never the cable under them: what they carry is the flow. */
export const TUNNEL_SCENARIO: Scenario = {
  name: "tunnel-devices",
  interfaces: [...TUNNEL_DEVICES.map((device) => device.name), "wg1", "tun1"],
  hooked: [...TUNNEL_DEVICES.map((device) => device.name), "wg1", "tun1"],
  unhooked: ["veth0"],
  setup: [UNDERLAY, ...TUNNEL_DEVICES.map(tunnelSetup), WIREGUARD, TUN].join("\n"),
  exchanges: [
    ...TUNNEL_DEVICES.map((device, index) => {
      const { prefix } = tunnelSubnet(index, device.inner);
      return between(device.name, [`${prefix}1`, `${prefix}2`], {
        isSteady: true,
        isLayer3Device: device.isLayer3Device,
      });
    }),
    between("wg1", ["10.21.0.1", "10.21.0.2"], { isSteady: true, isLayer3Device: true }),
    between("tun1", ["10.22.0.1", "10.22.0.2"], { isSteady: true, isLayer3Device: true }),
  ],
};
