import { describe, expect, test } from "bun:test";
import type { Link } from "../../../src/capture/links.ts";
import { describeBothLevels, findBothLevels } from "../../../src/capture/tunnel-levels.ts";

const ARPHRD_ETHER = 1;
let lastIndex = 0;

function link(name: string, kind = "", more: Partial<Link> = {}): Link {
  lastIndex++;
  return {
    ifindex: lastIndex,
    name,
    kind,
    parent: 0,
    isParentHere: true,
    master: 0,
    masterKind: "",
    isUp: true,
    isLoopback: false,
    type: ARPHRD_ETHER,
    ...more,
  };
}

const lo = link("lo", "", { isLoopback: true });
const eth0 = link("eth0");
const vlan = link("eth0.5", "vlan", { parent: eth0.ifindex });
const vxlan = link("flannel.1", "vxlan");
const cni = link("cni0", "bridge");
const pod = link("veth1", "veth", { master: cni.ifindex, masterKind: "bridge" });
const guest = link("tap0", "tun");
const node = [lo, eth0, vlan, vxlan, cni, pod, guest];

/** Names of the two devices. */
function found(
  watched: readonly Link[],
  links: readonly Link[] = node,
  routes: readonly string[] = ["eth0"],
): readonly string[] | undefined {
  const levels = findBothLevels(watched, links, new Set(routes));
  return levels === undefined ? undefined : [levels.carrier.name, levels.unpacked.name];
}

describe("findBothLevels finds", () => {
  test("a device outside beside a tunnel's", () => {
    expect(found(node)).toEqual(["eth0", "flannel.1"]);
    expect(found([vlan, vxlan])).toEqual(["eth0.5", "flannel.1"]);
  });

  test.each([
    "vxlan",
    "geneve",
    "gre",
    "gretap",
    "erspan",
    "ip6gre",
    "ip6gretap",
    "ip6erspan",
    "ipip",
    "sit",
    "ip6tnl",
    "wireguard",
  ])("a tunnel of kind %s", (kind) => {
    expect(found([eth0, link("t0", kind)], [])).toEqual(["eth0", "t0"]);
  });

  test("a device outside beside a pod's or guest's, where there is a tunnel that is not watched", () => {
    expect(found([eth0, pod])).toEqual(["eth0", "veth1"]);
    expect(found([guest, eth0])).toEqual(["eth0", "tap0"]);
    expect(found([eth0, pod], [eth0, pod])).toBeUndefined();
  });

  test("a bridge for what its ports carry", () => {
    const bridge = link("br0", "bridge");
    const port = link("eth1", "", { master: bridge.ifindex, masterKind: "bridge" });
    expect(found([bridge, vxlan], [...node, bridge, port])).toEqual(["br0", "flannel.1"]);
    expect(found([cni, vxlan])).toBeUndefined();
  });

  test("a veth with the default route outside: the node is itself a container", () => {
    expect(found([pod, vxlan], node, ["veth1"])).toEqual(["veth1", "flannel.1"]);
    expect(found([pod, vxlan])).toBeUndefined();
  });
});

describe("findBothLevels finds nothing", () => {
  test("among devices of one level, and in loopback", () => {
    expect(found([eth0, vlan])).toBeUndefined();
    expect(found([lo, vxlan, pod, guest])).toBeUndefined();
    expect(found([])).toBeUndefined();
  });
});

test("describeBothLevels names both devices and the setting", () => {
  const text = describeBothLevels({ carrier: eth0, unpacked: vxlan });
  for (const part of ["flow.key_includes", '"tunnel_id"', '"eth0"', '"flannel.1"'])
    expect(text).toContain(part);
  expect(text).not.toContain("\n");
});
