// Interfaces that come, are renamed, move, go and come back: each packet is told, and nothing hangs where none belongs.

import type { AgentSpan } from "../support/agent-spans.ts";
import { type Check, check, demandCode, demandNone, findWarnings } from "./evidence.ts";
import type { LifeEvidence } from "./life.ts";
import { demandNoOther, demandWhole, readTold } from "./told.ts";

const DATAGRAMS = 20;
const ANSWERS = 10;

/** What so many talks are, as guest/lives.sh has them. */
function talks(count: number): Parameters<typeof demandWhole>[1] {
  return {
    forward: { packets: count * DATAGRAMS, bytes: count * DATAGRAMS * 328 },
    reverse: { packets: count * ANSWERS, bytes: count * ANSWERS * 105 },
  };
}

function seenAt(spans: readonly AgentSpan[], source: string): readonly AgentSpan[] {
  return spans.filter(({ attributes }) => attributes["source.address"] === source);
}

function demandNames(spans: readonly AgentSpan[], names: readonly string[]): void {
  const seen = [...new Set(spans.map(({ attributes }) => attributes["network.interface.name"]))];
  demandNone(seen.filter((name) => !names.includes(name)).map((name) => `seen at "${name}"`));
}

/** Checks of the life "followed". */
export function judgeFollowed({ folder }: LifeEvidence): readonly Check[] {
  const told = (): readonly AgentSpan[] => readTold(folder, "first");
  return [
    check("tells all of a device that went and came back under its index", () => {
      const spans = seenAt(told(), "10.33.0.1");
      demandWhole(spans, talks(2));
      demandNames(spans, ["f0"]);
    }),
    check("tells all of a device that came, was renamed, moved away and was made anew", () => {
      const spans = seenAt(told(), "10.33.1.1");
      demandWhole(spans, talks(3));
      demandNames(spans, ["f1", "f2"]);
    }),
    check("tells nothing else", () => demandNoOther(told(), [{ transport: "udp", ports: [40_000, 5000] }])),
    check("ends with 0 on SIGTERM", () => demandCode(folder, "first")),
    check("warns of nothing but hooks that went with their device", () =>
      demandNone(findWarnings(folder, ["first"], "interface lost its hooks interface=f0")),
    ),
  ];
}
