import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ExporterStats } from "../../../src/export/exporter-stats.ts";
import type { EncodedRequest, SplitRequest } from "../../../src/export/request-encoder.ts";
import { RequestSender, type SenderLimits } from "../../../src/export/request-sender.ts";
import type { SendOutcome, Transport } from "../../../src/export/send-outcome.ts";
import { createLogger } from "../../../src/lib/log.ts";
import { toBytes } from "../../../src/lib/size.ts";
import { toMilliseconds } from "../../../src/lib/time.ts";
import { until } from "../../collector/until.ts";
import { retryOutcome, type ScriptedTransport, SENT, scriptTransport } from "./scripted-transport.ts";

const FLUSH_MS = 10_000;

/** A request of as many spans as it has bytes, each span a byte of its own. */
function request(spans: number, value = 0): EncodedRequest {
  return { bytes: new Uint8Array(spans).fill(value), spans };
}

const halve: SplitRequest = ({ bytes, spans }) => {
  if (spans < 2) return undefined;
  const half = spans >> 1;
  return [
    { bytes: bytes.slice(0, half), spans: half },
    { bytes: bytes.slice(half), spans: spans - half },
  ];
};

interface Opened extends AsyncDisposable {
  readonly sender: RequestSender;
  readonly logged: readonly string[];
}

function open(transport: Transport, limits: Partial<SenderLimits> = {}): Opened {
  const logged: string[] = [];
  const sender = new RequestSender({
    name: "otlp",
    transport,
    split: halve,
    log: createLogger({ level: "debug", format: "text", write: (line) => void logged.push(line) }),
    limits: {
      max_queue_size: 100,
      max_queue_bytes: toBytes(1_000_000),
      max_concurrent_exports: 4,
      retry: {
        initial: toMilliseconds(2),
        factor: 1.5,
        maximum: toMilliseconds(10),
        elapsed: toMilliseconds(60_000),
      },
      ...limits,
    },
  });
  return { sender, logged, [Symbol.asyncDispose]: () => sender[Symbol.asyncDispose]() };
}

function expectBalanced(stats: ExporterStats): void {
  const dropped = Object.values(stats.dropped).reduce((sum, spans) => sum + spans, 0);
  expect(stats.sent + dropped + stats.queueSpans).toBe(stats.accepted);
}

