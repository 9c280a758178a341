// Carries requests over OTLP/HTTP by `fetch`, which keeps connections open. One attempt each; who retries is above.

import type { Credentials } from "./credentials.ts";
import { gzipRequest } from "./gzip.ts";
import { describeNetworkError } from "./network-error.ts";
import type { OtlpConfig } from "./otlp-config.ts";
import { parseRetryAfter, readErrorText, readResponse } from "./otlp-response.ts";
import type { Encoding } from "./request-encoder.ts";
import type { RetryReason, SendOutcome, SendRequest, Transport } from "./send-outcome.ts";

export interface TransportOptions {
  readonly config: Pick<OtlpConfig, "tls" | "timeout" | "compression">;
  /** With user name and password removed. */
  readonly url: URL;
  readonly credentials: Credentials;
  readonly userAgent: string;
}

/** OTLP's answers that say: later. Others are for good. */
const RETRIED: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Most bytes of an answer that are read; what a collector says fits many times. */
const ANSWER_BYTES = 64 * 1024;

const CONTENT_TYPES: Readonly<Record<Encoding, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json",
};

/** Nothing is connected before the first request. */
export function createHttpTransport(options: TransportOptions, encoding: Encoding): Transport {
  const { url, config } = options;
  const send: SendRequest = async (request, closing) => {
    const deadline = new AbortController();
    const abort = (): void => deadline.abort();
    const timer = setTimeout(abort, config.timeout);
    closing.addEventListener("abort", abort, { once: true });
    if (closing.aborted) abort();
    try {
      const aborted = whenAborted(deadline.signal, config.timeout);
      return await Promise.race([attempt(options, encoding, request, deadline.signal), aborted]);
    } catch (error) {
      return retry("unreachable", describeNetworkError(error), error);
    } finally {
      clearTimeout(timer);
      closing.removeEventListener("abort", abort);
      // What is still under way, such as an answer that goes on, is of no interest.
      deadline.abort();
    }
  };
  const isUnverified = url.protocol === "https:" && config.tls.insecure_skip_verify;
  return { host: url.host, isUnverified, send, [Symbol.dispose]: () => {} };
}

async function attempt(
  { config, url, credentials, userAgent }: TransportOptions,
  encoding: Encoding,
  request: Uint8Array<ArrayBuffer>,
  signal: AbortSignal,
): Promise<SendOutcome> {
  const isGzip = config.compression === "gzip";
  const body = isGzip ? await gzipRequest(request) : request;
  const { ca, cert, key } = credentials.tls();
  const headers = credentials.headers();
  const { server_name, insecure_skip_verify } = config.tls;
  const response = await fetch(url, {
    method: "POST",
    body,
    signal,
    redirect: "manual",
    // Who sits behind a proxy of the environment is nobody that the config trusts.
    proxy: false,
    headers: {
      ...headers,
      "content-type": CONTENT_TYPES[encoding],
      ...(isGzip ? { "content-encoding": "gzip" } : {}),
      // An answer is short; what is not compressed cannot grow.
      "accept-encoding": "identity",
      "user-agent": userAgent,
    },
    decompress: false,
    tls: {
      rejectUnauthorized: !insecure_skip_verify,
      ...(server_name === "" ? {} : { serverName: server_name }),
      ...(ca === undefined ? {} : { ca: [...ca] }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  });
  return judge(response, await readBounded(response), {
    encoding,
    hasOther: () => credentials.hasOther(headers),
  });
}

function judge(
  { status, headers }: Response,
  body: Uint8Array,
  { encoding, hasOther }: { readonly encoding: Encoding; readonly hasOther: () => boolean },
): SendOutcome {
  if (status >= 200 && status < 300) return { status: "sent", ...readResponse(body, encoding) };
  const said = readErrorText(body, headers.get("content-type") ?? "");
  const text = `HTTP ${status} ${said}`.trimEnd();
  if (RETRIED.has(status)) {
    return retry("unavailable", text, undefined, parseRetryAfter(headers.get("retry-after")));
  }
  if (status === 401 && hasOther()) return retry("unavailable", text, undefined, 0);
  // OpenTelemetry's Collector says 400 of a body beyond its limit.
  const isTooLarge = status === 413 || (status === 400 && /body too large/i.test(said));
  return { status: isTooLarge ? "too_large" : "rejected", cause: new Error(text) };
}

/** The beginning of the body, up to {@link ANSWER_BYTES}. */
async function readBounded(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    length += part.length;
    if (length >= ANSWER_BYTES) break;
  }
  return Buffer.concat(parts).subarray(0, ANSWER_BYTES);
}

function whenAborted(signal: AbortSignal, timeoutMs: number): Promise<SendOutcome> {
  const { promise, resolve } = Promise.withResolvers<SendOutcome>();
  const giveUp = (): void => resolve(retry("timeout", `no complete answer within ${timeoutMs} ms`));
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  return promise;
}

function retry(reason: RetryReason, text: string, cause?: unknown, retryAfterMs?: number): SendOutcome {
  return { status: "retry", reason, retryAfterMs, cause: new Error(text, { cause }) };
}
