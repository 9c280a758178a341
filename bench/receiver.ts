// An OTLP receiver over HTTP and gRPC that reads, counts and discards; `GET /` over HTTP is answered with the count.
// Usage: bun bench/receiver.ts HTTP_PORT GRPC_PORT

import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { ItemCount } from "./item-count.ts";

/** Above any request of the agent's at its default batch size: flow control is not what is measured. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** Of a gRPC message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;

const LOOPBACK = "127.0.0.1";
const [httpPort = 0, grpcPort = 0] = process.argv.slice(2).map(Number);
const items = new ItemCount();

Bun.serve({
  hostname: LOOPBACK,
  port: httpPort,
  maxRequestBodySize: 1 << 28,
  fetch: async (request: Request): Promise<Response> => {
    if (request.method === "GET") return new Response(String(items.total()));
    const type = request.headers.get("content-type") ?? "";
    const body = Buffer.from(await request.arrayBuffer());
    const isGzip = request.headers.get("content-encoding") === "gzip";
    items.add(body, type === "application/json" ? "json" : "protobuf", isGzip);
    return new Response(type === "application/json" ? "{}" : new Uint8Array(0), {
      headers: { "content-type": type },
    });
  },
});

const server = createServer({ settings: { initialWindowSize: WINDOW_BYTES } });
server.on("session", (session: ServerHttp2Session) => session.setLocalWindowSize(WINDOW_BYTES));
server.on("stream", answer);
server.listen(grpcPort, LOOPBACK, () => console.log("ready"));

/** A unary call: one message, answered with an empty one. */
function answer(stream: ServerHttp2Stream): void {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    const message = Buffer.concat(chunks);
    items.add(message.subarray(PREFIX_BYTES), "protobuf", message[0] === 1);
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.alloc(PREFIX_BYTES));
  });
}
