// One kind, listed and then watched, for ever: pages, bookmarks, resumption, and a new list where the old place in the
// stream is gone. Comes in: the API server's JSON. Goes out: batches of changes. Never throws for what a peer does.

import { type BackoffRange, backoffAfter } from "../lib/backoff.ts";
import type { Logger } from "../lib/log.ts";
import { pause } from "../lib/pause.ts";
import { CutError, readBounded, readLines } from "./body.ts";
import { ApiError, type KubernetesClient } from "./client.ts";
import { tableAt, textOf } from "./json.ts";
import { KindStore, type Selection } from "./kind-store.ts";
import { ENDPOINTS_FACTS, KIND_FACTS, type KindFacts } from "./kinds.ts";
import type { Kind, ObjectEvent } from "./objects.ts";
import type { Waste } from "./waste.ts";

export interface WatchOptions {
  readonly client: KubernetesClient;
  readonly selection: Selection;
  /** Takes batches, in their order. */
  readonly accept: (events: readonly ObjectEvent[]) => void;
  readonly log: Logger;
  /** After a failure. */
  readonly backoff: BackoffRange;
  readonly waste: Waste;
}

interface Page {
  readonly bytes: number;
  readonly items: readonly unknown[];
  /** Where the next one begins; "" behind the last. */
  readonly next: string;
  readonly version: string;
}

/** absent: the API server does not serve the kind. forbidden: the agent may not read it. */
export type WatchState = "listing" | "synced" | "forbidden" | "absent";

/** Counted from the start. */
export interface WatchStats {
  state: WatchState;
  /** Why the last attempt failed; "" where it did not. */
  failure: string;
  /** Known now. */
  objects: number;
  readonly events: { added: number; modified: number; deleted: number };
  lists: number;
  watches: number;
  /** Of lists and of watches, decompressed. */
  bytes: number;
}

const PAGE_OBJECTS = 100;
const PAGE_BYTES = 256 * 1024 * 1024;
/** etcd takes no object above 1.5 MiB. */
const EVENT_BYTES = 16 * 1024 * 1024;
const LIST_TIMEOUT_MS = 60_000;
/** The API server ends a watch after so long, each agent's at another time. */
const WATCH_SECONDS = { least: 300, more: 300 };
/** A bookmark comes each minute: a stream that is silent for longer leads nowhere. */
const SILENCE_MS = 150_000;
/** A stream that lasted so long was none that failed. */
const STEADY_MS = 10_000;

/** A list begins anew: the API server has forgotten the place in the stream. */
const GONE = 410;

/** The watch of one kind. */
export class KindWatch {
  readonly kind: Kind;
  readonly stats: WatchStats = {
    state: "listing",
    failure: "",
    objects: 0,
    events: { added: 0, modified: 0, deleted: 0 },
    lists: 0,
    watches: 0,
    bytes: 0,
  };
  readonly #options: WatchOptions;
  readonly #accepted: { readonly list: string; readonly watch: string };
  readonly #store: KindStore;
  #facts: KindFacts;
  /** Place in the stream; "" before a list. */
  #version = "";
  #failures = 0;
  /** Status of the failure that was told last, 0 for no answer; undefined while all is well. */
  #told: number | undefined;

  /** @param isMetadataOnly the API server sends names, labels and owners alone */
  constructor(kind: Kind, isMetadataOnly: boolean, options: WatchOptions) {
    this.kind = kind;
    this.#options = options;
    this.#accepted = acceptOf(isMetadataOnly);
    this.#store = new KindStore(kind, options.selection);
    this.#facts = KIND_FACTS[kind];
  }

