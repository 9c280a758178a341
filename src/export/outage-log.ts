// Says once that a collector fails, and once that it is back; one that comes and goes fills no log.

import type { LogFields, Logger } from "../lib/log.ts";

/** Between two outages that are told. */
const QUIET_MS = 60_000;

export class OutageLog {
  readonly #log: Logger;
  readonly #fields: LogFields;
  #isOut = false;
  #isTold = false;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** @param fields of every line: which exporter, which host */
  constructor(log: Logger, fields: LogFields) {
    this.#log = log;
    this.#fields = fields;
  }

  /** An attempt failed. */
  begin(cause: Error): void {
    if (this.#isOut) return;
    this.#isOut = true;
    this.#isTold = performance.now() - this.#toldAt >= QUIET_MS;
    if (!this.#isTold) return;
    this.#toldAt = performance.now();
    this.#log.warn("cannot export", { ...this.#fields, error: cause.message });
  }

  /** An attempt was answered. */
  end(): void {
    if (!this.#isOut) return;
    this.#isOut = false;
    if (this.#isTold) this.#log.info("exporting again", this.#fields);
  }
}
