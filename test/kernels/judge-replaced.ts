// What agents do to the hooks when one follows another: the same places, other programs, and what is not theirs untouched.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mostInstructions } from "../support/verified-instructions.ts";
import { type Attachment, parseAttachment } from "./attachment.ts";
import { type Check, check, demandCode, demandNone, findWarnings, read } from "./evidence.ts";
import { readEnds } from "./judge-restarts.ts";
import type { LifeEvidence } from "./life.ts";
import { type Conversation, demandNoOther, demandWhole, ofConversation, readTold } from "./told.ts";
import { difference } from "./witness.ts";

const FOLLOWING = ["first", "second", "third"] as const;
const AGENTS = [...FOLLOWING, "fourth"] as const;
const SIDES = ["ingress", "egress"] as const;
/** Two devices with two sides each. */
const PLACES = 4;
/** Five talks while three agents follow each other, one with the fourth. */
const DATAGRAMS = 100;
const ANSWERS = 50;

const FOLLOWED: Conversation = { transport: "udp", ports: [40_000, 5000] };
const LAST: Conversation = { transport: "udp", ports: [40_001, 5000] };

function demandSame(what: string, one: Iterable<unknown>, other: Iterable<unknown>): void {
  const [left, right] = [one, other].map((each) => [...each].map(String).toSorted().join(", "));
  if (left !== right) throw new Error(`${what}: ${right} instead of ${left}`);
}

function demandReplaced(before: Attachment, after: Attachment): void {
  demandSame("places", before.ours.keys(), after.ours.keys());
  const kept = [...before.ours].filter(([place, program]) => after.ours.get(place) === program);
  demandNone(kept.map(([place, program]) => `${place} still has program ${program}`));
}

/** A qdisc of the agent's own on veth1 is there as long as its filters. */
function withoutOwnQdisc(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => !line.startsWith("qdisc veth1 qdisc clsact "));
}

function demandTotals(folder: string): void {
  const [client, server] = readEnds(folder);
  demandSame("datagrams", [DATAGRAMS], [difference(client, "Udp.OutDatagrams")]);
  demandSame("answers", [ANSWERS], [difference(server, "Udp.OutDatagrams")]);
  const spans = FOLLOWING.flatMap((agent) => readTold(folder, agent));
  demandWhole(ofConversation(spans, FOLLOWED), talks(5));
  demandNoOther(spans, [FOLLOWED]);
  demandWhole(ofConversation(readTold(folder, "fourth"), LAST), talks(1));
}

function talks(count: number): Parameters<typeof demandWhole>[1] {
  const datagrams = (count * DATAGRAMS) / 5;
  const answers = (count * ANSWERS) / 5;
  return {
    forward: { packets: datagrams, bytes: datagrams * 328 },
    reverse: { packets: answers, bytes: answers * 105 },
  };
}

function demandOrder({ mode }: LifeEvidence, first: Attachment, last: Attachment): void {
  if (mode === "clsact") {
    demandSame("priorities", [1, 200], [...first.priorities, ...last.priorities]);
    return;
  }
  const isOurs = ({ ours, order }: Attachment): readonly boolean[] =>
    order.map((program) => [...ours.values()].includes(program));
  demandSame(
    "ours, by their order",
    [[true, false].join(), [false, true].join()],
    [isOurs(first).join(), isOurs(last).join()],
  );
}

/** The numbers stand in the names of the checks: they are printed also where all is right. */
function judgeInstructions({ folder, line }: LifeEvidence): Check[] {
  const path = join(folder, "first.attached");
  const { instructions } = parseAttachment(existsSync(path) ? readFileSync(path, "utf8") : "");
  return SIDES.map((side) => {
    const seen = instructions.get(side);
    const most = mostInstructions(line, side);
    return check(`verifies mermin_${side} in ${seen} instructions, at most ${most}`, () => {
      if (seen === undefined || !(seen > 0 && seen <= most)) throw new Error("too many, or not known");
    });
  });
}

/** Checks of the life "replaced". */
export function judgeReplaced(evidence: LifeEvidence): readonly Check[] {
  const { folder, mode } = evidence;
  const at = (step: string): Attachment => parseAttachment(read(folder, `${step}.attached`));
  return [
    ...judgeInstructions(evidence),
    check(`attaches by ${mode} to every side once`, () => {
      for (const agent of AGENTS) {
        demandSame("modes", [mode], at(agent).modes);
        demandSame("places", [PLACES], [at(agent).ours.size]);
      }
    }),
    check("stays attached when an agent ends that persists", () => {
      for (const agent of ["first", "second"]) demandSame(agent, at(agent).ours, at(`${agent}.after`).ours);
    }),
    check("gives each agent one program that takes flows out, which goes with it", () => {
      for (const agent of AGENTS) demandSame(agent, [1], [at(agent).takers.length]);
      for (const step of ["first.after", "second.after", "third.after", "after"])
        demandSame(step, [], at(step).takers);
      demandSame("programs", [AGENTS.length], [new Set(AGENTS.flatMap((agent) => at(agent).takers)).size]);
    }),
    check("gives the same places other programs when the next agent comes", () => {
      demandReplaced(at("first"), at("second"));
      demandReplaced(at("second"), at("third"));
    }),
    check("takes its place among others", () => demandOrder(evidence, at("first"), at("fourth"))),
    check("leaves others where they are", () => {
      for (const step of AGENTS) demandSame(step, at("before").others, withoutOwnQdisc(at(step).others));
    }),
    check("leaves nothing when an agent ends that does not persist", () => {
      for (const step of ["third.after", "after"]) {
        demandSame(step, [], at(step).ours.keys());
        demandSame(step, at("before").others, at(step).others);
      }
    }),
    check("tells every packet once, also those between two agents", () => demandTotals(folder)),
    check("ends with 0 on SIGTERM", () => {
      for (const agent of AGENTS) demandCode(folder, agent);
    }),
    check("warns of nothing", () => demandNone(findWarnings(folder, AGENTS))),
  ];
}
