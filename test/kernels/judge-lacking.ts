// What the kernel or the host lacks: said in one line, and what can be done without it is done.

import { type Check, check, demandCode, demandNone, findWarnings, read } from "./evidence.ts";
import { readEnds } from "./judge-restarts.ts";
import type { LifeEvidence } from "./life.ts";
import { demandWhole, readTold } from "./told.ts";
import { difference } from "./witness.ts";

const UNPINNED = "nothing persists: /sys/fs/bpf";

/** TCX where there is none: one line that names interface, reason and way out. */
function demandRefusal(folder: string): void {
  demandCode(folder, "first", 1);
  const lines = read(folder, "first.log").split("\n");
  const errors = lines.filter((line) => line.startsWith("mermin: "));
  demandNone([
    ...(errors.length === 1 ? [] : [`${errors.length} lines of its end`]),
    ...errors.filter((line) => !/TCX.*attach_mode/.test(line)),
  ]);
}

function demandTold(folder: string): void {
  const [client, server] = readEnds(folder);
  const datagrams = difference(client, "Udp.OutDatagrams");
  const answers = difference(server, "Udp.OutDatagrams");
  if (datagrams !== 20 || answers !== 10) throw new Error(`${datagrams} datagrams, ${answers} answers`);
  demandWhole(readTold(folder, "second"), {
    forward: { packets: datagrams, bytes: datagrams * 328 },
    reverse: { packets: answers, bytes: answers * 105 },
  });
}

/** Checks of the life "lacking". */
export function judgeLacking({ folder, mode }: LifeEvidence): readonly Check[] {
  return [
    mode === "tcx"
      ? check("attaches by TCX where that is demanded", () => {
          demandCode(folder, "first");
          demandNone(findWarnings(folder, ["first"]));
        })
      : check("refuses TCX where there is none, and says so in one line", () => demandRefusal(folder)),
    check("counts where nothing can be pinned", () => demandTold(folder)),
    check("says once that nothing persists", () => {
      demandCode(folder, "second");
      if (!read(folder, "second.log").includes(UNPINNED)) throw new Error("it does not");
      demandNone(findWarnings(folder, ["second"], UNPINNED));
    }),
  ];
}
