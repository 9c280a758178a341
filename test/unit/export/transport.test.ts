// What each answer of a collector means to the sender, over HTTP and gRPC: answers that a real one is not made to give.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { type handleUnaryCall, Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { Credentials } from "../../../src/export/credentials.ts";
import { ProtobufWriter } from "../../../src/export/protobuf.ts";
import type { SendOutcome } from "../../../src/export/send-outcome.ts";
import { createGrpcTransport } from "../../../src/export/transport-grpc.ts";
import { createHttpTransport } from "../../../src/export/transport-http.ts";
import { until } from "../../collector/until.ts";
import { otlpConfig } from "../../support/otlp-config.ts";

const REQUEST = new Uint8Array([1, 2, 3]);
const OPEN = new AbortController().signal;

function summary(outcome: SendOutcome): readonly unknown[] {
  if (outcome.status === "sent") return [outcome.status, outcome.rejected, outcome.message];
  if (outcome.status === "retry")
    return [outcome.status, outcome.reason, outcome.retryAfterMs, outcome.cause.message];
  return [outcome.status, outcome.cause.message];
}

/** Runs with an environment whose proxy takes no connection. */
async function withProxy(run: () => Promise<void>): Promise<void> {
  const names = ["http_proxy", "HTTP_PROXY", "grpc_proxy", "no_proxy", "NO_PROXY", "no_grpc_proxy"];
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) {
    if (name.startsWith("no") || name.startsWith("NO")) delete process.env[name];
    else process.env[name] = "http://127.0.0.1:1";
  }
  try {
    await run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

describe("HTTP", () => {
  let answer: (request: Request) => Response | Promise<Response> = () => new Response();
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => answer(request) });
  afterAll(() => void server.stop(true));

  async function send(timeout = "5s", signal = OPEN): Promise<readonly unknown[]> {
    const config = otlpConfig({ timeout, compression: "none" });
    const url = new URL("/v1/traces", server.url);
    const credentials = new Credentials(config, url);
    using transport = createHttpTransport({ config, url, credentials, userAgent: "test" }, "protobuf");
    return summary(await transport.send(REQUEST, signal));
  }

  test.each([
    [429, { "retry-after": "7" }, ["retry", "unavailable", 7000, "HTTP 429 said so"]],
    [503, { "retry-after": "soon" }, ["retry", "unavailable", undefined, "HTTP 503 said so"]],
    [502, {}, ["retry", "unavailable", undefined, "HTTP 502 said so"]],
    [504, {}, ["retry", "unavailable", undefined, "HTTP 504 said so"]],
    [413, {}, ["too_large", "HTTP 413 said so"]],
    [400, {}, ["rejected", "HTTP 400 said so"]],
    [401, {}, ["rejected", "HTTP 401 said so"]],
    [500, {}, ["rejected", "HTTP 500 said so"]],
    [301, { location: "http://127.0.0.1:1/" }, ["rejected", "HTTP 301 said so"]],
    [202, {}, ["sent", 0, undefined]],
  ])("%i", async (code, headers, expected) => {
    answer = () => new Response(code === 202 ? "" : "said\nso", { status: code, headers });
    expect(await send()).toEqual(expected);
  });

  test("a proxy of the environment is not asked", async () => {
    answer = () => new Response();
    await withProxy(async () => expect(await send()).toEqual(["sent", 0, undefined]));
  });

  test("an answer without an end is cut, and costs no more than its beginning", async () => {
    let sent = 0;
    answer = () =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            sent += 65_536;
            controller.enqueue(new Uint8Array(65_536).fill(65));
          },
        }),
        { status: 400 },
      );
    const [outcome, text] = await send();
    expect(outcome).toBe("rejected");
    expect(String(text).length).toBeLessThan(400);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  test("no answer is a timeout, and an end of the sender ends it at once", async () => {
    answer = () => new Promise<Response>(() => {});
    expect(await send("100ms")).toEqual(["retry", "timeout", undefined, "no complete answer within 100 ms"]);
    expect((await send("10m", AbortSignal.timeout(20)))[0]).toBe("retry");
  });
});

