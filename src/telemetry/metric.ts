// What one metric is; the table of them is metrics.ts.

import type { Snapshot } from "./snapshot.ts";

/** One value of a metric; `labels` in the order of the metric's own. */
export interface Sample {
  readonly labels: readonly string[];
  readonly value: number;
}

export interface Metric {
  /** As it is scraped: a counter's ends in `_total`. */
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly labels: readonly string[];
  /** No sample where there is nothing to say yet. */
  readonly samples: (snapshot: Snapshot) => readonly Sample[];
}
