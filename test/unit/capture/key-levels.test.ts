import { describe, expect, test } from "bun:test";
import { describeSplitLevels, findSplitLevels, type KeyPart } from "../../../src/capture/key-levels.ts";
import type { Link } from "../../../src/capture/links.ts";
import { makeLink } from "./make-link.ts";

let lastIndex = 0;

function link(name: string, kind = "", more: Partial<Link> = {}): Link {
  lastIndex++;
  return makeLink(lastIndex, { name, kind, ...more });
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
  return pairs(["tunnel_id"], watched, links, routes)[0]?.slice(1);
}

/** Part, carrier and unpacked of each pair found. */
function pairs(
  keyIncludes: readonly KeyPart[],
  watched: readonly Link[],
  links: readonly Link[] = node,
  routes: readonly string[] = ["eth0"],
): readonly (readonly string[])[] {
  return findSplitLevels(keyIncludes, { watched, links, defaultRoutes: new Set(routes) }).map(
    ({ part, carrier, unpacked }) => [part, carrier.name, unpacked.name],
  );
}

describe("findSplitLevels finds", () => {
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

describe("findSplitLevels finds nothing", () => {
  test("among devices of one level, and in loopback", () => {
    expect(found([eth0, vlan])).toBeUndefined();
    expect(found([lo, vxlan, pod, guest])).toBeUndefined();
    expect(found([])).toBeUndefined();
  });
});

describe("findSplitLevels of VLANs finds", () => {
  test("a VLAN device beside its parent", () => {
    expect(pairs(["vlan"], node)).toEqual([["vlan", "eth0", "eth0.5"]]);
  });

  test("nothing where one of the two is not watched, or the parent is elsewhere", () => {
    expect(pairs(["vlan"], [vlan, vxlan])).toEqual([]);
    expect(pairs(["vlan"], [eth0, vxlan])).toEqual([]);
    const far = link("far.5", "vlan", { parent: eth0.ifindex, isParentHere: false });
    expect(pairs(["vlan"], [eth0, far])).toEqual([]);
  });

  test("both parts' levels where both are in the key, none where none is", () => {
    expect(pairs(["vlan", "tunnel_id"], node).map(([part]) => part)).toEqual(["vlan", "tunnel_id"]);
    expect(pairs([], node)).toEqual([]);
  });
});

test.each(["vlan", "tunnel_id"] as const)("describeSplitLevels names both devices and %s", (part) => {
  const text = describeSplitLevels({ part, carrier: eth0, unpacked: vxlan });
  for (const named of ["flow.key_includes", `"${part}"`, '"eth0"', '"flannel.1"']) {
    expect(text).toContain(named);
  }
  expect(text).not.toContain("\n");
});
