// Reads who listens and which addresses there are, in one network namespace at a time. Comes in: inet_diag and
// rtnetlink through the shim. Goes out: the shim's own bytes, which namespace-sockets.ts makes sense of.

import type { Library } from "./library.ts";
import { LISTENER_BYTES } from "./listener-record.ts";
import { ShimError } from "./shim-error.ts";

/** Sockets and addresses of one namespace that are read at most: about 10 ms, which the capture loop can spare. */
export const MOST_LISTENERS = 16_384;

const ADDRESS_WORDS = 4;

/** What {@link SocketReader} takes for the current network namespace. */
export const CURRENT_NAMESPACE = -1;

/** Both are valid until the next call. */
export interface ListenerBytes {
  readonly bytes: Uint8Array;
  /** net.ipv4.ip_local_port_range of the namespace; undefined where it cannot be read. */
  readonly portRange: readonly [low: number, high: number] | undefined;
}

/** Buffers for one thread. Namespaces are descriptors of files such as /proc/1/ns/net. */
export class SocketReader {
  readonly #library: Library;
  readonly #listeners: Uint8Array = new Uint8Array(new ArrayBuffer(MOST_LISTENERS * LISTENER_BYTES));
  readonly #addresses: Uint32Array = new Uint32Array(new ArrayBuffer(MOST_LISTENERS * ADDRESS_WORDS * 4));
  readonly #portRange: Uint16Array = new Uint16Array(new ArrayBuffer(4));

  constructor(library: Library) {
    this.#library = library;
  }

  /** @throws ShimError where the namespace cannot be entered or inet_diag fails (a kernel module) */
  listeners(namespaceFd: number): ListenerBytes {
    const { merminbpf_listeners_list } = this.#library;
    const list = this.#listeners;
    const count = this.#check(merminbpf_listeners_list(namespaceFd, list, MOST_LISTENERS, this.#portRange));
    const [low = 0, high = 0] = this.#portRange;
    const portRange = high === 0 ? undefined : ([low, high] as const);
    return { bytes: list.subarray(0, count * LISTENER_BYTES), portRange };
  }

  /** Four words an address, in memory order. @throws ShimError where the namespace cannot be entered */
  addresses(namespaceFd: number): Uint32Array {
    const { merminbpf_addresses_list } = this.#library;
    const count = this.#check(merminbpf_addresses_list(namespaceFd, this.#addresses, MOST_LISTENERS));
    return this.#addresses.subarray(0, count * ADDRESS_WORDS);
  }

  /** What the current namespace calls another; undefined where no interface leads there. */
  namespaceId(namespaceFd: number): number | undefined {
    const id = this.#library.merminbpf_namespace_id(namespaceFd);
    return id < 0 ? undefined : id;
  }

  #check(result: number): number {
    if (result >= 0) return result;
    throw new ShimError(
      "Cannot read a network namespace",
      result,
      String(this.#library.merminbpf_error(null)),
    );
  }
}
