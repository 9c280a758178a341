// All claims, by address and port; of node ports by port alone. Claims to the same form a chain.

import { parseAddress } from "../lib/parse-address.ts";
import { AddressMap } from "./directory-addresses.ts";
import { type Claim, RANK } from "./directory-claims.ts";

const NO_ADDRESS = new Uint32Array(4);

/** Claims of all objects. Adding and removing cost one look-up and the claims to the same address and port. */
export class ClaimChains {
  readonly #byAddress: AddressMap<Claim> = new AddressMap();
  readonly #byNodePort: AddressMap<Claim> = new AddressMap();

  /** Different addresses and ports claimed. */
  get size(): number {
    return this.#byAddress.size + this.#byNodePort.size;
  }

  /** Adds a claim; one to what is no address changes nothing. */
  add(claim: Claim): void {
    const words = wordsOf(claim);
    if (words === undefined) return;
    const map = this.#mapOf(claim);
    const key = keyOf(claim.port, claim.protocol);
    claim.next = map.get(words, 0, key);
    map.set(words, 0, key, claim);
  }

  /** Removes a claim; one that is not there changes nothing. */
  remove(claim: Claim): void {
    const words = wordsOf(claim);
    if (words === undefined) return;
    const map = this.#mapOf(claim);
    const key = keyOf(claim.port, claim.protocol);
    const first = map.get(words, 0, key);
    if (first === claim) {
      if (claim.next === undefined) map.delete(words, 0, key);
      else map.set(words, 0, key, claim.next);
      return;
    }
    for (let link = first; link !== undefined; link = link.next) {
      if (link.next !== claim) continue;
      link.next = claim.next;
      return;
    }
  }

  /** First of the claims to all ports of an address; `words` in memory order at `at`, IPv4 in ::ffff:0:0/96. */
  toAddress(words: Uint32Array, at: number): Claim | undefined {
    return this.#byAddress.get(words, at, 0);
  }

  /** First of the claims to one port of an address. */
  toPort(
    words: Uint32Array,
    at: number,
    port: { readonly port: number; readonly protocol: number },
  ): Claim | undefined {
    return this.#byAddress.get(words, at, keyOf(port.port, port.protocol));
  }

  /** First of the claims to a port of every node. */
  toNodePort(port: number, protocol: number): Claim | undefined {
    return this.#byNodePort.get(NO_ADDRESS, 0, keyOf(port, protocol));
  }

  #mapOf(claim: Claim): AddressMap<Claim> {
    return claim.rank === RANK.nodePort ? this.#byNodePort : this.#byAddress;
  }
}

/** Port 0 is any port, of any protocol: the claim says which. */
function keyOf(port: number, protocol: number): number {
  return port === 0 ? 0 : (port << 8) | protocol;
}

function wordsOf(claim: Claim): Uint32Array | undefined {
  if (claim.rank === RANK.nodePort) return NO_ADDRESS;
  const octets = parseAddress(claim.address);
  return octets === undefined ? undefined : new Uint32Array(octets.buffer);
}
