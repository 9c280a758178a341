// An agent, one of another layout, and the first one's again: what nobody could tell is a loss, told to the packet.

import type { AgentSpan } from "../support/agent-spans.ts";
import { parseAttachment } from "./attachment.ts";
import { type Check, check, demandCode, demandNone, findWarnings, read } from "./evidence.ts";
import { readEnds } from "./judge-restarts.ts";
import type { LifeEvidence } from "./life.ts";
import { type Conversation, demandNoOther, readTold, uniqueSpans } from "./told.ts";
import { difference } from "./witness.ts";

const AGENTS = ["first", "second", "third"] as const;
type Agent = (typeof AGENTS)[number];
const KILLED = 128 + 9;
/** Between two agents go so many datagrams at least, each answered. */
const LEAST_LOST = 40;
/** Places at the hooks of the one device. */
const PLACES = 2;
/** The last has the number of the loss, too. */
const WARNINGS = [
  "maps of another version are pinned",
  "packets counted for an agent of another version cannot be told packets=",
] as const;

const DATAGRAMS: Conversation = { transport: "udp", ports: [40_000, 5000] };

function packetsOf(spans: readonly AgentSpan[]): number {
  return spans.reduce(
    (sum, { attributes }) =>
      sum + attributes["flow.packets.delta"] + attributes["flow.reverse.packets.delta"],
    0,
  );
}

/** As its last words have it. */
function lossOf(folder: string, agent: Agent): number {
  const line = read(folder, `${agent}.log`)
    .split("\n")
    .findLast((each) => each.includes(" flow statistics "));
  return Number(/ lost_kernel_schema_upgrade=(\d+)/.exec(line ?? "")?.[1] ?? 0);
}

function passed(folder: string, until: string): number {
  return readEnds(folder, until).reduce((sum, end) => sum + difference(end, "Udp.OutDatagrams"), 0);
}

/** What the first had not heard to be written when it was killed is in the loss, too. */
function demandLossOfKilled(folder: string): void {
  const [first, second] = [readTold(folder, "first"), readTold(folder, "second")];
  const lost = lossOf(folder, "second");
  const excess = packetsOf([...first, ...second]) + lost - passed(folder, "second");
  const most = packetsOf(first.slice(-1));
  demandNone([
    ...(lost >= LEAST_LOST ? [] : [`only ${lost} packets are told as lost`]),
    ...(excess >= 0 && excess <= most ? [] : [`${excess} packets more than passed, 0 to ${most} may be`]),
  ]);
}

/** The first layout's maps are there still: what the second told as a loss is told now. */
function demandRollback(folder: string): void {
  const own = uniqueSpans([...readTold(folder, "first"), ...readTold(folder, "third")]);
  const lost = lossOf(folder, "third");
  const told = packetsOf([...own, ...readTold(folder, "second")]) + lost;
  const counted = passed(folder, "after");
  const traces = new Set(own.map(({ traceId }) => traceId)).size;
  demandNone([
    ...(lost >= LEAST_LOST ? [] : [`only ${lost} packets are told as lost`]),
    ...(told === counted ? [] : [`${told} packets told or lost, ${counted} passed`]),
    ...(traces === 1 ? [] : [`${traces} traces of the first layout`]),
  ]);
}

function demandWarnings(folder: string, agent: Agent): void {
  const [pinned, lost] = WARNINGS;
  const words = [pinned, `${lost}${lossOf(folder, agent)}`];
  const warnings = findWarnings(folder, [agent]);
  if (warnings.length !== words.length || !warnings.every((line, index) => line.includes(words[index] ?? "")))
    throw new Error(`${agent}: ${warnings.join(", ")}`);
}

function demandPlaces(folder: string): void {
  const [first, ...others] = AGENTS.map((agent) => parseAttachment(read(folder, `${agent}.attached`)).ours);
  const places = [...(first?.keys() ?? [])].toSorted().join();
  demandNone([
    ...(first?.size === PLACES ? [] : [`${first?.size} places`]),
    ...others.flatMap((ours) => ([...ours.keys()].toSorted().join() === places ? [] : ["other places"])),
  ]);
}

function demandCommands(folder: string): void {
  const wanted: readonly (readonly [string, RegExp])[] = [
    ["list.txt", /^pin \S+mermin_counters_v\d+, version \d+, not of this binary/m],
    ["prune.txt", /^removed pin \S+mermin_counters_v\d+/m],
    ["uninstall.txt", /^removed /m],
  ];
  demandNone([
    ...wanted.flatMap(([file, pattern]) => {
      const text = read(folder, file);
      return pattern.test(text) ? [] : [`${pattern} is not in: ${text}`];
    }),
    ...["list", "prune", "uninstall"].map((name) => read(folder, `${name}.log`)).filter(Boolean),
  ]);
}

/** Checks of the life "upgraded". */
export function judgeUpgraded({ folder }: LifeEvidence): readonly Check[] {
  return [
    check("tells as a loss what was counted in maps of another layout", () => demandLossOfKilled(folder)),
    check("tells it as flows when the layout comes back", () => demandRollback(folder)),
    check("takes over the places of another layout", () => demandPlaces(folder)),
    check("tells nothing else", () =>
      demandNoOther(
        AGENTS.flatMap((agent) => readTold(folder, agent)),
        [DATAGRAMS],
      ),
    ),
    check("ends as it was told to", () => {
      demandCode(folder, "first", KILLED);
      for (const agent of ["second", "third"]) demandCode(folder, agent);
    }),
    check("is listed, pruned and uninstalled", () => demandCommands(folder)),
    check("says once that there are other maps, and how many packets cannot be told", () => {
      demandNone(findWarnings(folder, ["first"]));
      for (const agent of ["second", "third"] as const) demandWarnings(folder, agent);
    }),
  ];
}
