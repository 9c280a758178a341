// What an agent has in the kernel while it runs, to see that nothing of it stays.

import { readdirSync, readFileSync } from "node:fs";
import { runCommand } from "./namespace-process.ts";

const KINDS = ["prog", "map", "link"] as const;

/** Ids of BPF programs, maps and links. */
export type KernelTraces = Readonly<Record<(typeof KINDS)[number], readonly number[]>>;

/** Reads what a process holds open. */
export function readTraces(pid: number): KernelTraces {
  const folder = `/proc/${pid}/fdinfo`;
  const text = readdirSync(folder)
    .map((name) => readQuietly(`${folder}/${name}`))
    .join("\n");
  const ids = (kind: string): readonly number[] => {
    const lines = [...text.matchAll(new RegExp(`^${kind}_id:\\s*(\\d+)$`, "gm"))];
    return [...new Set(lines.map(([, id]) => Number(id)))];
  };
  return { prog: ids("prog"), map: ids("map"), link: ids("link") };
}

/** Those of them that the kernel still has. It frees them a moment after they are let go. */
export function leftOf(traces: KernelTraces): KernelTraces {
  const left = (kind: (typeof KINDS)[number]): readonly number[] => {
    const present = runCommand(["bpftool", "--json", kind, "show"]);
    const ids = new Set([...present.matchAll(/\{"id":(\d+)/g)].map(([, id]) => Number(id)));
    return traces[kind].filter((id) => ids.has(id));
  };
  return { prog: left("prog"), map: left("map"), link: left("link") };
}

/** How many there are. */
export function countTraces({ prog, map, link }: KernelTraces): number {
  return prog.length + map.length + link.length;
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Closed meanwhile.
    return "";
  }
}
