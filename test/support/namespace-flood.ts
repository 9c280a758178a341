// Floods of frames from a packet socket, and a quiet exchange of datagrams beside them.

import { join } from "node:path";
import type { Host } from "./namespace-pair.ts";
import { runCommand, type TestProcess } from "./namespace-process.ts";
import type { Speaker } from "./namespace-traffic.ts";

const SOURCE: string = new URL("./namespace-flood.c", import.meta.url).pathname;
const EXCHANGE: string = new URL("./namespace-flood-exchange.ts", import.meta.url).pathname;
const PORT = "7100";
const SENT = /^sent (\d+)$/gm;

export interface FloodOptions {
  /** `syn`: random tuples, never one again; `udp`: the same flows in every round. */
  readonly kind: "syn" | "udp";
  readonly flows: number;
  readonly rounds?: number;
  /** After each round, in ms; default 0. */
  readonly pauseMs?: number;
}

/** Begins to send from the host's device. */
export function startFlood({ namespace, device }: Host, options: FloodOptions): TestProcess {
  const program = join(namespace.folder, "flood");
  compileFlood(program);
  const { kind, flows, rounds = 1, pauseMs = 0 } = options;
  return namespace.start([program, device, kind, ...[flows, rounds, pauseMs].map(String)]);
}

/** Compiles the program that sends: `flood DEVICE KIND FLOWS ROUNDS PAUSE_MS`. */
export function compileFlood(program: string): void {
  runCommand(["clang-19", "-Wall", "-Wextra", "-Werror", "-O2", "-o", program, SOURCE]);
}

/** Frames sent so far, as the sender itself says after each round. */
export function countFlooded({ output }: TestProcess): number {
  return Number([...output.matchAll(SENT)].at(-1)?.[1] ?? 0);
}

export interface ExchangeOptions {
  /** Of the client. */
  readonly port: number;
  readonly count: number;
  /** After each answer. */
  readonly pauseMs: number;
}

/** Answers what {@link startExchange} asks. */
export async function serveExchanges({ namespace, address }: Speaker): Promise<void> {
  const server = namespace.start([process.execPath, EXCHANGE, "serve", address, PORT]);
  await server.until(({ output }) => output.includes("ready"));
}

/** A conversation of one UDP flow: a request of 108 bytes at layer 3, an answer of as many, a pause. */
export async function startExchange(
  client: Speaker,
  server: Speaker,
  { port, count, pauseMs }: ExchangeOptions,
): Promise<TestProcess> {
  const words = [client.address, port, server.address, PORT, count, pauseMs].map(String);
  const asking = client.namespace.start([process.execPath, EXCHANGE, "ask", ...words]);
  await asking.until(({ output }) => output.includes("asked 1\n"));
  return asking;
}
