// Says once that a collector fails, and once that it is back; one that comes and goes fills no log.

import type { LogFields, Logger } from "../lib/log.ts";

/** Between two lines that tell of failures. */
const QUIET_MS = 60_000;

export class OutageLog {
  readonly #log: Logger;
  readonly #fields: LogFields;
  #isOut = false;
  /** Why, as the log has it of this outage; undefined while it has nothing of it. */
  #told: string | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** @param fields of every line: which exporter, which host */
  constructor(log: Logger, fields: LogFields) {
    this.#log = log;
    this.#fields = fields;
  }

  /** An attempt failed. An outage that began in quiet time is told once that is over, and so is another cause. */
  fail({ message }: Error): void {
    this.#isOut = true;
    const now = performance.now();
    if (message === this.#told || now - this.#toldAt < QUIET_MS) return;
    this.#told = message;
    this.#toldAt = now;
    this.#log.warn("cannot export", { ...this.#fields, error: message });
  }

  /** An attempt was answered. */
  end(): void {
    if (!this.#isOut) return;
    this.#isOut = false;
    if (this.#told !== undefined) this.#log.info("exporting again", this.#fields);
    this.#told = undefined;
  }
}
