import { describe, expect, test } from "bun:test";
import { backoffAfter } from "../../../src/lib/backoff.ts";

const RANGE = { first: 1000, longest: 60_000 };

describe("backoffAfter", () => {
  test("doubles up to the longest", () => {
    const waits = [1, 2, 3, 6, 7, 8, 100, 5000].map((failures) => backoffAfter(failures, RANGE, () => 0));
    expect(waits).toEqual([1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000, 60_000]);
  });

  test("leaves up to a half to chance", () => {
    expect(backoffAfter(1, RANGE, () => 0.999)).toBeCloseTo(500.5);
    for (let times = 0; times < 1000; times++) {
      const wait = backoffAfter(3, RANGE);
      expect(wait).toBeGreaterThan(2000);
      expect(wait).toBeLessThanOrEqual(4000);
    }
  });
});
