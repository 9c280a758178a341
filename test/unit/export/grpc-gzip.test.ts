// What of a compressed request is on the wire: a peer that reads it by itself, and not by grpc-js.

import { expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { gunzipSync } from "bun";
import { Credentials } from "../../../src/export/credentials.ts";
import { createGrpcTransport } from "../../../src/export/transport-grpc.ts";
import { otlpConfig } from "../../support/otlp-config.ts";

/** Of a message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;
/** Of gzip's header (RFC 1952): by which effort it was compressed, and what says the least one. */
const EFFORT_OFFSET = 8;
const LEAST_EFFORT = 4;

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly message: Buffer;
}

/** A request as a peer gets it that takes it. */
async function receive(compression: "gzip" | "none", request: Uint8Array<ArrayBuffer>): Promise<Received> {
  const { promise, resolve } = Promise.withResolvers<Received>();
  const server = createServer();
  server.on("stream", async (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(Buffer.from(chunk));
    resolve({ headers, message: Buffer.concat(chunks) });
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.alloc(PREFIX_BYTES));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const config = otlpConfig({ protocol: "grpc", compression });
  const url = new URL(`http://127.0.0.1:${port}`);
  const options = {
    config,
    url,
    target: url.host,
    credentials: new Credentials(config, url),
    userAgent: "t",
  };
  using transport = createGrpcTransport(options, "traces");
  const outcome = await transport.send(request, new AbortController().signal);
  server.close();
  expect(outcome).toEqual({ status: "sent", rejected: 0, message: undefined });
  return await promise;
}

const REQUEST = new Uint8Array(100_000).map((_, index) => index % 251);

test("gRPC with gzip: a message is compressed once, with the least effort, and says so", async () => {
  const { headers, message } = await receive("gzip", REQUEST);
  expect(headers["grpc-encoding"]).toBe("gzip");
  expect(message[0]).toBe(1);
  expect(message.readUInt32BE(1)).toBe(message.length - PREFIX_BYTES);
  const compressed = message.subarray(PREFIX_BYTES);
  expect(compressed[EFFORT_OFFSET]).toBe(LEAST_EFFORT);
  expect(Buffer.from(gunzipSync(new Uint8Array(compressed)))).toEqual(Buffer.from(REQUEST));
});

test("gRPC without compression: a message is as it is, and says so", async () => {
  const { headers, message } = await receive("none", REQUEST);
  expect(headers["grpc-encoding"]).toBeUndefined();
  expect(message[0]).toBe(0);
  expect(message.readUInt32BE(1)).toBe(REQUEST.length);
  expect(message.subarray(PREFIX_BYTES)).toEqual(Buffer.from(REQUEST));
});
