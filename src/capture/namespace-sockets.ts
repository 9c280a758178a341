// Who answers in one network namespace: its addresses and the ports that sockets listen on. Comes in: bytes of
// socket-reader.ts. Goes out: look-ups without allocation.

import { AddressTable } from "./address-table.ts";
import { LISTENER, LISTENER_BYTES, readAddress } from "./listener-record.ts";
import { MOST_LISTENERS, type SocketReader } from "./socket-reader.ts";

/** The kernel's default of net.ipv4.ip_local_port_range. */
export const DEFAULT_PORT_RANGE: readonly [low: number, high: number] = [32768, 60999];

/** Where the sockets of one port listen. */
interface Bound {
  anyIpv4: boolean;
  anyIpv6: boolean;
  /** Of sockets that are bound to one; most are not. */
  addresses: AddressTable<true> | undefined;
}

/** Address words of IPv4 mapped into IPv6: 0, 0, and this, in memory order. */
const MAPPED_WORD: number = new Uint32Array(Uint8Array.of(0, 0, 0xff, 0xff).buffer)[0] as number;

/** One namespace as it was last read. */
export class NamespaceSockets {
  #addressWords: Uint32Array = new Uint32Array(0);
  #addresses: AddressTable<true> = new AddressTable();
  #listenerBytes: Uint8Array = new Uint8Array(0);
  #ports: ReadonlyMap<number, Bound> = new Map();
  #portRange: readonly [number, number] = DEFAULT_PORT_RANGE;

  /** net.ipv4.ip_local_port_range. */
  get localPortRange(): readonly [low: number, high: number] {
    return this.#portRange;
  }

  /** As they were read last. */
  get listenerBytes(): Uint8Array {
    return this.#listenerBytes;
  }

  /** Four words an address. */
  get addressWords(): Uint32Array {
    return this.#addressWords;
  }

  /** Whether there are more sockets than are read. */
  get isCut(): boolean {
    return this.#listenerBytes.length >= MOST_LISTENERS * LISTENER_BYTES;
  }

  /** Reads the sockets anew; true where they changed. @throws ShimError; what was known stays */
  readListeners(reader: SocketReader, namespaceFd: number): boolean {
    const { bytes, portRange = DEFAULT_PORT_RANGE } = reader.listeners(namespaceFd);
    this.#portRange = portRange;
    if (Buffer.compare(bytes, this.#listenerBytes) === 0) return false;
    this.#listenerBytes = bytes.slice();
    this.#ports = indexListeners(this.#listenerBytes);
    return true;
  }

  /** Reads the addresses anew; true where they changed. @throws ShimError; what was known stays */
  readAddresses(reader: SocketReader, namespaceFd: number): boolean {
    const words = reader.addresses(namespaceFd);
    if (
      words.length === this.#addressWords.length &&
      words.every((word, i) => word === this.#addressWords[i])
    )
      return false;
    this.#addressWords = words.slice();
    this.#addresses = new AddressTable();
    for (let at = 0; at < words.length; at += 4) this.#addresses.add(words, at, true);
    return true;
  }

  /** Whether the address (four words in memory order) is one of this namespace's. */
  hasAddress(words: Uint32Array, at: number): boolean {
    return this.#addresses.has(words, at);
  }

  /** Whether a socket listens at that address, which must be one of this namespace's. */
  isListening(protocol: number, port: number, words: Uint32Array, addressAt: number): boolean {
    const bound = this.#ports.get((protocol << 16) | port);
    if (bound === undefined || !this.#addresses.has(words, addressAt)) return false;
    const isIpv4 =
      words[addressAt] === 0 && words[addressAt + 1] === 0 && words[addressAt + 2] === MAPPED_WORD;
    return (isIpv4 ? bound.anyIpv4 : bound.anyIpv6) || bound.addresses?.has(words, addressAt) === true;
  }
}

function indexListeners(bytes: Uint8Array): ReadonlyMap<number, Bound> {
  const ports = new Map<number, Bound>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const address = new Uint32Array(4);
  for (let at = 0; at < bytes.length; at += LISTENER_BYTES) {
    const key = (view.getUint8(at + LISTENER.protocol) << 16) | view.getUint16(at + LISTENER.port, true);
    const version = view.getUint8(at + LISTENER.ipVersion);
    const bound = ports.get(key) ?? { anyIpv4: false, anyIpv6: false, addresses: undefined };
    ports.set(key, bound);
    readAddress(view, at, address);
    const isMappedAny = address[2] === MAPPED_WORD && address[3] === 0;
    if (address[0] !== 0 || address[1] !== 0 || (!isMappedAny && (address[2] !== 0 || address[3] !== 0))) {
      bound.addresses ??= new AddressTable();
      bound.addresses.add(address, 0, true);
      continue;
    }
    bound.anyIpv4 ||= version !== 6 || isMappedAny;
    bound.anyIpv6 ||= version !== 4 && !isMappedAny;
  }
  return ports;
}
