// A watch of a cluster with what it told, kept as it would be by whoever listens.

import * as v from "valibot";
import { KubernetesClient } from "../../src/kubernetes/client.ts";
import { ClusterWatch } from "../../src/kubernetes/cluster-watch.ts";
import { type KubernetesConfig, kubernetesSchema } from "../../src/kubernetes/config.ts";
import type { ClusterAccess } from "../../src/kubernetes/credentials.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import type { Kind, ObjectEvent } from "../../src/kubernetes/objects.ts";
import { planKinds, planSelection } from "../../src/kubernetes/plan.ts";
import type { WatchStats } from "../../src/kubernetes/watch.ts";
import { createLogger } from "../../src/lib/log.ts";

export interface WatcherOptions {
  /** As in TOML. */
  readonly config?: object;
  /** Only these of the kinds that the config needs. */
  readonly kinds?: readonly Kind[];
  readonly backoff?: { readonly first: number; readonly longest: number };
  readonly silenceMs?: number;
}

const DEADLINE_MS = 30_000;

/** Mirrors the cluster from the events alone. */
export class Watcher implements AsyncDisposable {
  readonly events: (ObjectEvent & { readonly name: string | undefined })[] = [];
  readonly lines: string[] = [];
  readonly #objects: Map<Kind, Map<string, KubernetesObject>> = new Map();
  readonly #watch: ClusterWatch;

  constructor(access: ClusterAccess, options: WatcherOptions = {}) {
    const config: KubernetesConfig = v.parse(kubernetesSchema, options.config ?? {});
    const { kinds, backoff = { first: 50, longest: 500 }, silenceMs } = options;
    this.#watch = new ClusterWatch({
      client: new KubernetesClient(access, "mermin/test"),
      kinds: planKinds(config).filter(({ kind }) => kinds?.includes(kind) ?? true),
      selection: planSelection(config),
      accept: (events) => this.#accept(events),
      log: createLogger({ level: "info", format: "text", write: (line) => this.lines.push(line) }),
      backoff,
      spreadMs: 10,
      ...(silenceMs === undefined ? {} : { silenceMs }),
    });
  }

  get isSynced(): boolean {
    return this.#watch.isSynced;
  }

  statsOf(kind: Kind): Readonly<WatchStats> {
    const stats = this.#watch.stats.get(kind);
    if (stats === undefined) throw new Error(`${kind} is not watched`);
    return stats;
  }

  get kinds(): readonly Kind[] {
    return [...this.#watch.stats.keys()];
  }

  /** What is there now by what was told. */
  objects(kind: Kind): readonly KubernetesObject[] {
    return [...(this.#objects.get(kind)?.values() ?? [])];
  }

  /** Their names, in order. */
  names(kind: Kind): readonly string[] {
    return this.objects(kind)
      .map(({ name }) => name)
      .toSorted();
  }

  find(kind: Kind, name: string): KubernetesObject | undefined {
    return this.objects(kind).find((object) => object.name === name);
  }

  async until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!condition()) {
      if (performance.now() > deadline) {
        const states = [...this.#watch.stats].map(([kind, stats]) => `${kind}: ${JSON.stringify(stats)}`);
        throw new Error(
          `not within ${DEADLINE_MS} ms: ${condition}\n${states.join("\n")}\n${this.lines.join("")}`,
        );
      }
      await Bun.sleep(10);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch[Symbol.asyncDispose]();
  }

  /** As a directory would: an object that is told twice as new, or as gone and was not there, is a mistake. */
  #accept(events: readonly ObjectEvent[]): void {
    for (const event of events) {
      const objects = this.#objects.get(event.kind) ?? new Map<string, KubernetesObject>();
      this.#objects.set(event.kind, objects);
      const before = objects.get(event.object.uid);
      const name = event.type === "deleted" ? before?.name : event.object.name;
      if ((before !== undefined) === (event.type === "added")) {
        throw new Error(
          `${event.type} ${event.kind} ${name ?? event.object.uid}, which is ${event.type === "added" ? "known" : "not"}`,
        );
      }
      if (event.type === "deleted") objects.delete(event.object.uid);
      else objects.set(event.object.uid, event.object);
      this.events.push({ ...event, name });
    }
  }
}
