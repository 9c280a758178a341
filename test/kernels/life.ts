// What a life is: agents that come and go while traffic runs. guest/lives.sh has its steps, lives.ts the list.

import type { Check, HookMode } from "./evidence.ts";

/** Where a life's results lie, and the kernel they are from. */
export interface LifeEvidence {
  readonly folder: string;
  /** As "6.1". */
  readonly line: string;
  readonly mode: HookMode;
}

/** Several agents, or one and what happens around it. */
export interface Life {
  /** `life_NAME` of guest/lives.sh. */
  readonly name: string;
  /** The agents' configurations in TOML, by the names that its steps use. */
  readonly configs: Readonly<Record<string, string>>;
  /** Every check of what it left; the names are within the life. */
  readonly judge: (evidence: LifeEvidence) => readonly Check[];
}

/** The guest's script of a life. */
export function formatLife({ name }: Life): string {
  const files = ["lives.sh", "handover.sh"].map((file) => `. /test/${file}\n`).join("");
  return `${files}run_scenario() {\nrun_life ${name}\n}\n`;
}
