// Interfaces of the network namespace as rtnetlink tells them. Comes in: struct merminbpf_link. Goes out: Link.
// Decides what an interface is for (role), what it is stacked on, and how its frames begin; attaches nothing.

import type { Library } from "./library.ts";
import { number64 } from "./record.ts";
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
  /** Received and sent, as the device counts them. */
  readonly packets: readonly [received: number, sent: number];
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

/** Bytes of `struct merminbpf_link`. */
export const LINK_BYTES = 96;
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
 * Lists the interfaces of the watched network namespace.
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

/** Reads `count` rows of `struct merminbpf_link`. */
export function decodeLinks(buffer: Uint8Array, count: number): readonly Link[] {
  const view = new DataView(buffer.buffer);
  const words = new Uint32Array(buffer.buffer);
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
      packets: [number64(words, at / 4 + 6), number64(words, at / 4 + 8)],
      type: view.getUint16(at + 40, true),
      name: decodeText(buffer, at + 48),
      kind: decodeText(buffer, at + 64),
      masterKind: decodeText(buffer, at + 80),
    });
  }
  return links;
}

const decoder = new TextDecoder();

function decodeText(buffer: Uint8Array, at: number): string {
  if (buffer[at] === 0) return "";
  const end = buffer.indexOf(0, at);
  return decoder.decode(buffer.subarray(at, end < 0 || end > at + 16 ? at + 16 : end));
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

/** Where one packet passes two devices, of every interface of `links`; one look for all, whatever their number. */
export function relationsAmong(links: readonly Link[]): (link: Link) => Relations {
  const byIndex = new Map(links.map((link) => [link.ifindex, link]));
  const above = new Map<number, number[]>();
  const below = new Map<number, number[]>();
  const stack = (upper: number, lower: number): void => {
    if (upper === lower || !byIndex.has(upper) || !byIndex.has(lower)) return;
    add(above, lower, upper);
    add(below, upper, lower);
  };
  for (const link of links) {
    // The ports of a bridge carry its packets, as the device below a VLAN carries the VLAN's.
    if (link.master !== 0) stack(link.master, link.ifindex);
    if (link.parent !== 0 && link.isParentHere && !PEER_KINDS.has(link.kind))
      stack(link.ifindex, link.parent);
  }
  return (link) => {
    const isPeer = PEER_KINDS.has(link.kind);
    const oppositeSide = link.isLoopback ? link.ifindex : isPeer && link.isParentHere ? link.parent : 0;
    const lower = climb(link.ifindex, below);
    const upper = climb(link.ifindex, above);
    if (lower.length + upper.length === 0) return { sameSide: NONE, oppositeSide };
    return { sameSide: [...new Set([...lower, ...upper])].slice(0, RELATED_MAX), oppositeSide };
  };
}

function add(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

const NONE: readonly number[] = [];

/** Nearest first, at most as many as the kernel's list holds. */
function climb(ifindex: number, steps: ReadonlyMap<number, readonly number[]>): readonly number[] {
  // Most stand on nothing, and nothing on them: a thousand of them are asked about in one turn.
  if (!steps.has(ifindex)) return NONE;
  const found = new Set<number>();
  let level: readonly number[] = [ifindex];
  while (level.length > 0 && found.size < RELATED_MAX) {
    const next = level.flatMap((each) => steps.get(each) ?? []).filter((each) => !found.has(each));
    for (const each of next) found.add(each);
    level = next;
  }
  found.delete(ifindex);
  return [...found];
}
