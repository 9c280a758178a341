// What is tried in each guest: one run of the agent per kind of device, and per situation it finds.

import { between, CABLE, type Scenario } from "./scenario.ts";
import { TUNNEL_SCENARIOS } from "./tunnel-scenarios.ts";

const VLAN = `${CABLE}
for namespace in root peer; do
  in_namespace $namespace ip link add veth0.100 link veth0 up type vlan id 100
done
add_address root veth0 10.2.0.1/24
add_address peer veth0 10.2.0.2/24
add_address root veth0.100 10.2.100.1/24
add_address peer veth0.100 10.2.100.2/24`;

const TRANSLATING_CABLES = `${CABLE}
add_namespace other
add_cable root veth1 other veth0
add_address root veth0 10.13.1.1/24
add_address peer veth0 10.13.1.2/24
add_address root veth1 10.13.2.1/24
add_address other veth0 10.13.2.2/24
in_namespace peer ip route add default via 10.13.1.1
sysctl -q -w net.ipv4.ip_forward=1`;

const TRANSLATING_RULES = `modprobe -a nf_tables nft_chain_nat nft_nat nft_masq nf_conntrack_netlink
nft flush ruleset
nft add table ip nat
nft 'add chain ip nat before { type nat hook prerouting priority dstnat; }'
nft 'add rule ip nat before ip daddr 10.96.0.1 dnat to 10.13.2.2'
nft 'add chain ip nat after { type nat hook postrouting priority srcnat; }'
nft 'add rule ip nat after oifname "veth1" masquerade'`;

const TRANSLATED: Scenario["exchanges"] = [
  between("masqueraded", ["10.13.1.2", "10.13.2.2"], {
    client: "peer",
    server: "other",
    translatedAddress: "10.13.2.1",
  }),
  between("by a service's address and masqueraded", ["10.13.1.2", "10.96.0.1"], {
    client: "peer",
    server: "other",
    translatedAddress: "10.13.2.1",
    backendAddress: "10.13.2.2",
  }),
];

