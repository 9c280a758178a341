// Spans a second out of the shipped agent, everything on: its CPU, and whether any was lost.

import type { Figure, Ground, Measurement } from "./figure.ts";
import { lossFigures, otlpConfig, sendLoad, startReceiver } from "./load.ts";

const RATE = 100_000;
const SECONDS = 6;

/** Flows that end after a second of silence, so that as many spans leave as flows begin. */
export async function measureSpans(ground: Ground): Promise<Measurement> {
  const figures: Figure[] = [];
  for (const compression of ["none", "gzip"] as const) {
    await using _receiver = await startReceiver();
    const config = `${otlpConfig(compression)}span.udp_timeout = "1s"\nspan.tcp_timeout = "1s"\nflow.table_capacity = 1000000\n`;
    const result = await sendLoad(ground, config, { flows: RATE * SECONDS, rate: RATE, until: "records" });
    const name = `compression "${compression}"`;
    figures.push(
      { name: `${name}: flows sent`, value: result.sentRate, unit: "/s", reach: { atLeast: RATE * 0.95 } },
      ...lossFigures(name, result),
      { name: `${name}: agent's CPU, of one core`, value: result.cpu, unit: "%", reach: { atMost: 60 } },
      { name: `${name}: of it the capture thread`, value: result.captureCpu, unit: "%" },
    );
  }
  return {
    title: "Spans exported",
    method: `${SECONDS} s of ${RATE / 1000} k new flows a second that end after 1 s of silence, to an OTLP/HTTP receiver on loopback that reads and discards, after a second of warming up; CPU until the last record, as a share of ${SECONDS} s.`,
    figures,
  };
}
