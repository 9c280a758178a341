// A collector inside a namespace, where the agent under test finds it on loopback.

import type { Namespace } from "./namespace.ts";
import type { TestProcess } from "./namespace-process.ts";

const PROGRAM: string = new URL("./namespace-receiver.ts", import.meta.url).pathname;

export interface Collector {
  readonly process: TestProcess;
  /** For `export.otlp.endpoint`. */
  readonly endpoint: string;
  /** Ends it and returns the spans that it took, or never answered, as JSON. */
  stop(): Promise<readonly unknown[]>;
}

/** Starts a collector that takes everything, or one that never answers. */
export async function startCollector(
  namespace: Namespace,
  behaviour: "accept" | "stall",
): Promise<Collector> {
  const started = namespace.start([process.execPath, PROGRAM, behaviour]);
  await started.until(({ output }) => output.includes("port "));
  const [, port] = /port (\d+)/.exec(started.output) ?? [];
  return {
    process: started,
    endpoint: `http://127.0.0.1:${port}`,
    stop: async () => {
      started.signal("SIGTERM");
      const { stdout } = await started.ended();
      const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
      return lines.map((line): unknown => JSON.parse(line));
    },
  };
}
