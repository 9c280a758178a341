// Spans encoded a second, beside the official serializer: bench/encode.ts as a process of its own.

import { join } from "node:path";
import { run } from "./command.ts";
import type { Measurement } from "./figure.ts";

const ROUNDS = 160;

/** Runs the encoders in turns and reads what is printed. */
export async function measureEncoding(): Promise<Measurement> {
  const output = await run(process.execPath, join(import.meta.dir, "encode.ts"), String(ROUNDS));
  const read = (name: string): number => {
    const match = new RegExp(`^${name}\\s+([\\d.]+)`, "m").exec(output);
    if (match === null) throw new Error(`bench/encode.ts prints no "${name}"`);
    return Number(match[1]);
  };
  const ours = read("ours");
  const official = read("official");
  return {
    title: "Spans encoded",
    method: `${output.split("\n")[0]}; CPU of all threads, means, both encoders in turns.`,
    figures: [
      { name: "official serializer to ours, time of a span", value: official / ours, unit: "×" },
      { name: "ours, a span", value: ours, unit: "µs" },
      { name: "official, a span", value: official, unit: "µs" },
      { name: "ours, a span of a flow in a tunnel", value: read("tunnel"), unit: "µs" },
      { name: "ours, a span in JSON", value: read("json"), unit: "µs" },
      { name: "ours, a log record", value: read("logs"), unit: "µs" },
      { name: "a record added to the sums of flow metrics", value: read("sums"), unit: "µs" },
      { name: "ours, spans", value: 1e6 / ours, unit: "/s" },
    ],
  };
}
