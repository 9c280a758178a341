// All watches of one cluster: one a kind, started apart from each other, ended together.

import type { BackoffRange } from "../lib/backoff.ts";
import type { Logger } from "../lib/log.ts";
import type { KubernetesClient } from "./client.ts";
import type { Selection } from "./kind-store.ts";
import type { Kind, ObjectEvent } from "./objects.ts";
import type { PlannedKind } from "./plan.ts";
import { Waste } from "./waste.ts";
import { KindWatch, type WatchStats } from "./watch.ts";
import { WatchLog } from "./watch-log.ts";

export interface ClusterWatchOptions {
  readonly client: KubernetesClient;
  readonly kinds: readonly PlannedKind[];
  readonly selection: Selection;
  /** Takes batches of one kind each, in the order of its changes; kinds come in any order. */
  readonly accept: (events: readonly ObjectEvent[]) => void;
  readonly log: Logger;
  /** After a failure; 1 s to 60 s by default. */
  readonly backoff?: BackoffRange;
  /** The first list begins at a time of its own within it, in ms; 2 s by default: agents start together, on all nodes. */
  readonly spreadMs?: number;
  /** A stream that is silent for longer, in ms, leads nowhere; 150 s by default: a bookmark comes each minute. */
  readonly silenceMs?: number;
}

const BACKOFF: BackoffRange = { first: 1000, longest: 60_000 };
const SPREAD_MS = 2000;
const SILENCE_MS = 150_000;

/** The cluster as it is told, until it is disposed. Constructing begins it; nothing of it ever throws. */
export class ClusterWatch implements AsyncDisposable {
  readonly #watches: readonly KindWatch[];
  readonly #ending = new AbortController();
  readonly #ended: Promise<unknown>;

  constructor(options: ClusterWatchOptions) {
    const { kinds, backoff = BACKOFF, spreadMs = SPREAD_MS, silenceMs = SILENCE_MS } = options;
    const shared = { ...options, backoff, silenceMs, waste: new Waste(), log: new WatchLog(options.log) };
    this.#watches = kinds.map(({ kind, isMetadataOnly }) => new KindWatch(kind, isMetadataOnly, shared));
    const { signal } = this.#ending;
    // One spread for all: on one node the first list is waited for by the others in any case.
    const wait = Math.random() * spreadMs;
    this.#ended = Promise.all(this.#watches.map((watch) => watch.run(signal, wait)));
  }

  /** Whether every list of what is served, and may be read, was complete once; false where nothing may be read. */
  get isSynced(): boolean {
    const states = new Set(this.#watches.map(({ stats }) => stats.state));
    return !states.has("listing") && (states.has("synced") || !states.has("forbidden"));
  }

  /** Of each kind; the same objects each time, that change. */
  get stats(): ReadonlyMap<Kind, Readonly<WatchStats>> {
    return new Map(this.#watches.map(({ kind, stats }) => [kind, stats]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#ended;
  }
}
