// Who answers on this node: sockets and addresses of the host's network namespace and of those behind the watched
// interfaces, kept up to date a few milliseconds at a time. Comes in: the shim. Goes out: look-ups without allocation.

import type { Logger } from "../lib/log.ts";
import type { Link, Role } from "./links.ts";
import { NamespaceSockets } from "./namespace-sockets.ts";
import { FIRST_PAUSE_MS, Namespaces, REFRESH_MS } from "./namespaces.ts";
import type { Probe } from "./probe.ts";
import { CURRENT_NAMESPACE, MOST_LISTENERS, SocketReader } from "./socket-reader.ts";
import type { NamespaceStats } from "./stats.ts";

/** What the first reading takes before the agent counts; what is left is read while it does. */
const START_MS = 1000;
/** Addresses that change all the time take at most a tenth of a core: rest after reading them, in its length. */
const ADDRESS_REST = 9;
const HOST_UNREAD = "listening sockets not read";

/** The host's namespace as it was read last. */
export interface HostReading {
  /** When, in ms since 1970. */
  readonly atMs: number;
  /** Listening sockets as listener-record.ts has them, and addresses of four words each. */
  readonly listeners: Uint8Array;
  readonly addresses: Uint32Array;
  /** Whether that differs from what {@link Listeners.takeHostReading} gave before. */
  readonly isNew: boolean;
}

/** Refreshed by its owner, a turn at a time; look-ups never read the system. */
export class Listeners {
  readonly #probe: Probe;
  readonly #log: Logger;
  readonly #reader: SocketReader;
  readonly #host = new NamespaceSockets();
  readonly #namespaces: Namespaces;
  /** Interfaces whose other end is in the host's own namespace. */
  readonly #leadHome: Set<number> = new Set();
  #hostRevision = 0;
  #hostReads = 0;
  #hostDueMs = 0;
  #takenRevision = -1;
  /** When the sockets were read, in ms since 1970, until that is taken. */
  #hostReadMs: number | undefined;
  #areAddressesDue = true;
  #addressesFromMs = 0;
  readonly #warned: Set<string> = new Set();

