// Carries requests over OTLP/gRPC by grpc-js, as unary calls of bytes. One attempt each; who retries is above.

import { type CallOptions, type Client, Metadata, type ServiceError, status as STATUS } from "@grpc/grpc-js";
import { ANSWER_BYTES, type GrpcChannel, type GrpcOptions, openGrpcChannel } from "./grpc-channel.ts";
import { leaveCompressed, markCompressed } from "./grpc-gzip.ts";
import { gzipRequest } from "./gzip.ts";
import { findNetworkError } from "./network-error.ts";
import { clean, readResponse, readRetryInfo } from "./otlp-response.ts";
import type { Signal } from "./request-encoder.ts";
import type { RetryReason, SendOutcome, SendRequest, Transport } from "./send-outcome.ts";

const METHODS: Readonly<Record<Signal, string>> = {
  traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
  metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
};

/** OTLP's list of what may be sent again; RESOURCE_EXHAUSTED only where the collector says when. */
const RETRIED: ReadonlySet<number> = new Set([
  STATUS.CANCELLED,
  STATUS.DEADLINE_EXCEEDED,
  STATUS.ABORTED,
  STATUS.OUT_OF_RANGE,
  STATUS.UNAVAILABLE,
  STATUS.DATA_LOSS,
]);

/** What grpc-js says of an answer beyond its limit, compressed or not; it names no limit of the collector's. */
const LARGE_ANSWER = new RegExp(`^Received message .*larger than (?:max \\(\\d+ vs )?${ANSWER_BYTES}\\b`);

/** Nothing is connected before the first request. */
export function createGrpcTransport(
  options: GrpcOptions,
  signal: Signal,
): Pick<Transport, "send" | typeof Symbol.dispose> {
  const { config, credentials, url } = options;
  let channel: GrpcChannel | undefined;
  const close = (): void => {
    channel?.close();
    channel = undefined;
  };
  /** Certificates that changed need a new channel; calls on the old one end on it. */
  const open = (): GrpcChannel => {
    const material = url.protocol === "https:" ? credentials.tls() : undefined;
    if (channel !== undefined && channel.material !== material) close();
    channel ??= openGrpcChannel(options, material);
    return channel;
  };
  const send: SendRequest = async (request, closing) => {
    try {
      const deadline = Date.now() + config.timeout;
      const isGzip = config.compression === "gzip";
      // First of all: the channel may be another one afterwards.
      const message = isGzip ? await gzipRequest(request) : asBuffer(request);
      const headers = credentials.headers();
      const used = open();
      const outcome = await call(used.client, {
        method: METHODS[signal],
        message,
        isGzip,
        metadata: createMetadata(headers),
        deadline,
        timeoutMs: config.timeout,
        closing,
        hasOther: () => credentials.hasOther(headers),
      });
      // The other end may be gone without a word: the next attempt is on a connection of its own.
      if (outcome.status === "retry" && outcome.reason === "timeout" && channel === used) close();
      return outcome;
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      return { status: "retry", reason: "unreachable", retryAfterMs: undefined, cause };
    }
  };
  return { send, [Symbol.dispose]: close };
}

interface Call {
  readonly method: string;
  /** Compressed, where `isGzip`. */
  readonly message: Buffer;
  readonly isGzip: boolean;
  readonly metadata: Metadata;
  /** In ms since 1970. */
  readonly deadline: number;
  readonly timeoutMs: number;
  readonly closing: AbortSignal;
  /** Whether the same request would have other headers now. */
  readonly hasOther: () => boolean;
}

async function call(client: Client, options: Call): Promise<SendOutcome> {
  const { promise, resolve } = Promise.withResolvers<[ServiceError | null, Buffer | undefined]>();
  const { method, message, isGzip, metadata, deadline, closing } = options;
  const callOptions: CallOptions = isGzip ? { deadline, interceptors: [leaveCompressed] } : { deadline };
  const under = client.makeUnaryRequest(
    method,
    isGzip ? markCompressed : (bytes) => bytes,
    (bytes) => bytes,
    message,
    metadata,
    callOptions,
    (error, response) => resolve([error, response]),
  );
  const cancel = (): void => under.cancel();
  closing.addEventListener("abort", cancel, { once: true });
  if (closing.aborted) cancel();
  const [error, response] = await promise;
  closing.removeEventListener("abort", cancel);
  if (error !== null) return judge(error, options);
  return { status: "sent", ...readResponse(response ?? new Uint8Array(), "protobuf") };
}

function judge(error: ServiceError, { hasOther, timeoutMs }: Call): SendOutcome {
  const { code, details, metadata } = error;
  const reason = reasonOf(error);
  const cause = new Error(describe(error, reason, timeoutMs), { cause: error });
  const [status] = metadata?.get("grpc-status-details-bin") ?? [];
  const retryAfterMs = status instanceof Uint8Array ? readRetryInfo(status) : undefined;
  if (RETRIED.has(code) || (code === STATUS.RESOURCE_EXHAUSTED && retryAfterMs !== undefined)) {
    return { status: "retry", reason, retryAfterMs, cause };
  }
  if (code === STATUS.UNAUTHENTICATED && hasOther()) {
    return { status: "retry", reason: "unavailable", retryAfterMs: 0, cause };
  }
  if (code !== STATUS.RESOURCE_EXHAUSTED) return { status: "rejected", cause };
  // Said on our side, of the answer: the request was taken.
  if (LARGE_ANSWER.test(details)) {
    return {
      status: "sent",
      rejected: 0,
      message: `its answer of more than ${ANSWER_BYTES} bytes is not read`,
    };
  }
  // A quota may be exceeded as well: halving would multiply the requests.
  const isTooLarge = /larger than|too large|\bsize\b|\bbytes\b/i.test(details);
  return { status: isTooLarge ? "too_large" : "rejected", cause };
}

function reasonOf({ code, details }: ServiceError): RetryReason {
  if (code === STATUS.DEADLINE_EXCEEDED) return "timeout";
  const isOfChannel = /^(?:No connection established|Name resolution failed|Connection dropped)/.test(
    details,
  );
  return code === STATUS.UNAVAILABLE && isOfChannel ? "unreachable" : "unavailable";
}

function describe({ code, details }: ServiceError, reason: RetryReason, timeoutMs: number): string {
  if (reason === "timeout") return `no complete answer within ${timeoutMs} ms`;
  const words = reason === "unreachable" ? findNetworkError(details) : undefined;
  // The time of the last attempt would make the same failure another text each time.
  const lasting = details.replace(/ \(\d{4}-\d\d-[^)]*\)\. Resolution note:.*$/s, "");
  return words ?? clean(`gRPC ${STATUS[code] ?? code} ${lasting}`);
}

function asBuffer(bytes: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function createMetadata(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) {
    if (name.endsWith("-bin")) metadata.set(name, Buffer.from(value));
    // The message of grpc-js would have the value in it.
    else if (/^[\x20-\x7e]*$/.test(value)) metadata.set(name, value);
    else throw new Error(`header ${name}: its value has a character that no header over gRPC may have`);
  }
  return metadata;
}
