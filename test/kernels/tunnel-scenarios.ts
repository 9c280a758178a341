// Encapsulated packets: told is what is inside, whether the agent watches the devices that encapsulate, the cable under
// them, or both. What is encrypted is told as what it is.

import { IPSEC_SCENARIO } from "./ipsec.ts";
import { between, CUT_UP, type Exchange, type Scenario } from "./scenario.ts";
import { FOU_PORTS, MIRROR_NAMES, TUNNEL_NAMES, TUNNELS, tunnelExchanges } from "./tunnel-devices.ts";

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

const WIREGUARD_EXCHANGE = between("wg1", ["10.21.0.1", "10.21.0.2"], {
  isSteady: true,
  isLayer3Device: true,
});

const WIREGUARD_FLOW = {
  transport: "udp",
  ends: ["10.19.0.1", "10.19.0.2"],
  port: 51_820,
  type: "wireguard",
  numbered: ["flow.ipsec.sender_index", "flow.ipsec.receiver_index"],
} as const;

/** The tunnel devices are watched, the cable under them is not. */
const OVERLAY: Scenario = {
  name: "tunnel-devices",
  interfaces: [...TUNNEL_NAMES, "wg1", "tun1"],
  hooked: [...TUNNEL_NAMES, "wg1", "tun1"],
  unhooked: ["veth0"],
  setup: [TUNNELS, WIREGUARD, TUN].join("\n"),
  exchanges: [
    ...tunnelExchanges(false),
    WIREGUARD_EXCHANGE,
    between("tun1", ["10.22.0.1", "10.22.0.2"], { isSteady: true, isLayer3Device: true }),
  ],
};

/** The cable is watched, nothing above it. */
const UNDERLAY_ONLY: Scenario = {
  name: "tunnel-underlay",
  interfaces: ["veth0"],
  parser: FOU_PORTS,
  hooked: ["veth0"],
  unhooked: [...TUNNEL_NAMES, "wg1"],
  setup: [TUNNELS, WIREGUARD, CUT_UP].join("\n"),
  exchanges: [...tunnelExchanges(true), { ...WIREGUARD_EXCHANGE, isHidden: true }],
  opaque: [WIREGUARD_FLOW],
  wire: { device: "veth0", besides: [] },
};

const LINK_NAMES = TUNNEL_NAMES.filter((name) => !MIRROR_NAMES.includes(name));

/**
 * Both are watched: each packet passes two hooks, plain and in its tunnel, and is one packet of one flow. Of those that
 * mirror only the cable is watched: their copies are flows of their own.
 */
const BOTH: Scenario = {
  name: "tunnel-both",
  interfaces: ["veth0", ...LINK_NAMES, "wg1"],
  parser: FOU_PORTS,
  hooked: ["veth0", ...LINK_NAMES, "wg1"],
  unhooked: MIRROR_NAMES,
  setup: [TUNNELS, WIREGUARD, CUT_UP].join("\n"),
  exchanges: [...tunnelExchanges(true), WIREGUARD_EXCHANGE].map(
    // Emulation is slow: echoes pass as datagrams do.
    (exchange): Exchange => ({ ...exchange, kinds: ["udp", "tcp"] }),
  ),
  opaque: [WIREGUARD_FLOW],
  wire: { device: "veth0", besides: ["10.21.0."] },
};

/** Every scenario of encapsulated packets. */
export const TUNNEL_SCENARIOS: readonly Scenario[] = [OVERLAY, UNDERLAY_ONLY, BOTH, IPSEC_SCENARIO];
