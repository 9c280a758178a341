// Every check of a life: that its steps came to their end, what it is about, and what it left in the kernel.

import { type Check, check, demandNone, read } from "./evidence.ts";
import type { Life, LifeEvidence } from "./life.ts";

/** Compares the kernel's objects, pins, qdiscs and filters with those of before the first agent. */
function judgeTraces(folder: string): void {
  const [before = [], after = []] = ["before", "after"].map((when) =>
    read(folder, `traces.${when}`).trim().split("\n"),
  );
  demandNone([
    ...after.filter((line) => !before.includes(line)).map((line) => `now ${line}`),
    ...before.filter((line) => !after.includes(line)).map((line) => `before ${line}`),
  ]);
}

/** The last commands say where it stopped. */
function judgeSteps(folder: string): void {
  const code = read(folder, "life.rc").trim();
  if (code === "0") return;
  const steps = read(folder, "life.log").trim().split("\n");
  throw new Error(`a step failed with ${code}: ${steps.slice(-3).join(" | ")}`);
}

/** Judges a life; one that stopped halfway has this one complaint, and those of what it did not come to. */
export function judgeLife(life: Life, evidence: LifeEvidence): Check[] {
  const { folder } = evidence;
  return [
    check("comes to its end", () => judgeSteps(folder)),
    ...life.judge(evidence),
    check("leaves nothing behind", () => judgeTraces(folder)),
  ].map(({ name, ...rest }) => ({ name: `${life.name}: ${name}`, ...rest }));
}