  /** Waits for so many ms, then lists and watches until `signal` is aborted. */
  async run(signal: AbortSignal, delay: number): Promise<void> {
    await pause(delay, signal);
    while (!signal.aborted) {
      let wait = 0;
      try {
        if (this.#version === "") await this.#list(signal);
        wait = await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        wait = this.#judge(error);
      }
      await pause(wait, signal);
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    this.stats.lists++;
    this.#store.beginList();
    let next = "";
    let version = "";
    do {
      const page = await this.#getPage(next, signal);
      const events: ObjectEvent[] = [];
      for (const item of page.items) {
        const event = this.#store.take(item);
        if (event !== undefined) events.push(event);
      }
      this.#tell(events);
      ({ next, version } = page);
      this.#options.waste.note(page.bytes);
    } while (next !== "");
    this.#tell(this.#store.endList());
    if (version === "") throw new Error("a list without a resourceVersion");
    this.#version = version;
    this.#succeed();
  }

  async #getPage(next: string, signal: AbortSignal): Promise<Page> {
    const response = await this.#options.client.get({
      path: pathOf(this.#facts),
      // Without a resourceVersion: newer API servers answer from memory, and older ones in pages, as they do not with "0".
      query: { limit: String(PAGE_OBJECTS), ...(next === "" ? {} : { continue: next }) },
      accept: this.#accepted.list,
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIST_TIMEOUT_MS)]),
    });
    const body = await readBounded(response, PAGE_BYTES);
    this.stats.bytes += body.length;
    const page: unknown = JSON.parse(decoder.decode(body));
    const { items } = tableAt(page);
    const metadata = tableAt(page, "metadata");
    if (!Array.isArray(items) && items !== null) throw new Error("a list without items");
    return {
      bytes: body.length,
      items: items ?? [],
      next: textOf(metadata["continue"]),
      version: textOf(metadata["resourceVersion"]),
    };
  }

  /** @returns how long to wait before the next stream, in ms */
  async #follow(signal: AbortSignal): Promise<number> {
    this.stats.watches++;
    const seconds = WATCH_SECONDS.least + Math.floor(Math.random() * WATCH_SECONDS.more);
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(new Error("the stream is silent")), SILENCE_MS);
    const began = performance.now();
    try {
      const response = await this.#options.client.get({
        path: pathOf(this.#facts),
        query: {
          watch: "1",
          allowWatchBookmarks: "true",
          resourceVersion: this.#version,
          timeoutSeconds: String(seconds),
        },
        accept: this.#accepted.watch,
        signal: AbortSignal.any([signal, silence.signal]),
      });
      this.#succeed();
      for await (const lines of readLines(response, EVENT_BYTES)) {
        timer.refresh();
        this.#takeLines(lines);
      }
    } catch (error) {
      // A stream may end at any time, and in any way.
      if (signal.aborted || !(error instanceof CutError)) throw error;
    } finally {
      clearTimeout(timer);
      if (performance.now() - began >= STEADY_MS) this.#failures = 0;
    }
    this.#failures++;
    const { first, longest } = this.#options.backoff;
    return backoffAfter(this.#failures, { first, longest: Math.min(longest, 5 * first) });
  }

  #takeLines(lines: readonly Uint8Array[]): void {
    const events: ObjectEvent[] = [];
    const before = this.stats.bytes;
    try {
      for (const line of lines) {
        this.stats.bytes += line.length + 1;
        const event = this.#takeLine(JSON.parse(decoder.decode(line)));
        if (event !== undefined) events.push(event);
      }
    } finally {
      // What came before a line that fails has moved the place in the stream.
      this.#tell(events);
      this.#options.waste.note(this.stats.bytes - before);
    }
  }

  #takeLine(line: unknown): ObjectEvent | undefined {
    const { type, object } = tableAt(line);
    if (type === "ERROR") {
      const { code, message } = tableAt(object);
      const status = typeof code === "number" ? code : 500;
      throw new ApiError(`${status} ${textOf(message).slice(0, 300)}`, { status });
    }
    const event =
      type === "DELETED"
        ? this.#store.remove(object)
        : type === "ADDED" || type === "MODIFIED"
          ? this.#store.take(object)
          : undefined;
    const version = textOf(tableAt(object, "metadata")["resourceVersion"]);
    if (version !== "") this.#version = version;
    return event;
  }

  #tell(events: readonly ObjectEvent[]): void {
    this.stats.objects = this.#store.size;
    for (const { type } of events) this.stats.events[type]++;
    if (events.length > 0) this.#options.accept(events);
  }

  #succeed(): void {
    this.stats.state = "synced";
    this.stats.failure = "";
    if (this.#told === undefined) return;
    this.#told = undefined;
    this.#options.log.info("kubernetes: watching again", { kind: this.kind });
  }

  /** @returns how long to wait before the next attempt, in ms */
  #judge(error: unknown): number {
    this.#failures++;
    const { backoff } = this.#options;
    const wait = backoffAfter(this.#failures, backoff);
    if (!(error instanceof ApiError)) return this.#fail(error, wait);
    if (error.status === GONE) {
      this.#version = "";
      return wait;
    }
    if (error.status === 404) return this.#leave(wait);
    if (error.status === 403) {
      this.stats.state = "forbidden";
      // An API server that has just begun knows no rights yet; a right that stays missing is asked for seldom.
      const isNew = wait < backoff.longest / 2;
      return this.#fail(error, isNew ? wait : backoff.longest * (1 + Math.random()));
    }
    // All agents are told the same, in whole seconds: chance keeps them apart.
    return this.#fail(error, Math.max(wait, (error.retryAfterMs ?? 0) * (1 + Math.random() / 2)));
  }

  /** The first failure of a sort is told, those that follow it are not. */
  #fail(error: unknown, wait: number): number {
    const { log } = this.#options;
    const sort = error instanceof ApiError ? error.status : 0;
    const tell = this.#told === sort ? log.debug : log.warn;
    this.#told = sort;
    const reason = error instanceof Error ? error.message : String(error);
    this.stats.failure = reason;
    tell(`kubernetes: cannot watch ${this.#facts.resource}: ${reason}`, { kind: this.kind });
    return wait;
  }

  /** The kind is not served, or no more; a custom resource may come later. */
  #leave(wait: number): number {
    this.#version = "";
    if (this.kind === "EndpointSlice" && this.#facts !== ENDPOINTS_FACTS) {
      this.#facts = ENDPOINTS_FACTS;
      return wait;
    }
    this.#facts = KIND_FACTS[this.kind];
    this.stats.state = "absent";
    this.stats.failure = "";
    this.#tell(this.#store.clear());
    return this.#options.backoff.longest * (1 + Math.random());
  }
}

const decoder = new TextDecoder();

function pathOf({ group, version, resource }: KindFacts): string {
  return group === "" ? `/api/${version}/${resource}` : `/apis/${group}/${version}/${resource}`;
}

function acceptOf(isMetadataOnly: boolean): { readonly list: string; readonly watch: string } {
  if (!isMetadataOnly) return { list: "application/json", watch: "application/json" };
  const partial = (as: string): string => `application/json;as=${as};g=meta.k8s.io;v=v1`;
  return { list: partial("PartialObjectMetadataList"), watch: partial("PartialObjectMetadata") };
}
