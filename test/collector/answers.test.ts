// What the exporter makes of a collector's answers, over real connections: later, never, smaller, in part.

import { describe, expect, test } from "bun:test";
import { status as STATUS } from "@grpc/grpc-js";
import { type Answering, answerGrpc, answerHttp, type GrpcAnswer } from "../support/answering.ts";
import { countDropped, type Exporting, SpanSource, startExporting } from "../support/exporting.ts";
import { encodePartialSuccess } from "./decode.ts";
import { until } from "./until.ts";

const SPANS = 64;
/** A collector asks for a second; the pauses of our own are far below. Clocks of different grain may lose a little. */
const LEAST_PAUSE_MS = 990;

function exportTo({ endpoint }: Answering, protocol: string): Exporting {
  return startExporting(`
    [export.otlp]
    protocol = "${protocol}"
    endpoint = "${endpoint}"
    timeout = "5s"
    max_batch_size = ${SPANS}
    retry = { initial = "10ms", maximum = "10s" }
  `);
}

/** Exports one full request, and waits for its end. */
async function exportOne({ exporter }: Exporting): Promise<SpanSource> {
  const source = new SpanSource();
  exporter.accept(source.batch(SPANS));
  await until(() => exporter.stats().queueSpans === 0, 20_000);
  const stats = exporter.stats();
  expect(stats.sent + countDropped(stats)).toBe(SPANS);
  return source;
}

/** Each span is in one request that was taken. */
function expectAllTaken({ asked }: Answering, source: SpanSource): void {
  const taken = asked.filter(({ isTaken }) => isTaken).flatMap(({ spans }) => spans);
  expect(taken.map(({ spanId }) => spanId).toSorted()).toEqual([...source.ids()]);
}

function pauseOf({ asked }: Answering): number {
  const [first, second] = asked;
  return (second?.at ?? Number.NaN) - (first?.at ?? Number.NaN);
}

function refuse(status: number, headers: Record<string, string> = {}): () => Response {
  return () => new Response("no", { status, headers });
}

/** google.rpc.Status with a RetryInfo of one second. */
const RETRY_IN_A_SECOND = Uint8Array.of(
  ...[0x08, STATUS.RESOURCE_EXHAUSTED],
  ...field(3, [
    ...field(1, [...new TextEncoder().encode("type.googleapis.com/google.rpc.RetryInfo")]),
    ...field(2, field(1, [0x08, 1])),
  ]),
);

/** A length-delimited protobuf field of less than 128 bytes. */
function field(number: number, bytes: readonly number[]): readonly number[] {
  return [(number << 3) | 2, bytes.length, ...bytes];
}

