// The network namespaces behind the watched interfaces: which there are, where they are to be found, who listens in
// them. Comes in: interfaces. Goes out: look-ups without allocation. One is read, or a search goes on, at each turn.

import { AddressTable } from "./address-table.ts";
import type { Link } from "./links.ts";
import { openNamespace, type SearchResult, searchNamespaces } from "./namespace-search.ts";
import { NamespaceSockets } from "./namespace-sockets.ts";
import { ERRNO, ShimError } from "./shim-error.ts";
import type { SocketReader } from "./socket-reader.ts";

/** One namespace. */
interface Namespace {
  /** What the kernel calls it here (IFLA_LINK_NETNSID). */
  readonly id: number;
  readonly sockets: NamespaceSockets;
  /** A file of it; undefined: to be searched for. */
  path: string | undefined;
  isTried: boolean;
  isRead: boolean;
  /** When to look at it next, in ms of `performance.now`, and how long to wait after that. */
  dueMs: number;
  pauseMs: number;
}

interface Search {
  readonly wanted: readonly Namespace[];
  readonly steps: Generator<void, SearchResult, void>;
}

export interface NamespacesOptions {
  readonly reader: SocketReader;
  /** Told why a namespace cannot be read. */
  readonly onUnread: (reason: string) => void;
}

/** Sockets tell of no change: all are read this often, in ms. */
export const REFRESH_MS = 30_000;
/** A namespace that is new opens its sockets soon: read after this, then after twice as long, up to the above. */
export const FIRST_PAUSE_MS = 1000;

/** What a search takes of a turn. */
const SEARCH_MS = 2;
/** Interfaces remembered that have gone: their flows are told after them. */
const GONE = 1024;

/** Namespaces by the interfaces that lead there. */
export class Namespaces {
  /** Rises with every change of what the look-ups answer. */
  revision = 0;
  /** Namespaces read, ever. */
  reads = 0;
  readonly #options: NamespacesOptions;
  /** Those that have gone included. */
  readonly #byInterface: Map<number, Namespace> = new Map();
  /** Those that are there. */
  #byId: Map<number, Namespace> = new Map();
  readonly #owners: AddressTable<NamespaceSockets> = new AddressTable();
  #search: Search | undefined;
  #dueMs = 0;

  constructor(options: NamespacesOptions) {
    this.#options = options;
  }

