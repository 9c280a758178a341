// What is told of failures of the watches of one cluster: each sort once while it lasts, for most meet all kinds at a
// time.

import type { Logger } from "../lib/log.ts";
import { ApiError } from "./client.ts";
import type { Kind } from "./objects.ts";

export class WatchLog {
  readonly #log: Logger;
  /** Of each kind that fails. */
  readonly #sorts: Map<Kind, string> = new Map();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The first failure of a sort is told, those that follow it while a kind has it are not. */
  fail(kind: Kind, resource: string, error: unknown): void {
    const sort = sortOf(kind, error);
    const tell = this.#has(sort) ? this.#log.debug : this.#log.warn;
    this.#sorts.set(kind, sort);
    const reason = error instanceof Error ? error.message : String(error);
    tell(`kubernetes: cannot watch ${resource}: ${reason}`, { kind });
  }

  /** The kind does not fail, or no more. */
  succeed(kind: Kind): void {
    const sort = this.#sorts.get(kind);
    if (sort === undefined) return;
    this.#sorts.delete(kind);
    if (!this.#has(sort)) this.#log.info("kubernetes: watching again", { kind });
  }

  #has(sort: string): boolean {
    return this.#sorts.values().some((other) => other === sort);
  }
}

/** A right is missing for each kind by itself. */
function sortOf(kind: Kind, error: unknown): string {
  if (!(error instanceof ApiError)) return "no answer";
  return error.status === 403 ? `403 ${kind}` : String(error.status);
}
