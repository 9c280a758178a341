// What agents one after the other told of a conversation, and whether it goes on from one to the next.

import { type AgentSpan, parseAgentSpans } from "../support/agent-spans.ts";
import { demandNone, read } from "./evidence.ts";
import type { Amount, Expectation } from "./witness.ts";

/** A conversation by its transport, its source's port and its destination's. */
export interface Conversation {
  readonly transport: string;
  readonly ports: readonly [number, number];
}

/** The spans of an agent. The line that SIGKILL cut off was not told. */
export function readTold(folder: string, agent: string): readonly AgentSpan[] {
  const text = read(folder, `${agent}.ndjson`);
  return parseAgentSpans(text.slice(0, text.lastIndexOf("\n") + 1));
}

/** Of the spans with one id the last, which has what was told again and what came since. */
export function uniqueSpans(spans: readonly AgentSpan[]): readonly AgentSpan[] {
  return [...new Map(spans.map((span) => [span.spanId, span])).values()];
}

/** The spans of a conversation. */
export function ofConversation(
  spans: readonly AgentSpan[],
  { transport, ports }: Conversation,
): readonly AgentSpan[] {
  return spans.filter(
    ({ attributes: a }) =>
      a["network.transport"] === transport &&
      a["source.port"] === ports[0] &&
      a["destination.port"] === ports[1],
  );
}

/** One flow, told without a gap or an overlap, and of it all that was sent. @throws Error with what is wrong */
export function demandWhole(all: readonly AgentSpan[], expected: Expectation): void {
  const spans = uniqueSpans(all);
  const traces = new Set(spans.map(({ traceId }) => traceId)).size;
  demandNone([
    ...(traces === 1 ? [] : [`${traces} traces`]),
    ...compare(spans, "", expected.forward),
    ...compare(spans, "reverse.", expected.reverse),
  ]);
}

function compare(spans: readonly AgentSpan[], way: "" | "reverse.", expected: Amount): string[] {
  return (["packets", "bytes"] as const).flatMap((unit) => {
    let sum = 0;
    let gaps = 0;
    for (const { attributes } of spans) {
      sum += attributes[`flow.${way}${unit}.delta`];
      if (attributes[`flow.${way}${unit}.total`] !== sum) gaps += 1;
    }
    return [
      ...(gaps === 0 ? [] : [`flow.${way}${unit}.total is not the sum so far in ${gaps} of ${spans.length}`]),
      ...(sum === expected[unit] ? [] : [`${sum} instead of ${expected[unit]} ${way}${unit}`]),
    ];
  });
}

/** @throws Error where something else than these conversations was told */
export function demandNoOther(spans: readonly AgentSpan[], known: readonly Conversation[]): void {
  const mine = new Set(known.flatMap((conversation) => ofConversation(spans, conversation)));
  const strangers = spans.filter((span) => !mine.has(span));
  demandNone(
    strangers.map(
      ({ attributes: a }) => `${a["network.transport"]} ${a["source.address"]} ${a["source.port"]}`,
    ),
  );
}
