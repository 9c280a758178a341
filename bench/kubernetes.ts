// What a large cluster costs: the directory alone (bench/cluster.ts, a process of its own), and the whole agent.

import { join } from "node:path";
import { measureClusterAgent } from "./cluster-agent.ts";
import { run } from "./command.ts";
import type { Ground, Measurement } from "./figure.ts";

/** Loads the cluster, looks up and changes it; reads what is printed. Then the shipped agent beside an API server. */
export async function measureKubernetes(ground: Ground): Promise<Measurement> {
  const output = await run(process.execPath, join(import.meta.dir, "cluster.ts"));
  const read = (name: string): number => {
    const match = new RegExp(`^${name} (-?[\\d.]+)$`, "m").exec(output);
    if (match === null) throw new Error(`bench/cluster.ts prints no "${name}"`);
    return Number(match[1]);
  };
  return {
    title: "A large cluster",
    method:
      "20,000 dual-stack pods, 5,000 Services, 1,000 nodes, 500 NetworkPolicies, 4,000 owners; first directory and attribution alone, then the shipped agent beside an API server that tells 100 changes of pods a second.",
    figures: [
      { name: "resident memory", value: read("resident-mb"), unit: "MB", reach: { atMost: 80 } },
      { name: "resident memory of attributes of 1,024 pods", value: read("attributes-mb"), unit: "MB" },
      { name: "resident memory of 100,000 flows remembered", value: read("flows-mb"), unit: "MB" },
      { name: "time to take all objects in", value: read("load-ms"), unit: "ms", reach: { atMost: 10_000 } },
      { name: "look-up of an address", value: read("lookup-ns"), unit: "ns", reach: { atMost: 1000 } },
      { name: "attributes of both ends of a record", value: read("record-ns"), unit: "ns" },
      { name: "its policies", value: read("policies-ns"), unit: "ns", reach: { atMost: 1000 } },
      { name: "a change", value: read("change-us"), unit: "µs" },
      { name: "the longest of 20,000 changes", value: read("longest-change-ms"), unit: "ms" },
      ...(await measureClusterAgent(ground)),
    ],
  };
}
