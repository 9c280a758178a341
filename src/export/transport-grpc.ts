// Carries requests over OTLP/gRPC by grpc-js, as unary calls of bytes. One attempt each; who retries is above.

import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import {
  type CallOptions,
  type ChannelCredentials,
  Client,
  type ClientOptions,
  credentials as channelCredentials,
  Metadata,
  type ServiceError,
  status as STATUS,
} from "@grpc/grpc-js";
import type { TlsMaterial } from "./credentials.ts";
import { findNetworkError } from "./network-error.ts";
import { clean, readResponse, readRetryInfo } from "./otlp-response.ts";
import type { Signal } from "./request-encoder.ts";
import type { RetryReason, SendOutcome, SendRequest, Transport } from "./send-outcome.ts";
import type { TransportOptions } from "./transport-http.ts";

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

/** Most bytes of an answer. */
const ANSWER_BYTES = 64 * 1024;

const GZIP_ALGORITHM = 2;

/** A channel and what it was made of. */
interface Channel {
  readonly client: Client;
  readonly material: TlsMaterial | undefined;
}

/** grpc-js names any host in its TLS greeting, and Bun's TLS refuses to name an address: this stands for it. */
const NO_NAME = "address.invalid";

export interface GrpcOptions extends TransportOptions {
  /** `host:port` */
  readonly target: string;
}

/** Nothing is connected before the first request. */
export function createGrpcTransport(
  options: GrpcOptions,
  signal: Signal,
): Pick<Transport, "send" | typeof Symbol.dispose> {
  const { config, credentials, url, target } = options;
  let channel: Channel | undefined;
  const close = (): void => {
    channel?.client.close();
    channel = undefined;
  };
  /** Certificates that changed need a new channel; calls on the old one end on it. */
  const open = (): Client => {
    const material = url.protocol === "https:" ? credentials.tls() : undefined;
    if (channel !== undefined && channel.material !== material) close();
    channel ??= {
      material,
      client: new Client(target, createCredentials(material, options), channelOptions(options)),
    };
    return channel.client;
  };
  const send: SendRequest = async (request, closing) => {
    try {
      const headers = credentials.headers();
      const outcome = await call(open(), {
        method: METHODS[signal],
        request,
        metadata: createMetadata(headers),
        timeoutMs: config.timeout,
        closing,
        hasOther: () => credentials.hasOther(headers),
      });
      // The other end may be gone without a word: the next attempt is on a connection of its own.
      if (outcome.status === "retry" && outcome.reason === "timeout") close();
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
  readonly request: Uint8Array<ArrayBuffer>;
  readonly metadata: Metadata;
  readonly timeoutMs: number;
  readonly closing: AbortSignal;
  /** Whether the same request would have other headers now. */
  readonly hasOther: () => boolean;
}

function call(client: Client, options: Call): Promise<SendOutcome> {
  const { promise, resolve } = Promise.withResolvers<SendOutcome>();
  const { method, request, metadata, timeoutMs, closing } = options;
  const callOptions: CallOptions = { deadline: Date.now() + timeoutMs };
  const under = client.makeUnaryRequest(
    method,
    asBuffer,
    (bytes) => bytes,
    request,
    metadata,
    callOptions,
    (error, response) => {
      if (error !== null) resolve(judge(error, options));
      else resolve({ status: "sent", ...readResponse(response ?? new Uint8Array(), "protobuf") });
    },
  );
  const cancel = (): void => under.cancel();
  closing.addEventListener("abort", cancel, { once: true });
  if (closing.aborted) cancel();
  return promise.finally(() => closing.removeEventListener("abort", cancel));
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
  const isTooLarge = code === STATUS.RESOURCE_EXHAUSTED && /larger than|too large|size|exceed/i.test(details);
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
  return words ?? clean(`gRPC ${STATUS[code] ?? code} ${details}`);
}

function asBuffer(bytes: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function createMetadata(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) {
    metadata.set(name, name.endsWith("-bin") ? Buffer.from(value) : value);
  }
  return metadata;
}

function createCredentials(
  material: TlsMaterial | undefined,
  { config, url }: TransportOptions,
): ChannelCredentials {
  if (material === undefined) return channelCredentials.createInsecure();
  const { ca, cert, key } = material;
  return channelCredentials.createSsl(
    ca === undefined ? null : Buffer.from(ca.join("\n")),
    key === undefined ? null : Buffer.from(key),
    cert === undefined ? null : Buffer.from(cert),
    {
      rejectUnauthorized: !config.tls.insecure_skip_verify,
      checkServerIdentity: (host, certificate) =>
        checkServerIdentity(host === NO_NAME ? plainHost(url) : host, certificate),
    },
  );
}

/** The host of a URL, an IPv6 address without its brackets. */
function plainHost({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

function channelOptions({ config, url, target, userAgent }: GrpcOptions): ClientOptions {
  const serverName = config.tls.server_name || (isIP(plainHost(url)) > 0 ? NO_NAME : "");
  return {
    "grpc.primary_user_agent": userAgent,
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": ANSWER_BYTES,
    "grpc.max_send_message_length": -1,
    // The pauses are the sender's: a channel that waits for longer would only answer for the collector.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    ...(config.compression === "gzip" ? { "grpc.default_compression_algorithm": GZIP_ALGORITHM } : {}),
    "grpc.default_authority": config.tls.server_name || target,
    ...(serverName === "" ? {} : { "grpc.ssl_target_name_override": serverName }),
  };
}
