// Spans and log records a second out of the shipped agent, everything on: what each protocol costs, and whether all of
// them came to the other end.

import type { Figure, Ground, Measurement } from "./figure.ts";
import { lossFigures, sendLoad } from "./load.ts";
import { otlpConfig, Receiver, type Way } from "./receiving.ts";

const SECONDS = 3;
const RATE = 100_000;
/** JSON is twice the bytes and the time: at the full rate the thread that exports would do nothing else. */
const JSON_RATE = 50_000;

interface Case extends Way {
  readonly name: string;
  readonly rate: number;
  /** Of one core, in %; absent where the number only compares. */
  readonly mostCpu?: number;
}

const HTTP = { protocol: "http_protobuf", signal: "traces", rate: RATE } as const;
const GRPC = { protocol: "grpc", signal: "traces", rate: RATE } as const;
const JSON_HTTP = { protocol: "http_json", signal: "traces", rate: JSON_RATE } as const;

const CASES: readonly Case[] = [
  { name: "HTTP, protobuf", ...HTTP, compression: "none", mostCpu: 60 },
  { name: "HTTP, protobuf, gzip", ...HTTP, compression: "gzip", mostCpu: 60 },
  { name: "gRPC", ...GRPC, compression: "none" },
  { name: "gRPC, gzip", ...GRPC, compression: "gzip" },
  { name: "log records, HTTP, protobuf, gzip", ...HTTP, signal: "logs", compression: "gzip" },
  { name: "HTTP, JSON", ...JSON_HTTP, compression: "none" },
  { name: "HTTP, JSON, gzip", ...JSON_HTTP, compression: "gzip" },
];

/** A last request that is not full leaves soon; under the load none waits for as long. */
const COMMON = `export.otlp.max_batch_interval = "250ms"
span.udp_timeout = "1s"
span.tcp_timeout = "1s"
flow.table_capacity = 1000000
`;

/** Flows that end after a second of silence, so that as many spans leave as flows begin. */
export async function measureSpans(ground: Ground): Promise<Measurement> {
  const figures: Figure[] = [];
  for (const { name, rate, mostCpu, ...way } of CASES) {
    await using receiver = await Receiver.start();
    const load = { flows: rate * SECONDS, rate, until: "records", receiver } as const;
    const result = await sendLoad(ground, otlpConfig(way) + COMMON, load);
    const reach = mostCpu === undefined ? {} : { reach: { atMost: mostCpu } };
    const title = `${name}, ${rate / 1000} k/s`;
    figures.push(
      { name: `${title}: flows sent`, value: result.sentRate, unit: "/s", reach: { atLeast: rate * 0.95 } },
      ...lossFigures(title, result),
      { name: `${title}: told less received`, value: result.unreceived, unit: "lost", reach: { atMost: 0 } },
      { name: `${title}: agent's CPU, of one core`, value: result.cpu, unit: "%", ...reach },
      { name: `${title}: of it the capture thread`, value: result.captureCpu, unit: "%" },
    );
  }
  return {
    title: "Spans exported",
    method: `${SECONDS} s of new flows that end after 1 s of silence, a span or log record each, to an OTLP receiver on loopback that reads, counts and discards, after a second of warming up; CPU until the receiver has the last one, as a share of ${SECONDS} s.`,
    figures,
  };
}