/** Lets what is ready to go on go on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

function answerAll({ waiting }: ScriptedTransport, outcome: SendOutcome): void {
  for (const { answer } of waiting.splice(0)) answer(outcome);
}

const anyOutcome: fc.Arbitrary<SendOutcome> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(SENT) },
  fc.record({
    status: fc.constant("sent" as const),
    rejected: fc.integer({ min: 0, max: 50 }),
    message: fc.constantFrom(undefined, "some"),
  }),
  fc.record({ status: fc.constantFrom("rejected", "too_large"), cause: fc.constant(new Error("no")) }),
  fc.constantFrom(retryOutcome(), retryOutcome(0), retryOutcome(5)),
);

const anyStep = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("push" as const), spans: fc.integer({ min: 1, max: 40 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("answer" as const), index: fc.nat(), outcome: anyOutcome }),
  },
  fc.constant({ kind: "flush" as const }),
  fc.constant({ kind: "wait" as const }),
);

describe("RequestSender", () => {
  test("accounts for every span at every step, whatever the collector answers, within its bounds", async () => {
    const steps = fc.array(anyStep, { minLength: 30, maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (script, isClosedEarly) => {
        const transport = scriptTransport();
        const { sender } = open(transport, { max_queue_bytes: toBytes(80) });
        let pushed = 0;
        const check = (): void => {
          const stats = sender.stats();
          expectBalanced(stats);
          expect(stats.accepted).toBe(pushed);
          expect(stats.peer?.queueBytes).toBeLessThanOrEqual(80 + 4 * 40);
          expect(sender.acknowledged).toBeLessThanOrEqual(pushed);
        };
        for (const step of script) {
          if (step.kind === "push") {
            pushed += step.spans;
            sender.push(request(step.spans));
          } else if (step.kind === "answer") {
            const { waiting } = transport;
            const [attempt] = waiting.splice(step.index % Math.max(1, waiting.length), 1);
            attempt?.answer(step.outcome);
            await settle();
          } else if (step.kind === "flush") void sender.flush(AbortSignal.abort());
          else await Bun.sleep(1);
          check();
        }
        if (!isClosedEarly) {
          const flushed = sender.flush(AbortSignal.timeout(FLUSH_MS));
          while (sender.stats().queueSpans > 0) {
            answerAll(transport, SENT);
            await Bun.sleep(0);
          }
          await flushed;
          expect(sender.acknowledged).toBe(pushed);
        }
        await sender[Symbol.asyncDispose]();
        check();
        expect(sender.stats().queueSpans).toBe(0);
        expect(sender.stats().peer?.queueBytes).toBe(0);
        answerAll(transport, SENT);
        await settle();
        check();
        expect(transport.mostConcurrent()).toBeLessThanOrEqual(4);
      }),
      { numRuns: 100 },
    );
  });

  test("sends side by side up to its limit, and queues the rest in order", async () => {
    const transport = scriptTransport();
    await using opened = open(transport, { max_concurrent_exports: 2 });
    for (const value of [1, 2, 3]) opened.sender.push(request(1, value));
    expect(transport.waiting.map(({ request: [value] }) => value)).toEqual([1, 2]);
    transport.waiting.shift()?.answer(SENT);
    await settle();
    expect(transport.waiting.map(({ request: [value] }) => value)).toEqual([2, 3]);
    expect(opened.sender.acknowledged).toBe(1);
  });

  test("drops the oldest beyond its bytes, and beyond its spans", async () => {
    const transport = scriptTransport();
    await using opened = open(transport, { max_concurrent_exports: 1, max_queue_bytes: toBytes(50) });
    for (let i = 0; i < 4; i++) opened.sender.push(request(20, i));
    expect(opened.sender.stats()).toMatchObject({ dropped: { queue_full: 20 }, queueSpans: 60 });
    answerAll(transport, SENT);
    await settle();
    expect(transport.waiting[0]?.request[0]).toBe(2);
  });

  test("halves what is too large, down to a span, which is dropped", async () => {
    const sizes: number[] = [];
    const transport = scriptTransport(({ length }) => {
      sizes.push(length);
      return length > 3 ? { status: "too_large", cause: new Error("HTTP 413") } : SENT;
    });
    await using opened = open(transport, { max_concurrent_exports: 1 });
    opened.sender.push(request(10));
    expect(await opened.sender.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
    expect(sizes).toEqual([10, 5, 2, 3, 5, 2, 3]);
    expect(opened.sender.stats()).toMatchObject({ sent: 10, dropped: {} });
    const strict = scriptTransport(() => ({ status: "too_large", cause: new Error("HTTP 413") }));
    await using refused = open(strict);
    refused.sender.push(request(4));
    expect(await refused.sender.flush(AbortSignal.timeout(FLUSH_MS))).toBe(false);
    expect(refused.sender.stats()).toMatchObject({ sent: 0, dropped: { too_large: 4 } });
  });

  test("probes with one request at a time after five failures, until one is taken", async () => {
    const transport = scriptTransport();
    await using opened = open(transport);
    for (let i = 0; i < 20; i++) opened.sender.push(request(1, i));
    const probed: number[] = [];
    while (probed.length < 6) {
      answerAll(transport, retryOutcome());
      await until(() => transport.waiting.length > 0);
      if (opened.sender.stats().peer?.breaker !== "closed") probed.push(transport.waiting.length);
    }
    expect(probed).toEqual([1, 1, 1, 1, 1, 1]);
    answerAll(transport, SENT);
    await settle();
    expect(opened.sender.stats().peer?.breaker).toBe("closed");
    expect(transport.waiting.length).toBeGreaterThan(1);
    expect(opened.logged.filter((line) => line.includes("cannot export"))).toHaveLength(1);
    expect(opened.logged.filter((line) => line.includes("exporting again"))).toHaveLength(1);
  });

  test("waits as long as the collector asks for, with every request, but not beyond the longest pause", async () => {
    const transport = scriptTransport();
    const retry = {
      initial: toMilliseconds(2),
      factor: 1,
      maximum: toMilliseconds(150),
      elapsed: toMilliseconds(60_000),
    };
    await using opened = open(transport, { retry });
    const start = performance.now();
    opened.sender.push(request(1));
    answerAll(transport, retryOutcome(3_600_000));
    await settle();
    opened.sender.push(request(1));
    expect(transport.waiting).toHaveLength(0);
    await until(() => transport.waiting.length === 2);
    expect(performance.now() - start).toBeGreaterThanOrEqual(150);
  });

  test("tries a request that keeps failing later, and others meanwhile", async () => {
    const transport = scriptTransport(([value]) => (value === 1 ? retryOutcome() : SENT));
    await using opened = open(transport, {
      retry: {
        initial: toMilliseconds(5),
        factor: 1,
        maximum: toMilliseconds(5),
        elapsed: toMilliseconds(60),
      },
    });
    opened.sender.push(request(1, 1));
    for (let i = 0; i < 50; i++) {
      opened.sender.push(request(1, 2));
      await Bun.sleep(2);
    }
    await until(() => opened.sender.stats().queueSpans === 0);
    expect(opened.sender.stats()).toMatchObject({ sent: 50, dropped: { unavailable: 1 } });
  });

  test("counts what a collector refuses of a request, and logs what it says", async () => {
    await using opened = open(scriptTransport(() => ({ status: "sent", rejected: 7, message: "too old" })));
    opened.sender.push(request(10));
    await opened.sender.flush(AbortSignal.timeout(FLUSH_MS));
    expect(opened.sender.stats()).toMatchObject({ sent: 3, dropped: { rejected: 7 } });
    expect(opened.logged.join("")).toContain("too old");
  });
});
