// The sockets of one reading, by where they answer. Comes in: sockets with their holders. Goes out: look-ups by the end of
// a flow, as the kernel chooses a socket: one bound to the address before one bound to none.

import { AddressMap } from "./directory-addresses.ts";
import { SEVERAL, type SocketHolder, UNSURE } from "./socket-holders.ts";

/** A listening socket. */
export interface HeldSocket {
  /** IANA number. */
  readonly protocol: number;
  /** 4, 6; 0: both. */
  readonly ipVersion: number;
  readonly port: number;
  /** Four words in memory order, IPv4 in ::ffff:0:0/96; zero: any. */
  readonly address: Uint32Array;
  readonly holder: SocketHolder;
}

/** One end of a flow: the address at `at`, with its port and IANA protocol number. */
export interface SocketEnd {
  readonly words: Uint32Array;
  readonly at: number;
  readonly port: number;
  readonly protocol: number;
}

/** Address words of IPv4 mapped into IPv6: 0, 0, and this, in memory order. */
const MAPPED_WORD: number = new Uint32Array(Uint8Array.of(0, 0, 0xff, 0xff).buffer)[0] as number;
const ANY_IPV4: Uint32Array = Uint32Array.of(0, 0, MAPPED_WORD, 0);
const ANY_IPV6: Uint32Array = new Uint32Array(4);
/** Keys of sockets that take both versions have this bit: the kernel prefers one of IPv4 alone for IPv4. */
const BOTH_VERSIONS = 1 << 24;

/** The host's addresses and sockets at one time. */
export class SocketIndex {
  readonly #addresses: AddressMap<true> = new AddressMap();
  readonly #sockets: AddressMap<SocketHolder> = new AddressMap();
  /** Sockets and addresses that it was made of: with kube-proxy's IPVS each Service is an address of the host. */
  readonly size: number;

  /** @param addresses of the host, four words each */
  constructor(addresses: Uint32Array, sockets: readonly HeldSocket[]) {
    this.size = sockets.length + addresses.length / 4;
    for (let at = 0; at < addresses.length; at += 4) this.#addresses.set(addresses, at, 0, true);
    for (const socket of sockets) this.#add(socket);
  }

  hasAddress({ words, at }: SocketEnd): boolean {
    return this.#addresses.get(words, at, 0) === true;
  }

  /** Who answers there; undefined where nobody does, or the address is not the host's. */
  find(end: SocketEnd): SocketHolder | undefined {
    if (!this.hasAddress(end)) return undefined;
    const { words, at } = end;
    const key = (end.port << 8) | end.protocol;
    const bound = this.#sockets.get(words, at, key);
    if (bound !== undefined) return bound;
    const isIpv4 = words[at] === 0 && words[at + 1] === 0 && words[at + 2] === MAPPED_WORD;
    return (
      this.#sockets.get(isIpv4 ? ANY_IPV4 : ANY_IPV6, 0, key) ??
      this.#sockets.get(ANY_IPV6, 0, key | BOTH_VERSIONS)
    );
  }

  #add({ protocol, ipVersion, port, address, holder }: HeldSocket): void {
    const isUnbound = !(address[0] || address[1] || address[2] || address[3]);
    const words = isUnbound && ipVersion === 4 ? ANY_IPV4 : address;
    const key = (port << 8) | protocol | (isUnbound && ipVersion === 0 ? BOTH_VERSIONS : 0);
    const other = this.#sockets.get(words, 0, key);
    this.#sockets.set(words, 0, key, other === undefined ? holder : merge(other, holder));
  }
}

/** Who it was where both may have been: what they have in common. */
export function merge(one: SocketHolder, other: SocketHolder): SocketHolder {
  if (one.kind === "several" || other.kind === "several") return SEVERAL;
  if (one.kind === "unsure" || other.kind === "unsure") return UNSURE;
  if (one.kind !== other.kind) return SEVERAL;
  if (one.kind !== "pod" || other.kind !== "pod") return one;
  if (one.uid !== other.uid) return SEVERAL;
  return one.containerId === other.containerId ? one : { ...one, containerId: "" };
}