describe("gRPC", () => {
  let answer: handleUnaryCall<Buffer, Buffer> = (_, callback) => callback(null, Buffer.alloc(0));
  const server = new Server();
  let openTransport: (written: Readonly<Record<string, unknown>>) => ReturnType<typeof createGrpcTransport>;
  let transport: ReturnType<typeof createGrpcTransport>;
  beforeAll(async () => {
    const bytes = (value: Buffer): Buffer => value;
    const method = {
      path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    };
    server.addService(
      { Export: method },
      { Export: (...call: Parameters<typeof answer>): void => answer(...call) },
    );
    const port = await new Promise<number>((resolve, reject) => {
      const insecure = ServerCredentials.createInsecure();
      server.bindAsync("127.0.0.1:0", insecure, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    openTransport = (written) => {
      const config = otlpConfig({ protocol: "grpc", timeout: "300ms", ...written });
      const url = new URL(`http://127.0.0.1:${port}`);
      const credentials = new Credentials(config, url);
      return createGrpcTransport({ config, url, target: url.host, credentials, userAgent: "test" }, "traces");
    };
    transport = openTransport({});
  });
  afterAll(() => {
    transport[Symbol.dispose]();
    server.forceShutdown();
  });

  function fail(code: status, details: string, retryAfterSeconds?: number): void {
    const metadata = new Metadata();
    if (retryAfterSeconds !== undefined) {
      metadata.set("grpc-status-details-bin", Buffer.from(statusWithRetryInfo(retryAfterSeconds)));
    }
    answer = (_, callback) => callback({ code, details, metadata });
  }

  test.each([
    [status.UNAVAILABLE, "busy", undefined, ["retry", "unavailable", undefined, "gRPC UNAVAILABLE busy"]],
    [status.UNAVAILABLE, "busy", 3, ["retry", "unavailable", 3000, "gRPC UNAVAILABLE busy"]],
    [status.ABORTED, "x", undefined, ["retry", "unavailable", undefined, "gRPC ABORTED x"]],
    [status.CANCELLED, "x", undefined, ["retry", "unavailable", undefined, "gRPC CANCELLED x"]],
    [status.OUT_OF_RANGE, "x", undefined, ["retry", "unavailable", undefined, "gRPC OUT_OF_RANGE x"]],
    [status.DATA_LOSS, "x", undefined, ["retry", "unavailable", undefined, "gRPC DATA_LOSS x"]],
    [status.RESOURCE_EXHAUSTED, "slow", 2, ["retry", "unavailable", 2000, "gRPC RESOURCE_EXHAUSTED slow"]],
    [status.RESOURCE_EXHAUSTED, "quota", undefined, ["rejected", "gRPC RESOURCE_EXHAUSTED quota"]],
    [
      status.RESOURCE_EXHAUSTED,
      "grpc: received message larger than max (5 vs. 4)",
      undefined,
      ["too_large", "gRPC RESOURCE_EXHAUSTED grpc: received message larger than max (5 vs. 4)"],
    ],
    [
      status.RESOURCE_EXHAUSTED,
      "rate limit exceeded",
      undefined,
      ["rejected", "gRPC RESOURCE_EXHAUSTED rate limit exceeded"],
    ],
    [
      status.RESOURCE_EXHAUSTED,
      "message exceeds 4194304 bytes",
      undefined,
      ["too_large", "gRPC RESOURCE_EXHAUSTED message exceeds 4194304 bytes"],
    ],
    [status.INVALID_ARGUMENT, "no", undefined, ["rejected", "gRPC INVALID_ARGUMENT no"]],
    [status.UNAUTHENTICATED, "who", undefined, ["rejected", "gRPC UNAUTHENTICATED who"]],
    [status.UNIMPLEMENTED, "no", 1, ["rejected", "gRPC UNIMPLEMENTED no"]],
  ])("%i %s, RetryInfo %p", async (code, details, retryAfterSeconds, expected) => {
    fail(code, details, retryAfterSeconds);
    expect(summary(await transport.send(REQUEST, OPEN))).toEqual(expected);
  });

  test("no answer is a timeout, and the next attempt is on another connection", async () => {
    const peers = new Set<string>();
    answer = (call) => void peers.add(call.getPeer());
    const timeout = ["retry", "timeout", undefined, "no complete answer within 300 ms"];
    expect(summary(await transport.send(REQUEST, OPEN))).toEqual(timeout);
    answer = (call, callback) => {
      peers.add(call.getPeer());
      callback(null, Buffer.alloc(0));
    };
    expect(summary(await transport.send(REQUEST, OPEN))).toEqual(["sent", 0, undefined]);
    expect(peers.size).toBe(2);
  });

  test("connections to a peer that never says a word are ended", async () => {
    const open = new Set<Socket>();
    let connections = 0;
    const mute = createServer((socket) => {
      connections++;
      open.add(socket);
      socket.on("close", () => open.delete(socket)).on("error", () => {});
      socket.resume();
    });
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", () => resolve()));
    const address = mute.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const config = otlpConfig({ protocol: "grpc", timeout: "100ms" });
    const url = new URL(`http://127.0.0.1:${port}`);
    const credentials = new Credentials(config, url);
    const options = { config, url, target: url.host, credentials, userAgent: "test" };
    const toMute = createGrpcTransport(options, "traces");
    for (let i = 0; i < 5; i++) {
      const outcomes = await Promise.all([1, 2].map(() => toMute.send(REQUEST, OPEN)));
      expect(outcomes.map(({ status }) => status)).toEqual(["retry", "retry"]);
    }
    toMute[Symbol.dispose]();
    await until(() => connections === 5 && open.size === 0);
    mute.close();
  });

  test("an answer beyond 64 KiB is not read, and what it answers is not sent again", async () => {
    answer = (_, callback) => callback(null, Buffer.alloc(1 << 20));
    const sent = ["sent", 0, "its answer of more than 65536 bytes is not read"];
    expect(summary(await transport.send(REQUEST, OPEN))).toEqual(sent);
  });

  test("a proxy of the environment is not asked", async () => {
    await withProxy(async () => {
      answer = (_, callback) => callback(null, Buffer.alloc(0));
      using own = openTransport({});
      expect(summary(await own.send(REQUEST, OPEN))).toEqual(["sent", 0, undefined]);
    });
  });

  test("a header that gRPC cannot carry is named without its value", async () => {
    using own = openTransport({ headers: { "x-key": "hunt\u00e9r2" } });
    const problem = "header x-key: its value has a character that no header over gRPC may have";
    expect(summary(await own.send(REQUEST, OPEN))).toEqual(["retry", "unreachable", undefined, problem]);
  });

  test("a token that is refused while its file is half written is tried again", async () => {
    const file = join(mkdtempSync("/dev/shm/mermin-transport-"), "token");
    writeFileSync(file, "first");
    answer = (_, callback) => {
      writeFileSync(file, "second\u0000");
      callback({ code: status.UNAUTHENTICATED, details: "who" });
    };
    using own = openTransport({ auth: { bearer: { token: { file } } } });
    const refused = ["retry", "unavailable", 0, "gRPC UNAUTHENTICATED who"];
    expect(summary(await own.send(REQUEST, OPEN))).toEqual(refused);
    rmSync(dirname(file), { recursive: true });
  });
});

/** google.rpc.Status { details: [RetryInfo { retry_delay: { seconds } }] } */
function statusWithRetryInfo(seconds: number): Uint8Array {
  const duration = Uint8Array.of(8, seconds);
  const info = new ProtobufWriter(16);
  info.field(1, duration);
  const any = new ProtobufWriter(64);
  any.textField(1, "type.googleapis.com/google.rpc.RetryInfo");
  any.field(2, info.bytes.subarray(0, info.length));
  const outer = new ProtobufWriter(128);
  outer.field(3, any.bytes.subarray(0, any.length));
  return outer.bytes.slice(0, outer.length);
}
