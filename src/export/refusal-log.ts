// Says what a collector refuses, one line a minute for each sort of it: a wrong token must not fill the log.

import type { LogFields, Logger } from "../lib/log.ts";

/** Between two lines of one sort; what comes meanwhile is in the next one. */
const QUIET_MS = 60_000;

interface Told {
  at: number;
  /** Spans since then. */
  spans: number;
}

export class RefusalLog {
  readonly #log: Logger;
  readonly #fields: LogFields;
  readonly #told: Map<string, Told> = new Map();

  /** @param fields of every line */
  constructor(log: Logger, fields: LogFields) {
    this.#log = log;
    this.#fields = fields;
  }

  /** @param sort in words, the line's message @param error what the collector said */
  warn(sort: string, spans: number, error: string): void {
    const now = performance.now();
    const told = this.#told.get(sort) ?? { at: Number.NEGATIVE_INFINITY, spans: 0 };
    this.#told.set(sort, told);
    told.spans += spans;
    if (now - told.at < QUIET_MS) return;
    this.#log.warn(sort, { ...this.#fields, spans: told.spans, error });
    told.at = now;
    told.spans = 0;
  }
}
