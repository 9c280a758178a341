// Conversations by way of a node that translates, and what an agent's spans say of them.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { AgentEnd } from "./agent.ts";
import type { AgentSpan } from "./agent-spans.ts";
import type { Namespace } from "./namespace.ts";
import { BACKEND_PORT } from "./namespace-nat.ts";
import { runCommand, type TestProcess } from "./namespace-process.ts";
import { demandSuccess, type Speaker } from "./namespace-traffic.ts";

const EXCHANGE = new URL("./namespace-flood-exchange.ts", import.meta.url).pathname;
const MANY = new URL("./namespace-many.ts", import.meta.url).pathname;
const FLUSH = new URL("./namespace-conntrack-flush.c", import.meta.url).pathname;

/** Requests of one UDP conversation. */
export interface Asking {
  readonly from: number;
  readonly to: string;
  /** Default {@link BACKEND_PORT}. */
  readonly port?: number;
  readonly count: number;
  /** After each answer; default 0. */
  readonly pauseMs?: number;
}

/** Answers datagrams at {@link BACKEND_PORT}. */
export async function serveBackend({ namespace, address }: Speaker): Promise<void> {
  const started = namespace.start([process.execPath, EXCHANGE, "serve", address, String(BACKEND_PORT)]);
  await started.until(({ output }) => output.includes("ready"));
}

/** Begins to ask: each request is a packet of 108 bytes (IPv6: 128), and so is each answer. */
export function startAsking({ namespace, address }: Speaker, asking: Asking): TestProcess {
  const { from, to, port = BACKEND_PORT, count, pauseMs = 0 } = asking;
  const words = [address, from, to, port, count, pauseMs].map(String);
  return namespace.start([process.execPath, EXCHANGE, "ask", ...words]);
}

/** A conversation of one request from each of as many ports. */
export async function askMany({ namespace, address }: Speaker, to: string, count: number): Promise<void> {
  await demandSuccess(
    namespace.start([process.execPath, MANY, address, to, String(BACKEND_PORT), String(count)]),
  );
}

/** Makes conntrack forget every connection. */
export function flushConntrack(namespace: Namespace): void {
  const program = join(namespace.folder, "conntrack-flush");
  if (!existsSync(program)) runCommand(["clang-19", "-Wall", "-Wextra", "-Werror", "-o", program, FLUSH]);
  namespace.run(program);
}

/** An attribute that a span need not have. */
export function attributeOf({ attributes }: AgentSpan, name: string): unknown {
  return Object.entries(attributes).find(([key]) => key === name)?.[1];
}

/** Who answers behind the translation, where the original view is told. */
export function natOf(span: AgentSpan): unknown {
  return attributeOf(span, "flow.nat.destination.address");
}

/** Packets of both ways that these spans tell. */
export function packetsOf(spans: readonly AgentSpan[]): readonly [number, number] {
  const sum = (name: "flow.packets.delta" | "flow.reverse.packets.delta"): number =>
    spans.reduce((all, { attributes }) => all + attributes[name], 0);
  return [sum("flow.packets.delta"), sum("flow.reverse.packets.delta")];
}

/** Names of the losses that an agent's last statistics have. */
export function lossesOf({ statistics }: AgentEnd): readonly string[] {
  return [...statistics.keys()].filter((name) => name.startsWith("lost_"));
}
