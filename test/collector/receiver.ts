// An OTLP/HTTP collector on loopback for tests. Its answers are set by the test; what it takes, it decodes and keeps.

import { gunzipSync } from "bun";
import { type DecodedSpan, decodeRequest, encodePartialSuccess } from "./decode.ts";

/** What the collector does with a request. */
export type Behaviour =
  | { readonly kind: "accept" }
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: string }
  | { readonly kind: "partial"; readonly rejected: number }
  /** Takes a request after so long, one after the other. */
  | { readonly kind: "late"; readonly afterMs: number }
  /** Reads the request and never answers. */
  | { readonly kind: "stall" }
  /** Answers 200 and then a byte now and then, for ever. */
  | { readonly kind: "trickle" };

export interface ReceivedRequest {
  readonly path: string;
  readonly headers: Headers;
  readonly spans: number;
}

export interface Receiver extends Disposable {
  readonly port: number;
  /** Spans of accepted requests, in the order they came. */
  readonly spans: readonly DecodedSpan[];
  /** Spans of requests that got no answer. */
  readonly unanswered: readonly DecodedSpan[];
  /** Every request, whatever the answer. */
  readonly requests: readonly ReceivedRequest[];
  /** Most requests that were unanswered at once. */
  readonly mostConcurrent: number;
  behaviour: Behaviour;
}

/** Starts a collector. @param port 0 for any */
export function startReceiver(behaviour: Behaviour, port = 0): Receiver {
  const spans: DecodedSpan[] = [];
  const unanswered: DecodedSpan[] = [];
  const requests: ReceivedRequest[] = [];
  let current = behaviour;
  let open = 0;
  let queue = Promise.resolve();
  let mostConcurrent = 0;
  const answer = async (request: Request): Promise<Response> => {
    const body = new Uint8Array(await request.arrayBuffer());
    const isGzip = request.headers.get("content-encoding") === "gzip";
    const decoded = decodeRequest(isGzip ? gunzipSync(body) : body);
    requests.push({
      path: new URL(request.url).pathname,
      headers: request.headers,
      spans: decoded.spans.length,
    });
    if (current.kind === "stall") {
      unanswered.push(...decoded.spans);
      await new Promise((resolve) => request.signal.addEventListener("abort", resolve, { once: true }));
      return new Response("nobody waits for it any more");
    }
    if (current.kind === "trickle") return new Response(endlessBody());
    if (current.kind === "status") {
      const headers: Record<string, string> =
        current.retryAfter === undefined ? {} : { "retry-after": current.retryAfter };
      return new Response("no", { status: current.status, headers });
    }
    if (current.kind === "late") {
      const { afterMs } = current;
      queue = queue.then(() => Bun.sleep(afterMs));
      await queue;
    }
    spans.push(...decoded.spans);
    const content =
      current.kind === "partial" ? encodePartialSuccess(current.rejected, "too many") : new Uint8Array();
    return new Response(content, { headers: { "content-type": "application/x-protobuf" } });
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    idleTimeout: 0,
    fetch: async (request) => {
      mostConcurrent = Math.max(mostConcurrent, ++open);
      try {
        return await answer(request);
      } finally {
        open--;
      }
    },
  });
  return {
    port: server.port ?? 0,
    spans,
    unanswered,
    requests,
    get mostConcurrent() {
      return mostConcurrent;
    },
    get behaviour() {
      return current;
    },
    set behaviour(next) {
      current = next;
    },
    [Symbol.dispose]: () => void server.stop(true),
  };
}

function endlessBody(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: async (controller) => {
      await Bun.sleep(20);
      controller.enqueue(Uint8Array.of(0));
    },
  });
}
