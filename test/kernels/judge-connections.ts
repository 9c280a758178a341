// TCP between two pods of a node: who called, how long it took, and what was sent again.

import * as v from "valibot";
import type { AgentSpan } from "../support/agent-spans.ts";
import { type Check, check, demandCode, demandNone, findWarnings, read } from "./evidence.ts";
import type { LifeEvidence } from "./life.ts";
import { type Conversation, demandNoOther, ofConversation, readTold } from "./told.ts";
import { difference, parseCounters } from "./witness.ts";

const OLDER: Conversation = { transport: "tcp", ports: [5000, 45_000] };
const WHOLE: Conversation = { transport: "tcp", ports: [40_001, 5001] };
const LOSSY: Conversation = { transport: "tcp", ports: [40_002, 5002] };
/** Of 30 requests every fifth is lost, and those that replace them. */
const LEAST_LOST = 6;

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const tcpSchema = v.looseObject({
  "flow.connection.state": v.string(),
  "flow.tcp.handshake.latency": v.optional(count),
  "flow.tcp.rndtrip.latency": v.optional(count),
  "flow.tcp.svc.latency": v.optional(count),
  "flow.tcp.retransmits": v.optional(count, 0),
  "flow.tcp.out_of_order": v.optional(count, 0),
  "flow.reverse.tcp.retransmits": v.optional(count, 0),
  "flow.reverse.tcp.out_of_order": v.optional(count, 0),
});
type Tcp = v.InferOutput<typeof tcpSchema>;

/** The conversation's records, of which there must be some, and all of a pod that calls. */
function demandCalls(spans: readonly AgentSpan[], conversation: Conversation): readonly Tcp[] {
  const found = ofConversation(spans, conversation);
  if (found.length === 0) throw new Error("not told with the caller as its source");
  const said = found.map(({ kind, attributes }) => `${kind} ${attributes["flow.direction"]}`);
  demandNone(said.filter((words) => words !== "CLIENT forward"));
  return found.map(({ attributes }) => v.parse(tcpSchema, attributes));
}

function demandMeasured(spans: readonly AgentSpan[]): void {
  const records = demandCalls(spans, WHOLE);
  const last = records.at(-1);
  const handshake = records.map((tcp) => tcp["flow.tcp.handshake.latency"]).find((ns) => ns !== undefined);
  const asked = records.some((tcp) => (tcp["flow.tcp.rndtrip.latency"] ?? 0) > 0);
  demandNone([
    ...(handshake === undefined || handshake <= 0 ? [`handshake latency ${handshake}`] : []),
    ...(asked ? [] : ["no record has a request's latency"]),
    ...(last?.["flow.connection.state"] === "time_wait" ? [] : [`state ${last?.["flow.connection.state"]}`]),
    ...(records.some((tcp) => tcp["flow.tcp.svc.latency"] !== undefined) ? ["a server's latency"] : []),
  ]);
}

function demandSentAgain(folder: string, spans: readonly AgentSpan[]): void {
  const records = demandCalls(spans, LOSSY);
  const [forward = 0, reverse = 0] = ["client", "server"].map((end) => {
    const [before, after] = ["before", "after"].map((when) =>
      parseCounters(read(folder, `lossy.${end}.${when}`)),
    );
    return before && after ? difference({ before, after }, "Tcp.RetransSegs") : Number.NaN;
  });
  if (!(forward >= LEAST_LOST)) throw new Error(`the kernel sent only ${forward} segments again`);
  const told = (way: "" | "reverse."): number =>
    records.reduce(
      (sum, tcp) => sum + tcp[`flow.${way}tcp.retransmits`] + tcp[`flow.${way}tcp.out_of_order`],
      0,
    );
  const seen = [told(""), told("reverse.")].join(" and ");
  if (seen !== `${forward} and ${reverse}`) {
    throw new Error(`${seen} segments told as sent again, the kernels count ${forward} and ${reverse}`);
  }
}

/** Checks of the life "connections". */
export function judgeConnections({ folder }: LifeEvidence): readonly Check[] {
  const told = (): readonly AgentSpan[] => readTold(folder, "first");
  return [
    check("knows who called before it came by the socket that listens", () => {
      const records = demandCalls(told(), OLDER);
      if (records.some((tcp) => tcp["flow.tcp.handshake.latency"] !== undefined))
        throw new Error("a handshake that nobody saw");
    }),
    check("measures a connection from its handshake to its end", () => demandMeasured(told())),
    check("tells what the kernels sent again", () => demandSentAgain(folder, told())),
    check("takes what ended by a program of its own, which the kernel runs", () => {
      if (!(Number(read(folder, "taker.runs")) > 0)) throw new Error("it never ran");
    }),
    check("tells nothing else", () => demandNoOther(told(), [OLDER, WHOLE, LOSSY])),
    check("ends with 0 on SIGTERM", () => demandCode(folder, "first")),
    check("warns of nothing", () => demandNone(findWarnings(folder, ["first"]))),
  ];
}
