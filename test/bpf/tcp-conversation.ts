// A TCP connection packet by packet under BPF_PROG_TEST_RUN, at times that the packets bring along.

import { frame, ip } from "../support/packets.ts";
import { TCP_FLAG, type TcpFields, tcp } from "../support/segments.ts";
import type { Bench, RunOptions } from "./bench.ts";

const START_NS = 2 ** 45;
export const MS = 1e6;
/** First sequence numbers of both ends: the client's payload begins one later. */
export const CLIENT = 1000;
export const SERVER = 5000;

export interface Sent extends TcpFields {
  readonly atMs: number;
  readonly payload?: number;
  readonly run?: RunOptions;
}

/** Both ends of one connection. The client is the low end; sequence numbers are absolute. */
export class TcpConversation {
  readonly #bench: Bench;

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  client(sent: Sent): void {
    this.#run("10.0.0.1", "10.0.0.2", [1000, 80], sent);
  }

  server(sent: Sent): void {
    this.#run("10.0.0.2", "10.0.0.1", [80, 1000], sent);
  }

  /** SYN, SYN-ACK after `latencyMs`, ACK at once; the first at 0 ms. */
  open(latencyMs = 1): void {
    const { syn, ack } = TCP_FLAG;
    this.client({ atMs: 0, flags: syn, sequence: CLIENT });
    this.server({ atMs: latencyMs, flags: syn | ack, sequence: SERVER, acknowledgement: CLIENT + 1 });
    this.client({ atMs: latencyMs, flags: ack, sequence: CLIENT + 1, acknowledgement: SERVER + 1 });
  }

  #run(
    source: string,
    destination: string,
    ports: readonly [number, number],
    { atMs, payload, run, ...fields }: Sent,
  ): void {
    const bytes = frame(ip(source, destination, tcp(ports, fields, payload)));
    this.#bench.run(bytes, { ...run, atNs: START_NS + Math.round(atMs * MS) });
  }
}

/** CLOCK_MONOTONIC ns of a moment of the conversation. */
export function momentNs(atMs: number): number {
  return START_NS + Math.round(atMs * MS);
}
