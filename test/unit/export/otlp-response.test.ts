import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  parseRetryAfter,
  readErrorText,
  readResponse,
  readRetryInfo,
} from "../../../src/export/otlp-response.ts";
import { ProtobufWriter } from "../../../src/export/protobuf.ts";

const NOW = Date.parse("2026-11-21T04:00:00Z");

function message(...fields: readonly (readonly [number, Uint8Array | number])[]): Uint8Array {
  const writer = new ProtobufWriter(64);
  for (const [number, value] of fields) {
    if (typeof value === "number") {
      writer.reserve(20);
      writer.varint(number * 8);
      writer.varint(value);
    } else writer.field(number, value);
  }
  return writer.bytes.slice(0, writer.length);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

describe("parseRetryAfter", () => {
  test.each([
    ["0", 0],
    ["120", 120_000],
    [" 7 ", 7_000],
    ["Sat, 21 Nov 2026 04:00:30 GMT", 30_000],
    ["Saturday, 21-Nov-26 04:00:30 GMT", 30_000],
    ["Sat Nov 21 04:00:30 2026 GMT", 30_000],
    ["Sat, 21 Nov 2026 03:00:00 GMT", 0],
    ["-1", undefined],
    ["1.5", undefined],
    ["99999999999999999999", undefined],
    ["soon", undefined],
    ["", undefined],
    [null, undefined],
  ])("of %p is %p ms", (header, ms) => {
    expect(parseRetryAfter(header, NOW)).toBe(ms as number);
  });
});

describe("readRetryInfo", () => {
  const retryInfo = (seconds: number, nanos: number): Uint8Array =>
    message([1, message([1, seconds], [2, nanos])]);
  const status = (type: string, value: Uint8Array): Uint8Array =>
    message([1, 8], [2, text("slow down")], [3, message([1, text(type)], [2, value])]);

  test("finds the delay among the details", () => {
    const type = "type.googleapis.com/google.rpc.RetryInfo";
    expect(readRetryInfo(status(type, retryInfo(3, 500_000_000)))).toBe(3500);
    expect(readRetryInfo(status(type, message()))).toBe(0);
    expect(
      readRetryInfo(status("type.googleapis.com/google.rpc.BadRequest", retryInfo(3, 0))),
    ).toBeUndefined();
    expect(readRetryInfo(new Uint8Array())).toBeUndefined();
  });
});

describe("readResponse", () => {
  test("reads what was refused, in either encoding", () => {
    const partial = message([1, message([1, 7], [2, text("too\nold")])]);
    expect(readResponse(partial, "protobuf")).toEqual({ rejected: 7, message: "too old" });
    const json = { partialSuccess: { rejectedLogRecords: "7", errorMessage: "too\nold" } };
    expect(readResponse(text(JSON.stringify(json)), "json")).toEqual({ rejected: 7, message: "too old" });
    expect(readResponse(new Uint8Array(), "protobuf")).toEqual({ rejected: 0, message: undefined });
    const part = { partialSuccess: { rejectedSpans: 1.5 } };
    expect(readResponse(text(JSON.stringify(part)), "json").rejected).toBe(1);
    expect(readResponse(text("{}"), "json")).toEqual({ rejected: 0, message: undefined });
  });

  test("takes any bytes, and what it says of them is bounded and on one line", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 500 }),
        fc.constantFrom("protobuf", "json"),
        (bytes, encoding) => {
          const { rejected, message: said = "" } = readResponse(bytes, encoding);
          expect(rejected).toBeGreaterThanOrEqual(0);
          readRetryInfo(bytes);
          for (const line of [
            said,
            readErrorText(bytes, "application/x-protobuf"),
            readErrorText(bytes, ""),
          ]) {
            expect(line.length).toBeLessThanOrEqual(301);
            expect(line).not.toMatch(/[\n\r\u2028\p{Cc}]/u);
          }
        },
      ),
    );
  });
});
