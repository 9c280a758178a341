import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatDuration, parseDuration, toMilliseconds } from "../../../src/lib/time.ts";

describe("parseDuration", () => {
  test.each([
    ["500ms", 500],
    ["5s", 5_000],
    ["1m30s", 90_000],
    ["24h", 86_400_000],
    ["1.5h", 5_400_000],
    ["0.001s", 1],
    ["1h2m3s4ms", 3_723_004],
    ["0s", 0],
  ])("reads %s", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(toMilliseconds(milliseconds));
  });

  test.each([
    "",
    "5",
    "s",
    "-1s",
    "1s1m",
    "5 s",
    "1s1s",
    "0.5ms",
    "0.0001s",
    "1d",
    "1e3s",
    "９s",
    "9007199254740993ms",
  ])("refuses %p", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe("formatDuration", () => {
  test("writes the shortest text", () => {
    expect(
      [90_000, 60_000, 500, 0, 86_400_000].map((value) => formatDuration(toMilliseconds(value))),
    ).toEqual(["1m30s", "1m", "500ms", "0s", "24h"]);
  });

  test("is read back to the same duration", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31), (value) => {
        expect(parseDuration(formatDuration(toMilliseconds(value)))).toBe(toMilliseconds(value));
      }),
    );
  });
});