  constructor(probe: Probe, log: Logger) {
    this.#probe = probe;
    this.#log = log;
    this.#reader = new SocketReader(probe.library);
    this.#namespaces = new Namespaces({
      reader: this.#reader,
      // Where the host's own cannot be read either, that was said.
      onUnread: (reason) => {
        if (!this.#warned.has(HOST_UNREAD)) {
          this.#warnOnce("listening sockets of a network namespace not read", { reason });
        }
      },
    });
  }

  /** Rises with every change of what the look-ups answer. */
  get revision(): number {
    return this.#hostRevision + this.#namespaces.revision;
  }

  /** Addresses of the host's interfaces, four words each in memory order; another array once they are others. */
  get hostAddresses(): Uint32Array {
    return this.#host.addressWords;
  }

  /** net.ipv4.ip_local_port_range of the host. */
  get localPortRange(): readonly [low: number, high: number] {
    return this.#host.localPortRange;
  }

  /** Whether the 16-byte address (four words in memory order) is the host's, or one behind a watched interface. */
  isLocalAddress(words: Uint32Array, at: number): boolean {
    return this.#host.hasAddress(words, at) || this.#namespaces.hasAddress(words, at);
  }

  /**
   * Whether a socket listens there, in the namespace of the end that has the address.
   * @param behind interface that the end is behind; 0: not known, then the host's address is the host's, and another
   * one is of the namespace that alone has it
   */
  isListening(
    protocol: number,
    port: number,
    words: Uint32Array,
    addressAt: number,
    behind: number,
  ): boolean {
    const sockets = this.#socketsOf(words, addressAt, behind);
    return sockets?.isListening(protocol, port, words, addressAt) ?? false;
  }

  /** Takes note of the watched interfaces, each time they changed; their namespaces are read in the turns to come. */
  follow(links: readonly Link[], roleOf: (ifindex: number) => Role): void {
    const workloads = links.filter((link) => link.parent !== 0 && roleOf(link.ifindex) === "workload");
    this.#leadHome.clear();
    for (const { ifindex, isParentHere } of workloads) if (isParentHere) this.#leadHome.add(ifindex);
    this.#namespaces.follow(workloads.filter(({ isParentHere }) => !isParentHere));
    this.#hostDueMs = Math.min(this.#hostDueMs, performance.now() + FIRST_PAUSE_MS);
  }

  /** Reads everything once before the agent counts, for a second at most. */
  async start(signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + START_MS;
    do {
      this.turn(performance.now());
      await new Promise((resolve) => setImmediate(resolve));
    } while (!this.#isComplete && performance.now() < deadline && !signal.aborted);
  }

  /**
   * Reads what is due, at most one namespace and for a few milliseconds; to be called every 10 ms. Without inet_diag (a
   * kernel module) or the privilege to enter a namespace the other rules for a flow's direction do: said once.
   */
  turn(nowMs: number): void {
    try {
      const { library, handle } = this.#probe;
      const changed = library.merminbpf_addresses_changed(handle);
      this.#areAddressesDue ||= this.#probe.check(changed, "Cannot follow address changes") > 0;
      if (this.#areAddressesDue && nowMs >= this.#addressesFromMs) this.#readHostAddresses(nowMs);
      else if (nowMs >= this.#hostDueMs) this.#readHost(nowMs);
      else this.#namespaces.turn(nowMs);
    } catch (error) {
      this.#warnOnce(HOST_UNREAD, {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** What the last reading of the host's own namespace saw; undefined where it was taken already. */
  takeHostReading(): HostReading | undefined {
    const atMs = this.#hostReadMs;
    if (atMs === undefined) return undefined;
    const isNew = this.#takenRevision !== this.#hostRevision;
    this.#takenRevision = this.#hostRevision;
    this.#hostReadMs = undefined;
    return { atMs, listeners: this.#host.listenerBytes, addresses: this.#host.addressWords, isNew };
  }

  /** Plain numbers for telemetry. */
  stats(): NamespaceStats {
    const { all, unread } = this.#namespaces.counts;
    return { read: 1 + all - unread, unread, reads: this.#hostReads + this.#namespaces.reads };
  }

  #socketsOf(words: Uint32Array, at: number, behind: number): NamespaceSockets | undefined {
    if (this.#leadHome.has(behind)) return this.#host;
    const sockets = this.#namespaces.behind(behind);
    if (sockets !== undefined) return sockets;
    return this.#host.hasAddress(words, at) ? this.#host : this.#namespaces.ownerOf(words, at);
  }

  get #isComplete(): boolean {
    return !this.#areAddressesDue && this.#hostReads > 0 && this.#namespaces.isComplete;
  }

  #readHostAddresses(nowMs: number): void {
    this.#addressesFromMs = nowMs + FIRST_PAUSE_MS;
    if (this.#host.readAddresses(this.#reader, CURRENT_NAMESPACE)) {
      this.#hostRevision++;
      this.#hostDueMs = Math.min(this.#hostDueMs, nowMs + FIRST_PAUSE_MS);
    }
    this.#areAddressesDue = false;
    const endMs = performance.now();
    this.#addressesFromMs = endMs + ADDRESS_REST * (endMs - nowMs);
  }

  #readHost(nowMs: number): void {
    this.#hostDueMs = nowMs + REFRESH_MS;
    this.#hostReads++;
    const atMs = Date.now();
    if (this.#host.readListeners(this.#reader, CURRENT_NAMESPACE)) this.#hostRevision++;
    if (this.#host.isCut) this.#warnOnce("more listening sockets than are read", { limit: MOST_LISTENERS });
    else this.#hostReadMs = atMs;
  }

  #warnOnce(message: string, fields: Readonly<Record<string, string | number>>): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#log.warn(message, fields);
  }
}
