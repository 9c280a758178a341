// Interfaces of the network namespace as rtnetlink tells them. Comes in: struct merminbpf_link. Goes out: Link.
// Decides what an interface is for (role), what it is stacked on, and how its frames begin; attaches nothing.

import type { Library } from "./library.ts";
import { ShimError } from "./shim-error.ts";

/** One interface. Indexes are 0 where there is none. */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** Empty for a physical device. */
  readonly kind: string;
  /** VLAN's device, tunnel's device, veth's peer (IFLA_LINK). */
  readonly parent: number;
  /** Whether `parent` is an index of this namespace. */
  readonly isParentHere: boolean;
  /** What the kernel calls the namespace of `parent` here (IFLA_LINK_NETNSID); negative where it is this one. */
  readonly parentNamespace: number;
  readonly master: number;
  readonly masterKind: string;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** ARPHRD_* number. */
  readonly type: number;
}

/** What an interface faces: pods and guests behind it, or the network outside. */
export type Role = "workload" | "outward";

/** Places at which one packet passes two devices, see `struct related_interfaces` in bpf/flow.h. */
export interface Relations {
  readonly sameSide: readonly number[];
  readonly oppositeSide: number;
}

/** How frames begin; undefined: a link type that is not read. */
export type LinkLayer = "ethernet" | "none";

const LINK_BYTES = 80;
const FIRST_CAPACITY = 256;
const MOST_LINKS = 65_536;
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const ENOSPC = -28;
/** ARPHRD_* of devices whose packets begin with the IP header (include/uapi/linux/if_arp.h). */
const BARE_TYPES: ReadonlySet<number> = new Set([512, 519, 768, 769, 776, 778, 823, 0xfffe]);
/** ETHER, LOOPBACK. */
const ETHERNET_TYPES: ReadonlySet<number> = new Set([1, 772]);
/** Kinds whose IFLA_LINK is the other end, not a device below. */
const PEER_KINDS: ReadonlySet<string> = new Set(["veth", "netkit", "vxcan"]);
const RELATED_MAX = 8;

/**
 * Lists the interfaces of the current network namespace.
 * @throws ShimError where rtnetlink fails.
 */
export function listLinks(library: Library): readonly Link[] {
  for (let capacity = FIRST_CAPACITY; ; capacity *= 4) {
    const buffer = new Uint8Array(new ArrayBuffer(capacity * LINK_BYTES));
    const count = library.merminbpf_links_list(buffer, capacity);
    if (count >= 0) return decodeLinks(buffer, count);
    if (count !== ENOSPC || capacity >= MOST_LINKS) {
      throw new ShimError("Cannot list the interfaces", count, String(library.merminbpf_error(null)));
    }
  }
}

function decodeLinks(buffer: Uint8Array, count: number): readonly Link[] {
  const view = new DataView(buffer.buffer);
  const links: Link[] = [];
  for (let at = 0; at < count * LINK_BYTES; at += LINK_BYTES) {
    const flags = view.getUint32(at + 16, true);
    links.push({
      ifindex: view.getUint32(at, true),
      parent: view.getUint32(at + 4, true),
      master: view.getUint32(at + 8, true),
      isParentHere: view.getInt32(at + 12, true) < 0,
      parentNamespace: view.getInt32(at + 12, true),
      isUp: (flags & IFF_UP) !== 0,
      isLoopback: (flags & IFF_LOOPBACK) !== 0,
      type: view.getUint16(at + 24, true),
      name: decodeText(buffer, at + 32),
      kind: decodeText(buffer, at + 48),
      masterKind: decodeText(buffer, at + 64),
    });
  }
  return links;
}

function decodeText(buffer: Uint8Array, at: number): string {
  const end = buffer.indexOf(0, at);
  return new TextDecoder().decode(buffer.subarray(at, end < 0 || end > at + 16 ? at + 16 : end));
}

/** How the frames of an interface begin, by its type, never by guess. */
export function linkLayerOf(link: Link): LinkLayer | undefined {
  if (ETHERNET_TYPES.has(link.type)) return "ethernet";
  return BARE_TYPES.has(link.type) ? "none" : undefined;
}

/**
 * A pod's or a guest's device, by its kind, unless the node's default route leads through it (a node that is itself
 * a container has a veth as its NIC).
 */
export function roleOf(link: Link, defaultRoutes: ReadonlySet<string>): Role {
  if (defaultRoutes.has(link.name)) return "outward";
  if (link.kind === "veth" || link.kind === "netkit") return "workload";
  return link.kind === "tun" && linkLayerOf(link) === "ethernet" ? "workload" : "outward";
}

/** Devices above and below an interface, nearest first, at most as many as the kernel's list holds. */
export function relationsOf(link: Link, links: readonly Link[]): Relations {
  const isPeer = PEER_KINDS.has(link.kind);
  const oppositeSide = link.isLoopback ? link.ifindex : isPeer && link.isParentHere ? link.parent : 0;
  const sameSide = [...climb(link, links, parentsOf), ...climb(link, links, childrenOf)];
  return { sameSide: sameSide.slice(0, RELATED_MAX), oppositeSide };
}

type Step = (link: Link, links: readonly Link[]) => readonly Link[];

/** Devices that carry this one's packets: the device a VLAN stands on, the ports of a bridge. */
function parentsOf(link: Link, links: readonly Link[]): readonly Link[] {
  return links.filter((other) => other.master === link.ifindex || isStackedOn(link, other));
}

/** Devices whose packets this one carries: VLANs on it, the bridge it is a port of. */
function childrenOf(link: Link, links: readonly Link[]): readonly Link[] {
  return links.filter((other) => link.master === other.ifindex || isStackedOn(other, link));
}

function isStackedOn(upper: Link, lower: Link): boolean {
  const isOwn = upper.ifindex === lower.ifindex;
  return !isOwn && upper.parent === lower.ifindex && upper.isParentHere && !PEER_KINDS.has(upper.kind);
}

function climb(link: Link, links: readonly Link[], step: Step): readonly number[] {
  const found = new Set<number>();
  let level: readonly Link[] = [link];
  while (level.length > 0 && found.size < RELATED_MAX) {
    const next = level.flatMap((each) => step(each, links)).filter(({ ifindex }) => !found.has(ifindex));
    for (const { ifindex } of next) found.add(ifindex);
    level = next;
  }
  found.delete(link.ifindex);
  return [...found];
}
