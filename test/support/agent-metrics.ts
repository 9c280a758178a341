// The agent's own metrics, read from inside its namespace.

import type { Namespace } from "./namespace.ts";

/** Where an agent under test serves metrics, in its own namespace. */
export const METRICS_ADDRESS = "127.0.0.1:9464";

/** Value by series, as `name{label="value",…}`. */
export type Metrics = ReadonlyMap<string, number>;

/** Reads `/metrics`. @throws Error where it does not answer or a line is no sample. */
export function readMetrics(namespace: Namespace): Metrics {
  const text = namespace.run("curl", "--silent", "--fail", `http://${METRICS_ADDRESS}/metrics`);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const [, series, value] = /^(\S+) (\S+)$/.exec(line) ?? [];
      if (series === undefined) throw new Error(`no sample: ${line}`);
      return [series, Number(value)];
    }),
  );
}