describe("over HTTP", () => {
  test.each([429, 502, 503, 504])("%d is later: sent again", async (status) => {
    await using collector = answerHttp([refuse(status), refuse(status)]);
    await using exporting = exportTo(collector, "http_protobuf");
    expectAllTaken(collector, await exportOne(exporting));
    expect(exporting.exporter.stats()).toMatchObject({ sent: SPANS, requests: { success: 1, failure: 2 } });
  });

  test.each([429, 503])("%d with Retry-After in seconds is waited for", async (status) => {
    await using collector = answerHttp([refuse(status, { "retry-after": "1" })]);
    await using exporting = exportTo(collector, "http_protobuf");
    expectAllTaken(collector, await exportOne(exporting));
    expect(pauseOf(collector)).toBeGreaterThanOrEqual(LEAST_PAUSE_MS);
  });

  test("a Retry-After that is a date is waited for", async () => {
    const later = (): Response => {
      // Dates are whole seconds: at least one from now.
      const date = new Date(Date.now() + 2000).toUTCString();
      return new Response("no", { status: 503, headers: { "retry-after": date } });
    };
    await using collector = answerHttp([later]);
    await using exporting = exportTo(collector, "http_protobuf");
    expectAllTaken(collector, await exportOne(exporting));
    expect(pauseOf(collector)).toBeGreaterThanOrEqual(LEAST_PAUSE_MS);
  });

  test.each([400, 401, 403, 404, 405, 500, 501, 307])("%d is never: counted as rejected", async (status) => {
    await using collector = answerHttp([refuse(status, { location: "/elsewhere" })]);
    await using exporting = exportTo(collector, "http_protobuf");
    await exportOne(exporting);
    expect(exporting.exporter.stats()).toMatchObject({ sent: 0, dropped: { rejected: SPANS } });
    expect(collector.asked).toHaveLength(1);
    expect(exporting.logged.join("")).toContain(`HTTP ${status}`);
  });

  test.each(["http_protobuf", "http_json"])(
    "413 is smaller: halved until it is taken, %s",
    async (protocol) => {
      await using collector = answerHttp([refuse(413), refuse(413), refuse(413)]);
      await using exporting = exportTo(collector, protocol);
      expectAllTaken(collector, await exportOne(exporting));
      expect(collector.asked.map(({ spans }) => spans.length).slice(0, 2)).toEqual([64, 32]);
      expect(exporting.exporter.stats().dropped).toEqual({});
    },
  );

  test("413 of one span is counted as too large", async () => {
    await using collector = answerHttp(Array.from({ length: 2 * SPANS }, () => refuse(413)));
    await using exporting = exportTo(collector, "http_protobuf");
    await exportOne(exporting);
    expect(exporting.exporter.stats()).toMatchObject({ sent: 0, dropped: { too_large: SPANS } });
    expect(collector.asked).toHaveLength(2 * SPANS - 1);
  });

  test.each([
    ["http_protobuf", "application/x-protobuf", encodePartialSuccess(7, "seven are wrong")],
    [
      "http_json",
      "application/json",
      new TextEncoder().encode('{"partialSuccess":{"rejectedSpans":"7","errorMessage":"seven are wrong"}}'),
    ],
  ])("a partial success is counted and told: %s", async (protocol, type, body) => {
    await using collector = answerHttp([() => new Response(body, { headers: { "content-type": type } })]);
    await using exporting = exportTo(collector, protocol);
    await exportOne(exporting);
    expect(exporting.exporter.stats()).toMatchObject({ sent: SPANS - 7, dropped: { rejected: 7 } });
    expect(exporting.logged.join("")).toContain("seven are wrong");
    expect(collector.asked).toHaveLength(1);
  });

  test("a success whose body is something else is a success", async () => {
    const page = (): Response =>
      new Response("<html>\n".repeat(50_000), { headers: { "content-type": "text/html" } });
    await using collector = answerHttp([page]);
    await using exporting = exportTo(collector, "http_protobuf");
    await exportOne(exporting);
    expect(exporting.exporter.stats()).toMatchObject({ sent: SPANS, dropped: {} });
  });
});

describe("over gRPC", () => {
  test.each([
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNAVAILABLE",
    "DATA_LOSS",
  ] as const)("%s is later: sent again", async (name) => {
    await using collector = await answerGrpc([{ code: STATUS[name] }, { code: STATUS[name] }]);
    await using exporting = exportTo(collector, "grpc");
    expectAllTaken(collector, await exportOne(exporting));
    expect(exporting.exporter.stats().requests).toEqual({ success: 1, failure: 2 });
  });

  test("a RetryInfo is waited for", async () => {
    const { RESOURCE_EXHAUSTED } = STATUS;
    await using collector = await answerGrpc([{ code: RESOURCE_EXHAUSTED, status: RETRY_IN_A_SECOND }]);
    await using exporting = exportTo(collector, "grpc");
    expectAllTaken(collector, await exportOne(exporting));
    expect(pauseOf(collector)).toBeGreaterThanOrEqual(LEAST_PAUSE_MS);
  });

  test.each([
    "INVALID_ARGUMENT",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNKNOWN",
    "RESOURCE_EXHAUSTED",
  ] as const)("%s is never: counted as rejected", async (name) => {
    await using collector = await answerGrpc([{ code: STATUS[name], details: "no" }]);
    await using exporting = exportTo(collector, "grpc");
    await exportOne(exporting);
    expect(exporting.exporter.stats()).toMatchObject({ sent: 0, dropped: { rejected: SPANS } });
    expect(collector.asked).toHaveLength(1);
    expect(exporting.logged.join("")).toContain(name);
  });

  test("RESOURCE_EXHAUSTED for the size is smaller: halved until it is taken", async () => {
    const answer: GrpcAnswer = {
      code: STATUS.RESOURCE_EXHAUSTED,
      details: "grpc: received message larger than max (5242881 vs. 4194304)",
    };
    await using collector = await answerGrpc([answer, answer, answer]);
    await using exporting = exportTo(collector, "grpc");
    expectAllTaken(collector, await exportOne(exporting));
    expect(exporting.exporter.stats().dropped).toEqual({});
  });

  test("a partial success is counted and told", async () => {
    await using collector = await answerGrpc([{ response: encodePartialSuccess(7, "seven are wrong") }]);
    await using exporting = exportTo(collector, "grpc");
    await exportOne(exporting);
    expect(exporting.exporter.stats()).toMatchObject({ sent: SPANS - 7, dropped: { rejected: 7 } });
    expect(exporting.logged.join("")).toContain("seven are wrong");
  });
});
