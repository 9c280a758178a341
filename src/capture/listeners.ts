// Listening ports and addresses of the host's network namespace: who answers. Comes in: inet_diag through the shim.
// Goes out: look-ups without allocation. UDP counts only unconnected sockets outside the ephemeral range.

import { readHostAddresses, readLocalPortRange } from "./host.ts";
import type { Library } from "./library.ts";
import { ShimError } from "./shim-error.ts";

const LISTENER_BYTES = 20;
const FIRST_CAPACITY = 1024;
const MOST_LISTENERS = 1 << 20;
const ENOSPC = -28;
const UDP = 17;

/** A set of 16-byte addresses, found by their four words without making a string. */
class AddressSet {
  readonly #buckets: Map<number, Uint32Array[]> = new Map();

  add(address: Uint8Array): void {
    const words = new Uint32Array(new ArrayBuffer(16));
    new Uint8Array(words.buffer).set(address);
    const hash = hashAddress(words, 0);
    const bucket = this.#buckets.get(hash) ?? [];
    bucket.push(words);
    this.#buckets.set(hash, bucket);
  }

  has(words: Uint32Array, at: number): boolean {
    const bucket = this.#buckets.get(hashAddress(words, at));
    if (bucket === undefined) return false;
    for (const entry of bucket) {
      if (
        entry[0] === words[at] &&
        entry[1] === words[at + 1] &&
        entry[2] === words[at + 2] &&
        entry[3] === words[at + 3]
      ) {
        return true;
      }
    }
    return false;
  }
}

function hashAddress(words: Uint32Array, at: number): number {
  const [a, b, c, d] = [
    words[at] as number,
    words[at + 1] as number,
    words[at + 2] as number,
    words[at + 3] as number,
  ];
  return (a ^ Math.imul(b, 0x9e3779b1) ^ Math.imul(c, 0x85ebca6b) ^ Math.imul(d, 0xc2b2ae35)) >>> 0;
}

/** What is known of the host's ends. Refreshed by its owner; look-ups never read the system. */
export class Listeners {
  readonly #library: Library;
  #ports: ReadonlyMap<number, AddressSet | "any"> = new Map();
  #addresses: AddressSet = new AddressSet();
  #portRange: readonly [number, number] = readLocalPortRange();

  constructor(library: Library) {
    this.#library = library;
  }

  /** net.ipv4.ip_local_port_range as of the last refresh. */
  get localPortRange(): readonly [low: number, high: number] {
    return this.#portRange;
  }

  /** Reads addresses, port range and sockets anew. @throws ShimError where inet_diag fails; the old sockets stay. */
  refresh(): void {
    const addresses = new AddressSet();
    for (const address of readHostAddresses()) addresses.add(address);
    this.#addresses = addresses;
    this.#portRange = readLocalPortRange();
    this.#ports = readListeners(this.#library, this.#portRange);
  }

  /** Whether the 16-byte address (four words in memory order) is one of this host's. */
  isHostAddress(words: Uint32Array, at: number): boolean {
    return this.#addresses.has(words, at);
  }

  /** Whether a socket of this host listens there. */
  isListening(protocol: number, port: number, words: Uint32Array, addressAt: number): boolean {
    const bound = this.#ports.get((protocol << 16) | port);
    if (bound === undefined || !this.#addresses.has(words, addressAt)) return false;
    return bound === "any" || bound.has(words, addressAt);
  }
}

function readListeners(
  library: Library,
  portRange: readonly [number, number],
): ReadonlyMap<number, AddressSet | "any"> {
  for (let capacity = FIRST_CAPACITY; ; capacity *= 4) {
    const buffer = new Uint8Array(new ArrayBuffer(capacity * LISTENER_BYTES));
    const count = library.merminbpf_listeners_list(buffer, capacity);
    if (count >= 0) return indexListeners(buffer.subarray(0, count * LISTENER_BYTES), portRange);
    if (count !== ENOSPC || capacity >= MOST_LISTENERS) {
      throw new ShimError("Cannot list the listening sockets", count, String(library.merminbpf_error(null)));
    }
  }
}

function indexListeners(
  buffer: Uint8Array,
  [low, high]: readonly [number, number],
): ReadonlyMap<number, AddressSet | "any"> {
  const ports = new Map<number, AddressSet | "any">();
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  for (let at = 0; at < buffer.byteLength; at += LISTENER_BYTES) {
    const protocol = view.getUint8(at);
    const port = view.getUint16(at + 2, true);
    if (protocol === UDP && port >= low && port <= high) continue;
    const key = (protocol << 16) | port;
    const address = buffer.subarray(at + 4, at + LISTENER_BYTES);
    const known = ports.get(key);
    if (known === "any") continue;
    if (isUnspecified(address)) {
      ports.set(key, "any");
    } else {
      const bound = known ?? new AddressSet();
      bound.add(address);
      ports.set(key, bound);
    }
  }
  return ports;
}

/** `::`, `0.0.0.0` mapped, or all zero. */
function isUnspecified(address: Uint8Array): boolean {
  return address.every((byte, index) => byte === 0 || ((index === 10 || index === 11) && byte === 0xff));
}
