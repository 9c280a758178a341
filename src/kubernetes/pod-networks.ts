// The networks that nodes give addresses of pods from: whether an address is in one of them.

import { parsePrefix } from "../lib/cidr.ts";
import { AddressMap } from "./directory-addresses.ts";

/** Networks of one length: a look-up for each length there is, and there are few. */
interface Length {
  readonly bits: number;
  readonly mask: Uint32Array;
  /** Networks of that length, several times where several nodes have them. */
  count: number;
}

/** `spec.podCIDRs` of all nodes. */
export class PodNetworks {
  readonly #ofNode: Map<object, readonly string[]> = new Map();
  /** How many nodes have a network: keys are its address and its length. */
  readonly #nodes: AddressMap<number> = new AddressMap();
  #lengths: readonly Length[] = [];
  readonly #masked: Uint32Array = new Uint32Array(4);

  /** Puts these in the place of all that a node had; what is no network is left out. */
  set(node: object, cidrs: readonly string[]): void {
    this.delete(node);
    if (cidrs.length === 0) return;
    for (const cidr of cidrs) this.#count(cidr, 1);
    this.#ofNode.set(node, cidrs);
  }

  /** Takes all away that a node has. */
  delete(node: object): void {
    for (const cidr of this.#ofNode.get(node) ?? []) this.#count(cidr, -1);
    this.#ofNode.delete(node);
  }

  /** @param words an address in four words from `at`, in memory order, IPv4 in ::ffff:0:0/96 */
  contains(words: Uint32Array, at: number): boolean {
    const masked = this.#masked;
    for (let each = 0; each < this.#lengths.length; each++) {
      const { bits, mask } = this.#lengths[each] as Length;
      for (let i = 0; i < 4; i++) masked[i] = (words[at + i] as number) & (mask[i] as number);
      if (this.#nodes.get(masked, 0, bits) !== undefined) return true;
    }
    return false;
  }

  #count(cidr: string, change: 1 | -1): void {
    const prefix = parsePrefix(cidr);
    if (prefix === undefined) return;
    const { octets, bits } = prefix;
    const words = new Uint32Array(octets.buffer);
    const count = (this.#nodes.get(words, 0, bits) ?? 0) + change;
    if (count === 0) this.#nodes.delete(words, 0, bits);
    else this.#nodes.set(words, 0, bits, count);
    const length = this.#lengths.find((each) => each.bits === bits) ?? this.#addLength(bits);
    length.count += change;
    if (length.count === 0) this.#lengths = this.#lengths.filter((each) => each !== length);
  }

  #addLength(bits: number): Length {
    const octets = new Uint8Array(16);
    for (let bit = 0; bit < bits; bit++)
      octets[bit >>> 3] = (octets[bit >>> 3] as number) | (0x80 >>> (bit & 7));
    const length = { bits, mask: new Uint32Array(octets.buffer), count: 0 };
    this.#lengths = [...this.#lengths, length];
    return length;
  }
}
