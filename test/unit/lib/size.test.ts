import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatSize, parseSize, toBytes } from "../../../src/lib/size.ts";

describe("parseSize", () => {
  test.each([
    ["4MiB", 4_194_304],
    ["512 KiB", 524_288],
    ["1.5GiB", 1_610_612_736],
    ["1MB", 1_000_000],
    ["10kB", 10_000],
    ["64B", 64],
    ["65536", 65_536],
  ])("reads %s", (text, bytes) => {
    expect(parseSize(text)).toBe(toBytes(bytes));
  });

  test.each(["", "MiB", "-1", "4mib", "4 M", "1.5", "1.0001KiB", "4  MiB", "1TiB"])("refuses %p", (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

describe("formatSize", () => {
  test("takes the largest unit that keeps the number whole", () => {
    expect([4_194_304, 1_048_577, 1024, 0, 3 * 2 ** 30].map((value) => formatSize(toBytes(value)))).toEqual([
      "4MiB",
      "1048577B",
      "1KiB",
      "0B",
      "3GiB",
    ]);
  });

  test("is read back to the same size", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31), fc.nat(10), (value, shift) => {
        const size = toBytes(value * 2 ** shift);
        expect(parseSize(formatSize(size))).toBe(size);
      }),
    );
  });
});
