// A collector inside a namespace, where the agent under test finds it on loopback.

import type { Namespace } from "./namespace.ts";
import type { TestProcess } from "./namespace-process.ts";

const PROGRAM: string = new URL("./namespace-receiver.ts", import.meta.url).pathname;

export interface Collector {
  readonly process: TestProcess;
  /** For `export.otlp.endpoint`. */
  readonly endpoint: string;
  /** Spans that it has taken so far. */
  readonly taken: number;
  /** Ends it and returns the spans that it took, or never answered, as JSON. */
  stop(): Promise<readonly unknown[]>;
}

/** Starts a collector that takes everything, one that never answers, or one that takes ten requests a second. */
export async function startCollector(
  namespace: Namespace,
  behaviour: "accept" | "stall" | "late",
): Promise<Collector> {
  const started = namespace.start([process.execPath, PROGRAM, behaviour]);
  await started.until(({ output }) => output.includes("port "));
  const [, port] = /port (\d+)/.exec(started.output) ?? [];
  return {
    process: started,
    endpoint: `http://127.0.0.1:${port}`,
    get taken() {
      return Number([...started.output.matchAll(/^spans (\d+)$/gm)].at(-1)?.[1] ?? 0);
    },
    stop: async () => {
      started.signal("SIGTERM");
      const { stdout } = await started.ended();
      const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
      return lines.map((line): unknown => JSON.parse(line));
    },
  };
}
