// Interfaces driven by a test itself, in its own thread: turned until what is waited for has come.

import type { WatchConfig } from "../../src/capture/config.ts";
import { Interfaces } from "../../src/capture/interfaces.ts";
import type { Probe } from "../../src/capture/probe.ts";
import { createLogger } from "../../src/lib/log.ts";

const DEADLINE_MS = 20_000;

/** As the config's defaults. */
export const WATCH_DEFAULTS: WatchConfig = {
  interfaces: [],
  exclude: [],
  auto_discover: true,
  attach_mode: "auto",
  tcx_order: "first",
  tc_priority: 1,
};

/** Interfaces of a probe, their log, and a clock that runs faster than time where a test wants it to. */
export class Watching {
  readonly interfaces: Interfaces;
  /** Lines of the log. */
  readonly lines: string[] = [];
  #skippedMs = 0;

  constructor(probe: Probe, config: Partial<WatchConfig> = {}) {
    const write = (line: string): void => void this.lines.push(line);
    const log = createLogger({ level: "info", format: "text", write });
    this.interfaces = new Interfaces(probe, { ...WATCH_DEFAULTS, ...config }, log);
  }

  /** Has the next turn find that so much time has passed. */
  skip(ms: number): void {
    this.#skippedMs += ms;
  }

  turn(): boolean {
    return this.interfaces.turn(performance.now() + this.#skippedMs);
  }

  /** Turns until `condition` holds. @throws Error with the log past the deadline. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      this.turn();
      if (condition()) return;
      if (performance.now() > deadline) throw new Error(`not in time: ${condition}\n${this.lines.join("")}`);
      await Bun.sleep(1);
    }
  }

  /** Turns until every interface that matches was tried. */
  settled(): Promise<void> {
    return this.until(() => this.interfaces.isSettled);
  }

  /** Whether a line of the log has the text. */
  says(text: string): boolean {
    return this.lines.some((line) => line.includes(text));
  }
}
