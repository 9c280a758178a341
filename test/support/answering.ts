// A collector that answers as a test wants it to: what the real one cannot be made to say. Each request gets the next of
// the answers; when they are used up, it is taken.

import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type StatusObject,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { gunzipSync } from "bun";
import { type DecodedSpan, decodeJsonRequest, decodeRequest } from "../collector/decode.ts";

export interface Asked {
  /** `performance.now()` */
  readonly at: number;
  readonly spans: readonly DecodedSpan[];
  readonly isTaken: boolean;
}

/** Every request, in the order they came. */
export interface Answering extends AsyncDisposable {
  readonly endpoint: string;
  readonly asked: readonly Asked[];
}

/** @param answers each made when it is due; a status of 200 takes the request */
export function answerHttp(answers: readonly (() => Response)[]): Answering {
  const asked: Asked[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const body = new Uint8Array(await request.arrayBuffer());
      const bytes = request.headers.get("content-encoding") === "gzip" ? gunzipSync(body) : body;
      const isJson = request.headers.get("content-type") === "application/json";
      const { spans } = isJson ? decodeJsonRequest(bytes) : decodeRequest(bytes);
      const response = answers[asked.length]?.() ?? new Response(new Uint8Array());
      asked.push({ at: performance.now(), spans, isTaken: response.status === 200 });
      return response;
    },
  });
  return {
    endpoint: `http://127.0.0.1:${server.port}`,
    asked,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

/** A status without code takes the request, and `response` is what it says. */
export interface GrpcAnswer {
  readonly code?: number;
  readonly details?: string;
  /** A google.rpc.Status. */
  readonly status?: Uint8Array;
  /** An ExportTraceServiceResponse. */
  readonly response?: Uint8Array;
}

export async function answerGrpc(answers: readonly GrpcAnswer[]): Promise<Answering> {
  const asked: Asked[] = [];
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  const path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
  const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  server.addService(
    {
      export: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: asBuffer,
        requestDeserialize: asBuffer,
        responseSerialize: asBuffer,
        responseDeserialize: asBuffer,
      },
    },
    {
      export: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void => {
        const { code, details = "", status, response = new Uint8Array() } = answers[asked.length] ?? {};
        const { spans } = decodeRequest(call.request);
        asked.push({ at: performance.now(), spans, isTaken: code === undefined });
        if (code === undefined) {
          answer(null, Buffer.from(response));
          return;
        }
        const metadata = new Metadata();
        if (status !== undefined) metadata.set("grpc-status-details-bin", Buffer.from(status));
        const refusal: StatusObject = { code, details, metadata };
        answer(refusal);
      },
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
    if (error === null) resolve(port);
    else reject(error);
  });
  const port = await promise;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    asked,
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
}