  /** Namespaces that are there, and how many of them could not be read. */
  get counts(): { readonly all: number; readonly unread: number } {
    let unread = 0;
    for (const { isRead } of this.#byId.values()) if (!isRead) unread++;
    return { all: this.#byId.size, unread };
  }

  /** Whether each was read once, or cannot be. */
  get isComplete(): boolean {
    for (const { isTried } of this.#byId.values()) if (!isTried) return false;
    return true;
  }

  /** Who is behind an interface, or was before it went; undefined where that is not known. */
  behind(ifindex: number): NamespaceSockets | undefined {
    return this.#byInterface.get(ifindex)?.sockets;
  }

  /** Who alone has an address; undefined where nobody or several have it. */
  ownerOf(words: Uint32Array, at: number): NamespaceSockets | undefined {
    return this.#owners.ownerOf(words, at);
  }

  hasAddress(words: Uint32Array, at: number): boolean {
    return this.#owners.has(words, at);
  }

  /** Takes note of the interfaces that lead to other namespaces, all of them. */
  follow(links: readonly Link[]): void {
    const byId = new Map<number, Namespace>();
    for (const { ifindex, parentNamespace } of links) {
      const known = this.#byInterface.get(ifindex);
      // An id is given anew once its namespace is gone.
      if (known !== undefined && known === this.#byId.get(parentNamespace)) byId.set(known.id, known);
    }
    for (const { ifindex, parentNamespace } of links) {
      const namespace = byId.get(parentNamespace) ?? this.#make(parentNamespace);
      byId.set(parentNamespace, namespace);
      this.#byInterface.delete(ifindex);
      this.#byInterface.set(ifindex, namespace);
    }
    for (const [id, gone] of this.#byId) if (byId.get(id) !== gone) this.#disown(gone.sockets);
    for (const ifindex of this.#byInterface.keys()) {
      if (this.#byInterface.size <= links.length + GONE) break;
      this.#byInterface.delete(ifindex);
    }
    this.#byId = byId;
    this.#dueMs = 0;
  }

  /** Reads one namespace, or searches for a while, if anything is due. */
  turn(nowMs: number): void {
    if (this.#search !== undefined) this.#continueSearch(this.#search, nowMs);
    else if (nowMs >= this.#dueMs) this.#visitNext(nowMs);
  }

  #make(id: number): Namespace {
    const sockets = new NamespaceSockets();
    const pauseMs = FIRST_PAUSE_MS / 2;
    return { id, sockets, path: undefined, isTried: false, isRead: false, dueMs: 0, pauseMs };
  }

  /** Reads the one that has waited longest, or begins a search where its file is not known. */
  #visitNext(nowMs: number): void {
    const all = [...this.#byId.values()];
    const next = all.reduce<Namespace | undefined>(
      (first, each) => (first === undefined || each.dueMs < first.dueMs ? each : first),
      undefined,
    );
    this.#dueMs = next?.dueMs ?? Number.POSITIVE_INFINITY;
    if (next === undefined || next.dueMs > nowMs) return;
    this.#dueMs = 0;
    if (next.path !== undefined) {
      this.#read(next, next.path, nowMs);
      return;
    }
    const wanted = all.filter(({ path }) => path === undefined);
    const ids = new Set(wanted.map(({ id }) => id));
    this.#search = { wanted, steps: searchNamespaces(this.#options.reader, ids) };
  }

  #read(namespace: Namespace, path: string, nowMs: number): void {
    const { reader, onUnread } = this.#options;
    postpone(namespace, nowMs);
    try {
      openNamespace(path, (fd) => {
        if (reader.namespaceId(fd) === namespace.id) this.#readSockets(namespace, fd);
        else namespace.path = undefined;
      });
    } catch (error) {
      if (error instanceof ShimError)
        onUnread(error.errno === ERRNO.perm ? "CAP_SYS_ADMIN is missing" : error.message);
      // The process has ended; another one may be there.
      else namespace.path = undefined;
    }
    if (namespace.path === undefined) namespace.dueMs = nowMs;
    else namespace.isTried = true;
  }

  #readSockets(namespace: Namespace, fd: number): void {
    const { reader } = this.#options;
    const { sockets } = namespace;
    this.reads++;
    if (sockets.readListeners(reader, fd)) this.revision++;
    const before = sockets.addressWords;
    if (sockets.readAddresses(reader, fd)) {
      for (let at = 0; at < before.length; at += 4) this.#owners.remove(before, at, sockets);
      const after = sockets.addressWords;
      for (let at = 0; at < after.length; at += 4) this.#owners.add(after, at, sockets);
      this.revision++;
    }
    namespace.isRead = true;
  }

  #disown(sockets: NamespaceSockets): void {
    const words = sockets.addressWords;
    for (let at = 0; at < words.length; at += 4) this.#owners.remove(words, at, sockets);
  }

  #continueSearch({ wanted, steps }: Search, nowMs: number): void {
    let step = steps.next();
    while (step.done !== true && performance.now() - nowMs < SEARCH_MS) step = steps.next();
    if (step.done !== true) return;
    this.#search = undefined;
    this.#dueMs = 0;
    const { paths, denied } = step.value;
    for (const namespace of wanted) {
      namespace.path = paths.get(namespace.id);
      if (namespace.path !== undefined) continue;
      postpone(namespace, nowMs);
      namespace.isTried = true;
      const isThere = this.#byId.get(namespace.id) === namespace;
      if (isThere) this.#options.onUnread(denied > 0 ? DENIED : "no process and no name leads there");
    }
  }
}

const DENIED = "CAP_SYS_PTRACE and CAP_SYS_ADMIN are missing";

function postpone(namespace: Namespace, nowMs: number): void {
  namespace.pauseMs = Math.min(namespace.pauseMs * 2, REFRESH_MS);
  namespace.dueMs = nowMs + namespace.pauseMs;
}
