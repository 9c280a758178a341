// Tests of the repository that a guest ran, by the runner's own words.

import { type Check, check, demandCode, demandNone, read } from "./evidence.ts";
import type { LifeEvidence } from "./life.ts";

/** Checks of a life that is a run of tests: each that failed by its name, and that there were any. */
export function judgeTests({ folder }: LifeEvidence): readonly Check[] {
  return [
    check("passes the tests of the repository", () => {
      const log = read(folder, "tests.log");
      demandNone([...log.matchAll(/^\(fail\) (.*) \[.*$/gm)].map((match) => match[1] ?? ""));
      demandCode(folder, "tests");
      const passed = Number(/^ *(\d+) pass$/m.exec(log)?.[1]);
      if (!(passed > 0)) throw new Error("no test was run");
    }),
  ];
}
