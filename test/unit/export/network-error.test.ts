// What a user reads in the log who mixed up ports or schemes, against servers of the other kind.

import { afterAll, expect, test } from "bun:test";
import { createServer } from "node:net";
import { Credentials } from "../../../src/export/credentials.ts";
import { createGrpcTransport } from "../../../src/export/transport-grpc.ts";
import { createHttpTransport } from "../../../src/export/transport-http.ts";
import { otlpConfig } from "../../support/otlp-config.ts";

const http = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("") });
const closing = createServer((socket) => socket.on("error", () => {}).destroy());
const greeting = createServer((socket) => {
  socket.on("error", () => {}).once("data", () => socket.write("220 mail.example ESMTP ready\r\n"));
});
const [closingPort, greetingPort] = await Promise.all([closing, greeting].map(listen));
afterAll(() => {
  void http.stop(true);
  closing.close();
  greeting.close();
});

async function listen(server: typeof closing): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

async function problemOf(protocol: "http_protobuf" | "grpc", endpoint: string): Promise<string> {
  const config = otlpConfig({ protocol, endpoint });
  const url = new URL(endpoint);
  const options = { config, url, credentials: new Credentials(config, url), userAgent: "test" };
  using transport =
    protocol === "grpc"
      ? createGrpcTransport({ ...options, target: url.host }, "traces")
      : createHttpTransport(options, "protobuf");
  const outcome = await transport.send(new Uint8Array(1), new AbortController().signal);
  return outcome.status === "sent" ? "" : outcome.cause.message;
}

test.each([
  ["grpc", `http://127.0.0.1:${http.port}`, "its port does not speak gRPC; is it that of OTLP over HTTP?"],
  ["grpc", `https://127.0.0.1:${http.port}`, "its port does not speak TLS; is the endpoint http?"],
  [
    "grpc",
    `http://127.0.0.1:${closingPort}`,
    "gRPC UNAVAILABLE No connection established. Last error: Failed to connect",
  ],
  ["grpc", "http://no.such.host.invalid:1", "the name of the host cannot be looked up"],
  ["http_protobuf", `https://127.0.0.1:${http.port}`, "its port does not speak TLS; is the endpoint http?"],
  ["http_protobuf", `http://127.0.0.1:${closingPort}`, "connection closed before the answer"],
  ["http_protobuf", `http://127.0.0.1:${greetingPort}`, "its port does not speak HTTP"],
] as const)("%s to %s", async (protocol, endpoint, problem) => {
  expect(await problemOf(protocol, endpoint)).toBe(problem);
});
