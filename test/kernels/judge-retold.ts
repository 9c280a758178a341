// Flows that an agent took out of its table and could not tell before it was killed: told by the next, and once.

import type { AgentSpan } from "../support/agent-spans.ts";
import { type Check, check, demandCode, demandNone, findWarnings, read } from "./evidence.ts";
import { readEnds } from "./judge-restarts.ts";
import type { LifeEvidence } from "./life.ts";
import { readTold, uniqueSpans } from "./told.ts";
import { difference } from "./witness.ts";

const KILLED = 128 + 9;
const FLOWS = 200;
const ROUNDS = 3;
const DATAGRAM_BYTES = 328;

function demandAll(folder: string): void {
  const [client] = readEnds(folder);
  const sent = difference(client, "Udp.OutDatagrams");
  if (sent !== FLOWS * ROUNDS) throw new Error(`the namespace counts ${sent} datagrams`);
  const told = uniqueSpans([...readTold(folder, "first"), ...readTold(folder, "second")]);
  const flows = Map.groupBy(told, ({ attributes }) => attributes["source.port"]);
  const wrong = [...flows].flatMap(([port, spans]) => compare(port, spans));
  demandNone([...(flows.size === FLOWS ? [] : [`${flows.size} flows`]), ...wrong.slice(0, 3)]);
}

function compare(port: number | undefined, spans: readonly AgentSpan[]): string[] {
  const sum = (unit: "packets" | "bytes"): number =>
    spans.reduce((all, { attributes }) => all + attributes[`flow.${unit}.delta`], 0);
  const [packets, bytes] = [sum("packets"), sum("bytes")];
  return packets === ROUNDS && bytes === ROUNDS * DATAGRAM_BYTES
    ? []
    : [`${packets} packets, ${bytes} bytes of port ${port}`];
}

/** Of the batch that was under way some lines had come through: those are told again, under the same span ids. */
function demandToldAgain(folder: string): void {
  const first = readTold(folder, "first");
  const second = new Set(readTold(folder, "second").map(({ spanId }) => spanId));
  const again = first.filter(({ spanId }) => second.has(spanId)).length;
  demandNone([
    ...(first.length > 0 && first.length < FLOWS ? [] : [`the first told ${first.length} records`]),
    ...(again > 0 ? [] : ["no record is told again"]),
  ]);
}

/** Checks of the life "retold". */
export function judgeRetold({ folder }: LifeEvidence): readonly Check[] {
  return [
    check("tells every packet of flows that nobody read of before a kill", () => demandAll(folder)),
    check("tells again what was not acknowledged, under the same span ids", () => demandToldAgain(folder)),
    check("loses nothing", () => {
      if (read(folder, "second.log").includes(" lost_")) throw new Error("the second says that it does");
    }),
    check("ends as it was told to", () => {
      demandCode(folder, "first", KILLED);
      demandCode(folder, "second");
    }),
    check("warns of nothing", () => demandNone(findWarnings(folder, ["first", "second"]))),
  ];
}
