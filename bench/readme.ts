// Writes the last figures and the machine they were taken on into bench/README.md, between its two markers.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { type Measurement, row } from "./figure.ts";

const README = join(import.meta.dir, "README.md");
const BEGIN = "<!-- figures: begin -->";
const END = "<!-- figures: end -->";

/** CPU, cores, memory, kernel, runtime and how busy the machine is, in one line. */
export function describeMachine(): string {
  const [cpu] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `${cpu?.model.trim() ?? "unknown CPU"}, ${cpus().length} cores, ${gigabytes} GiB, Linux ${release()}, Bun ${Bun.version}, load average ${loadavg()[0]?.toFixed(1)}`;
}

/** Replaces what is between the markers. @throws Error where a marker is missing. */
export function writeFigures(measurements: readonly Measurement[], machine: string): void {
  const page = readFileSync(README, "utf8");
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${README} lacks its markers ${BEGIN} and ${END}`);
  const head = `${new Date().toISOString().slice(0, 10)}, ${machine} before the run.`;
  const text = [head, ...measurements.map(section)].join("\n\n");
  writeFileSync(README, `${page.slice(0, begin)}${BEGIN}\n\n${text}\n\n${page.slice(end)}`);
}

function section({ title, method, figures }: Measurement): string {
  const rows = figures.map((figure) => `| ${row(figure).join(" | ")} |`);
  return [
    `### ${title}`,
    "",
    method,
    "",
    "| what | measured | to reach | |",
    "| --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}