const LINK_SCENARIOS: readonly Scenario[] = [
  // First: an agent that may load modules has those of conntrack loaded.
  {
    name: "conntrack-later",
    hooked: ["veth0", "veth1"],
    setup: `${TRANSLATING_CABLES}
if grep '^nf_conntrack' /proc/modules; then exit 1; fi
modprobe -a sch_ingress cls_bpf tcp_diag udp_diag
sysctl -q -w kernel.modprobe=/bin/false`,
    whenStarted: `await_line 'conntrack is not followed'
${TRANSLATING_RULES}
await_line 'conntrack is followed'`,
    exchanges: TRANSLATED,
  },
  {
    name: "veth",
    interfaces: ["veth0"],
    span: 'udp_timeout = "2s"\nicmp_timeout = "2s"\ntcp_fin_timeout = "1s"\nmax_record_interval = "60s"',
    hooked: ["veth0"],
    unhooked: ["lo"],
    awaitsTimeouts: true,
    setup: `${CABLE}
add_address root veth0 10.1.0.1/24
add_address peer veth0 10.1.0.2/24
add_address root veth0 fd00:1::1/64
add_address peer veth0 fd00:1::2/64`,
    exchanges: [
      between("v4", ["10.1.0.1", "10.1.0.2"], { vlanId: null }),
      between("v4 from the peer", ["10.1.0.2", "10.1.0.1"], { client: "peer", server: "root" }),
      between("v6", ["fd00:1::1", "fd00:1::2"], { vlanId: null }),
    ],
  },
  {
    name: "vlan-trunk",
    interfaces: ["veth0"],
    hooked: ["veth0"],
    unhooked: ["veth0.100"],
    setup: VLAN,
    exchanges: [
      between("untagged", ["10.2.0.1", "10.2.0.2"], { vlanId: null }),
      between("tagged", ["10.2.100.1", "10.2.100.2"], { vlanId: 100 }),
    ],
  },
  {
    name: "vlan-device",
    interfaces: ["veth0.*"],
    hooked: ["veth0.100"],
    unhooked: ["veth0"],
    setup: VLAN,
    exchanges: [between("tagged", ["10.2.100.1", "10.2.100.2"], { vlanId: null })],
  },
  {
    name: "vlan-both",
    hooked: ["veth0", "veth0.100"],
    setup: VLAN,
    exchanges: [
      between("untagged", ["10.2.0.1", "10.2.0.2"]),
      between("tagged", ["10.2.100.1", "10.2.100.2"]),
    ],
  },
  {
    name: "qinq",
    interfaces: ["veth0"],
    hooked: ["veth0"],
    setup: `${CABLE}
for namespace in root peer; do
  in_namespace $namespace ip link add veth0.10 link veth0 up type vlan protocol 802.1ad id 10
  in_namespace $namespace ip link add veth0.10.20 link veth0.10 up type vlan id 20
done
add_address root veth0.10.20 10.3.0.1/24
add_address peer veth0.10.20 10.3.0.2/24`,
    exchanges: [between("twice tagged", ["10.3.0.1", "10.3.0.2"], { vlanId: 10 })],
  },
  {
    name: "bond",
    hooked: ["bond1"],
    unhooked: ["slave0", "slave1"],
    setup: `
add_namespace peer
add_cable root slave0 peer slave0
add_cable root slave1 peer slave1
for namespace in root peer; do
  in_namespace $namespace ip link add bond1 type bond mode balance-xor xmit_hash_policy layer3+4 miimon 100
  for slave in slave0 slave1; do
    in_namespace $namespace ip link set $slave down
    in_namespace $namespace ip link set $slave master bond1
  done
done
add_address root bond1 10.4.0.1/24
add_address peer bond1 10.4.0.2/24
sleep 1`,
    exchanges: [between("bonded", ["10.4.0.1", "10.4.0.2"])],
  },
  {
    name: "macvlan",
    hooked: ["veth0", "mv0"],
    setup: `${CABLE}
ip link add mv0 link veth0 type macvlan mode bridge
add_address root mv0 10.5.0.1/24
add_address peer veth0 10.5.0.2/24`,
    exchanges: [between("macvlan", ["10.5.0.1", "10.5.0.2"])],
  },
  {
    name: "ipvlan",
    hooked: ["veth0", "iv0"],
    setup: `${CABLE}
ip link add iv0 link veth0 type ipvlan mode l2
add_address root iv0 10.6.0.1/24
add_address peer veth0 10.6.0.2/24`,
    exchanges: [between("ipvlan", ["10.6.0.1", "10.6.0.2"])],
  },
  {
    name: "bridge",
    hooked: ["br0", "br0.30", "veth0", "veth1"],
    setup: `${CABLE}
add_namespace other
add_cable root veth1 other veth0
ip link add br0 up type bridge
ip link set veth0 master br0
ip link set veth1 master br0
ip link add br0.30 link br0 up type vlan id 30
in_namespace peer ip link add veth0.30 link veth0 up type vlan id 30
add_address root br0 10.7.0.1/24
add_address peer veth0 10.7.0.2/24
add_address other veth0 10.7.0.3/24
add_address root br0.30 10.7.30.1/24
add_address peer veth0.30 10.7.30.2/24`,
    exchanges: [
      between("host to port", ["10.7.0.1", "10.7.0.2"]),
      between("host to port in a vlan", ["10.7.30.1", "10.7.30.2"]),
      between("port to port", ["10.7.0.2", "10.7.0.3"], { client: "peer", server: "other" }),
    ],
  },
  {
    name: "routed",
    hooked: ["veth0", "veth1"],
    setup: `${CABLE}
add_namespace other
add_cable root veth1 other veth0
add_address root veth0 10.8.1.1/24
add_address peer veth0 10.8.1.2/24
add_address root veth1 10.8.2.1/24
add_address other veth0 10.8.2.2/24
in_namespace peer ip route add default via 10.8.1.1
in_namespace other ip route add default via 10.8.2.1
sysctl -q -w net.ipv4.ip_forward=1`,
    exchanges: [between("forwarded", ["10.8.1.2", "10.8.2.2"], { client: "peer", server: "other" })],
  },
  {
    name: "masquerade",
    hooked: ["veth0", "veth1"],
    setup: `${TRANSLATING_CABLES}
${TRANSLATING_RULES}`,
    exchanges: TRANSLATED,
  },
  {
    name: "shared-qdisc",
    interfaces: ["veth0"],
    hooked: ["veth0"],
    setup: `${CABLE}
add_address root veth0 10.9.0.1/24
add_address peer veth0 10.9.0.2/24
tc qdisc add dev veth0 clsact
tc filter add dev veth0 ingress priority 100 protocol all matchall action ok`,
    exchanges: [between("beside another's filter", ["10.9.0.1", "10.9.0.2"])],
  },
  {
    name: "clsact-by-choice",
    interfaces: ["veth0"],
    attachMode: "clsact",
    hooked: ["veth0"],
    setup: `${CABLE}
add_address root veth0 10.11.0.1/24
add_address peer veth0 10.11.0.2/24`,
    exchanges: [between("clsact", ["10.11.0.1", "10.11.0.2"])],
  },
  {
    name: "without-inet-diag",
    interfaces: ["veth0"],
    warning: "listening sockets not read",
    hooked: ["veth0"],
    setup: `${CABLE}
add_address root veth0 10.12.0.1/24
add_address peer veth0 10.12.0.2/24
modprobe -a sch_ingress cls_bpf
rmmod tcp_diag udp_diag inet_diag 2>/dev/null || true
sysctl -q -w kernel.modprobe=/bin/false`,
    exchanges: [between("unaided", ["10.12.0.1", "10.12.0.2"])],
  },
  {
    name: "after-a-crash",
    interfaces: ["veth0"],
    hooked: ["veth0"],
    crashesFirst: true,
    setup: `${CABLE}
add_address root veth0 10.10.0.1/24
add_address peer veth0 10.10.0.2/24`,
    exchanges: [between("after a crash", ["10.10.0.1", "10.10.0.2"])],
  },
];

/** Every scenario, in the order in which a guest runs them. */
export const SCENARIOS: readonly Scenario[] = [...LINK_SCENARIOS, ...TUNNEL_SCENARIOS];
