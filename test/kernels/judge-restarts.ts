// Two conversations over agents that are killed, end, and overlap: told once, in one trace each.

import { type Check, check, demandCode, demandNone, findWarnings, read } from "./evidence.ts";
import type { LifeEvidence } from "./life.ts";
import { type Conversation, demandNoOther, demandWhole, ofConversation, readTold } from "./told.ts";
import { difference, parseCounters, type Testimony } from "./witness.ts";

const AGENTS = ["first", "second", "third", "fourth"] as const;
const KILLED = 128 + 9;

const DATAGRAMS: Conversation = { transport: "udp", ports: [40_000, 5000] };
const REQUESTS: Conversation = { transport: "tcp", ports: [40_001, 5001] };

const IP_AND_UDP_BYTES = 28;
const IP_AND_TCP_BYTES = 52;
/** SYN and SYN-ACK have eight bytes of options more than the time stamps. */
const OPENING_BYTES = 8;

/** The counters of both ends over the whole life, or until a step of it. */
export function readEnds(folder: string, until: string = "after"): readonly [Testimony, Testimony] {
  const testimony = (end: string): Testimony => ({
    before: parseCounters(read(folder, `life.${end}.before`)),
    after: parseCounters(read(folder, `life.${end}.${until}`)),
  });
  return [testimony("client"), testimony("server")];
}

function demandDatagrams(folder: string): void {
  const sent = Number(read(folder, "datagrams.sent"));
  for (const end of readEnds(folder)) {
    const counted = difference(end, "Udp.OutDatagrams");
    if (counted !== sent) throw new Error(`the namespace counts ${counted} datagrams, the sender ${sent}`);
  }
  const amount = (payload: number) => ({ packets: sent, bytes: sent * (payload + IP_AND_UDP_BYTES) });
  const spans = AGENTS.flatMap((agent) => readTold(folder, agent));
  demandWhole(ofConversation(spans, DATAGRAMS), { forward: amount(300), reverse: amount(77) });
}

function demandRequests(folder: string): void {
  const requests = Number(read(folder, "requests.sent"));
  const [forward, reverse] = readEnds(folder).map((end, index) => {
    const again = difference(end, "Tcp.RetransSegs");
    if (again !== 0) throw new Error(`${again} segments were sent again, none was planned`);
    const packets = difference(end, "Tcp.OutSegs");
    const payload = requests * (index === 0 ? 400 : 200);
    return { packets, bytes: packets * IP_AND_TCP_BYTES + OPENING_BYTES + payload };
  });
  if (forward === undefined || reverse === undefined) throw new Error("no counters");
  const spans = AGENTS.flatMap((agent) => readTold(folder, agent));
  demandWhole(ofConversation(spans, REQUESTS), { forward, reverse });
}

/** What an agent told that ended by itself, its follower does not tell. */
function findToldAgain(folder: string): string[] {
  return AGENTS.slice(2).flatMap((agent, index) => {
    const before = new Set(readTold(folder, AGENTS[index + 1] ?? "").map(({ spanId }) => spanId));
    const again = readTold(folder, agent).filter(({ spanId }) => before.has(spanId));
    return again.length === 0 ? [] : [`${agent} tells ${again.length} records again`];
  });
}

function demandCommands(folder: string): void {
  const list = read(folder, "list.txt");
  const wanted: readonly (readonly [string, RegExp])[] = [
    [list, /^pin \/sys\/fs\/bpf\/mermin\/\S*flow_stats/m],
    [list, / mermin_ingress, /],
    [read(folder, "prune.txt"), /^no pin of an older version$/m],
    [read(folder, "uninstall.txt"), /^removed /m],
  ];
  demandNone([
    ...wanted.flatMap(([text, pattern]) => (pattern.test(text) ? [] : [`${pattern} is not in: ${text}`])),
    ...["list", "prune", "uninstall"].map((name) => read(folder, `${name}.log`)).filter(Boolean),
  ]);
}

/** Checks of the life "restarts". */
export function judgeRestarts({ folder }: LifeEvidence): readonly Check[] {
  return [
    check("tells a conversation of datagrams once over four agents", () => demandDatagrams(folder)),
    check("tells a TCP connection once over four agents", () => demandRequests(folder)),
    check("tells nothing else", () =>
      demandNoOther(
        AGENTS.flatMap((agent) => readTold(folder, agent)),
        [DATAGRAMS, REQUESTS],
      ),
    ),
    check("tells again only what an agent told that was killed", () => demandNone(findToldAgain(folder))),
    check("ends as it was told to", () => {
      demandCode(folder, "first", KILLED);
      for (const agent of AGENTS.slice(1)) demandCode(folder, agent);
    }),
    check("is listed, pruned and uninstalled", () => demandCommands(folder)),
    check("warns of nothing", () => demandNone(findWarnings(folder, AGENTS))),
  ];
}
