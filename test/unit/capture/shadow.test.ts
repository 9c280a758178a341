import { describe, expect, test } from "bun:test";
import { Shadow } from "../../../src/capture/shadow.ts";

const NOBODY = [[], []] as const;
const BEFORE_INGRESS = [[7, 9], []] as const;

/** A hook that saw nothing of what the device received, at two checks. */
function silent(): Shadow {
  const shadow = new Shadow([10, 10], [5, 5]);
  shadow.observe([20, 10], [5, 5]);
  shadow.observe([30, 10], [5, 5]);
  return shadow;
}

describe("Shadow", () => {
  test("takes two checks and a program before ours", () => {
    const shadow = new Shadow([10, 10], [5, 5]);
    shadow.observe([20, 10], [5, 5]);
    expect(shadow.isSuspect).toBe(false);
    shadow.judge(BEFORE_INGRESS);
    expect(shadow.programs).toEqual([]);
    shadow.observe([30, 10], [5, 5]);
    expect(shadow.isSuspect).toBe(true);
    shadow.judge(NOBODY);
    expect(shadow.programs).toEqual([]);
    shadow.judge(BEFORE_INGRESS);
    expect(shadow.programs).toEqual([7, 9]);
  });

  test("says nothing of a hook that counts, whoever is before it, nor of a device at rest", () => {
    const shadow = new Shadow([10, 10], [5, 5]);
    for (let check = 1; check < 5; check++) shadow.observe([10 + check, 10], [5 + check, 5]);
    for (let check = 1; check < 5; check++) shadow.observe([14, 10], [9, 5]);
    expect(shadow.isSuspect).toBe(false);
    shadow.judge(BEFORE_INGRESS);
    expect(shadow.programs).toEqual([]);
  });

  test("knows the sides apart", () => {
    const shadow = silent();
    shadow.judge([[], [3]]);
    expect(shadow.programs).toEqual([]);
  });

  test("ends when the hook counts again", () => {
    const shadow = silent();
    shadow.judge(BEFORE_INGRESS);
    shadow.observe([30, 10], [5, 5]);
    expect(shadow.programs).toEqual([7, 9]);
    shadow.observe([31, 10], [6, 5]);
    expect(shadow.programs).toEqual([]);
    expect(shadow.isSuspect).toBe(false);
  });

  test("ends when nobody is before it any more", () => {
    const shadow = silent();
    shadow.judge(BEFORE_INGRESS);
    shadow.judge(NOBODY);
    expect(shadow.programs).toEqual([]);
  });
});
