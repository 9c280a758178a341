// One kind, listed and then watched, for ever: pages, bookmarks, resumption, and a new list where the old place in the
// stream is gone. Comes in: the API server's JSON. Goes out: batches of changes. Never throws for what a peer does.

import { type BackoffRange, backoffAfter } from "../lib/backoff.ts";
import { pause } from "../lib/pause.ts";
import { CutError, readLines } from "./body.ts";
import { ApiError, type KubernetesClient } from "./client.ts";
import { tableAt, textOf } from "./json.ts";
import { KindStore, type Selection } from "./kind-store.ts";
import { ENDPOINTS_FACTS, KIND_FACTS, type KindFacts } from "./kinds.ts";
import { getPage } from "./list-page.ts";
import type { Kind, ObjectEvent } from "./objects.ts";
import type { Waste } from "./waste.ts";
import type { WatchLog } from "./watch-log.ts";
import { WatchPlace } from "./watch-place.ts";

export interface WatchOptions {
  readonly client: KubernetesClient;
  readonly selection: Selection;
  /** Takes batches, in their order. */
  readonly accept: (events: readonly ObjectEvent[]) => void;
  readonly log: WatchLog;
  /** After a failure. */
  readonly backoff: BackoffRange;
  readonly waste: Waste;
  /** A stream without a line for so long is given up, in ms. */
  readonly silenceMs: number;
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
  /** When the last list was complete, ms since 1970; Infinity before, and as long as another one is under way. */
  listedMs: number;
  watches: number;
  /** Of lists and of watches, decompressed. */
  bytes: number;
}

/** etcd takes no object above 1.5 MiB. */
const EVENT_BYTES = 16 * 1024 * 1024;
/** The API server ends a watch after so long, each agent's at another time. */
const WATCH_SECONDS = { least: 300, more: 300 };
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
    listedMs: Number.POSITIVE_INFINITY,
    watches: 0,
    bytes: 0,
  };
  readonly #options: WatchOptions;
  readonly #accepted: { readonly list: string; readonly watch: string };
  readonly #store: KindStore;
  readonly #place: WatchPlace = new WatchPlace();
  #facts: KindFacts;
  #failures = 0;
  /** The last stream failed behind its head: another head, or a list, says nothing of the next one. */
  #isStreamBad = false;

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
        if (this.#place.version === "") await this.#list(signal);
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
    this.stats.listedMs = Number.POSITIVE_INFINITY;
    this.#store.beginList();
    let [next, version] = ["", ""];
    do {
      const page = await getPage(this.#options.client, {
        path: pathOf(this.#facts),
        accept: this.#accepted.list,
        from: next,
        signal,
      });
      this.stats.bytes += page.bytes;
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
    this.#place.begin(version);
    this.stats.listedMs = Date.now();
    this.#succeed();
  }

  /** @returns how long to wait before the next stream, in ms */
  async #follow(signal: AbortSignal): Promise<number> {
    this.stats.watches++;
    const seconds = WATCH_SECONDS.least + Math.floor(Math.random() * WATCH_SECONDS.more);
    const silence = new AbortController();
    const reason = new Error("the stream is silent");
    const timer = setTimeout(() => silence.abort(reason), this.#options.silenceMs);
    const began = performance.now();
    let isAnswered = false;
    try {
      const response = await this.#options.client.get({
        path: pathOf(this.#facts),
        query: {
          watch: "1",
          allowWatchBookmarks: "true",
          resourceVersion: this.#place.version,
          timeoutSeconds: String(seconds),
        },
        accept: this.#accepted.watch,
        signal: AbortSignal.any([signal, silence.signal]),
      });
      isAnswered = true;
      this.#succeed();
      for await (const lines of readLines(response, EVENT_BYTES)) {
        this.#takeLines(lines);
        // Bytes that make no line are as good as none.
        if (lines.length === 0) continue;
        timer.refresh();
        this.#mend();
      }
    } catch (error) {
      // A stream may end at any time, and in any way.
      if (signal.aborted || !(error instanceof CutError)) {
        this.#isStreamBad = isAnswered;
        throw error;
      }
    } finally {
      clearTimeout(timer);
      if (performance.now() - began >= STEADY_MS) this.#failures = 0;
    }
    this.#mend();
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
    this.#place.advance(textOf(tableAt(object, "metadata")["resourceVersion"]));
    return event;
  }

  #tell(events: readonly ObjectEvent[]): void {
    this.stats.objects = this.#store.size;
    for (const { type } of events) this.stats.events[type]++;
    if (events.length > 0) this.#options.accept(events);
  }

  #succeed(): void {
    this.stats.state = "synced";
    if (this.#isStreamBad) return;
    this.stats.failure = "";
    this.#options.log.succeed(this.kind);
  }

  #mend(): void {
    if (!this.#isStreamBad) return;
    this.#isStreamBad = false;
    this.#succeed();
  }

  /** @returns how long to wait before the next attempt, in ms */
  #judge(error: unknown): number {
    this.#failures++;
    const { backoff } = this.#options;
    const wait = backoffAfter(this.#failures, backoff);
    const status = error instanceof ApiError ? error.status : 0;
    if (status === GONE) {
      this.#place.forget();
      // Slices may be served by now.
      this.#facts = KIND_FACTS[this.kind];
      return wait;
    }
    if (status === 404) return this.#miss(error, wait);
    this.#place.fail(error);
    if (status === 403) {
      this.stats.state = "forbidden";
      // An API server that has just begun knows no rights yet; a right that stays missing is asked for seldom.
      const isNew = wait < backoff.longest / 2;
      return this.#fail(error, isNew ? wait : backoff.longest * (1 + Math.random()));
    }
    // All agents are told the same, in whole seconds: chance keeps them apart.
    const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    return this.#fail(error, Math.max(wait, asked * (1 + Math.random() / 2)));
  }

  #fail(error: unknown, wait: number): number {
    this.stats.failure = error instanceof Error ? error.message : String(error);
    this.#options.log.fail(this.kind, this.#facts.resource, error);
    return wait;
  }

  /** Nothing is served at the kind's path: only of some kinds is that no failure. */
  #miss(error: unknown, wait: number): number {
    const isSlices = this.#facts === KIND_FACTS.EndpointSlice;
    if (!isSlices && !this.#facts.isOptional) {
      this.#facts = KIND_FACTS[this.kind];
      return this.#fail(error, wait);
    }
    if (this.#place.version !== "") {
      // It was served: what answers for a restarting API server says so too. A list decides.
      this.#place.forget();
      return wait;
    }
    if (isSlices) {
      this.#facts = ENDPOINTS_FACTS;
      return wait;
    }
    this.stats.state = "absent";
    this.stats.failure = "";
    this.#options.log.succeed(this.kind);
    this.#tell(this.#store.clear());
    // A custom resource may come later.
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
