// What a collector answers. Comes in: bytes from outside. Goes out: how many spans it refused, what it said, when it
// wants to be asked again. Texts are cut and freed of control characters: they go to the log.

import { findProtobufField, readProtobufFields, readProtobufText } from "./protobuf-fields.ts";
import type { Encoding } from "./request-encoder.ts";

/** Of ExportTraceServiceResponse; those of logs and metrics have the same numbers. */
const RESPONSE = { partialSuccess: 1 };
const PARTIAL_SUCCESS = { rejected: 1, message: 2 };

/** google.rpc.Status, google.protobuf.Any, google.rpc.RetryInfo, google.protobuf.Duration. */
const STATUS = { message: 2, details: 3 };
const ANY = { typeUrl: 1, value: 2 };
const RETRY_INFO = { delay: 1 };
const DURATION = { seconds: 1, nanos: 2 };

const REJECTED_MEMBERS = ["rejectedSpans", "rejectedLogRecords", "rejectedDataPoints"];

const MOST_CHARACTERS = 300;

export interface PartialSuccess {
  readonly rejected: number;
  /** undefined where it said nothing. */
  readonly message: string | undefined;
}

/** Reads an Export…ServiceResponse; what is malformed says that nothing was refused. */
export function readResponse(body: Uint8Array, encoding: Encoding): PartialSuccess {
  return encoding === "json" ? readJsonResponse(body) : readProtobufResponse(body);
}

function readProtobufResponse(body: Uint8Array): PartialSuccess {
  const partial = findProtobufField(body, RESPONSE.partialSuccess)?.bytes ?? new Uint8Array();
  const rejected = findProtobufField(partial, PARTIAL_SUCCESS.rejected)?.value ?? 0;
  const message = readProtobufText(partial, PARTIAL_SUCCESS.message);
  return { rejected, message: message === "" ? undefined : clean(message) };
}

function readJsonResponse(body: Uint8Array): PartialSuccess {
  const partial = member(parseJson(body), "partialSuccess");
  const rejected = REJECTED_MEMBERS.map((name) => Math.floor(Number(member(partial, name)))).find(
    (count) => count > 0,
  );
  const message = member(partial, "errorMessage");
  return {
    rejected: rejected ?? 0,
    message: typeof message === "string" && message !== "" ? clean(message) : undefined,
  };
}

/** What an answer that is no success says: the message of a google.rpc.Status, or the text as it is. */
export function readErrorText(body: Uint8Array, contentType: string): string {
  if (contentType.startsWith("application/x-protobuf")) return clean(readProtobufText(body, STATUS.message));
  if (contentType.startsWith("application/json")) {
    const message = member(parseJson(body), "message");
    if (typeof message === "string") return clean(message);
  }
  return clean(new TextDecoder().decode(body));
}

/** Retry-After (RFC 9110), in ms from now: seconds or a date; undefined where it is neither. */
export function parseRetryAfter(text: string | null, now: number = Date.now()): number | undefined {
  const trimmed = text?.trim() ?? "";
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed) * 1000;
  // Of what Date reads, only what has a day's and a month's name is meant.
  const date = /^[A-Za-z]{3,9},? /.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** The delay of the RetryInfo in a google.rpc.Status (`grpc-status-details-bin`), in ms; undefined where there is none. */
export function readRetryInfo(status: Uint8Array): number | undefined {
  for (const { number, bytes } of readProtobufFields(status)) {
    if (number !== STATUS.details) continue;
    if (!readProtobufText(bytes, ANY.typeUrl).endsWith("google.rpc.RetryInfo")) continue;
    const info = findProtobufField(bytes, ANY.value)?.bytes ?? new Uint8Array();
    const delay = findProtobufField(info, RETRY_INFO.delay)?.bytes ?? new Uint8Array();
    const seconds = findProtobufField(delay, DURATION.seconds)?.value ?? 0;
    const nanos = findProtobufField(delay, DURATION.nanos)?.value ?? 0;
    // A negative varint is far above any time that is meant.
    return seconds < 2 ** 32 && nanos < 1e9 ? seconds * 1000 + nanos / 1e6 : 0;
  }
  return undefined;
}

/** One line of bounded length. */
export function clean(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
  return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}…` : line;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
