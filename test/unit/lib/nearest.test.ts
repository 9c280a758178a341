import { describe, expect, test } from "bun:test";
import { editDistance, findNearest } from "../../../src/lib/nearest.ts";

describe("editDistance", () => {
  test.each([
    ["", "", 0],
    ["abc", "", 3],
    ["timout", "timeout", 1],
    ["udp", "upd", 1],
    ["kitten", "sitting", 3],
    ["run", "check", 5],
  ])("%p to %p is %d", (from, to, distance) => {
    expect(editDistance(from, to)).toBe(distance);
    expect(editDistance(to, from)).toBe(distance);
  });
});

describe("findNearest", () => {
  test("names what a typing error meant", () => {
    expect(findNearest("tcp_timout", ["udp_timeout", "tcp_timeout"])).toBe("tcp_timeout");
    expect(findNearest("rnu", ["run", "replay"])).toBe("run");
  });

  test("names nothing for a word that is not alike", () => {
    expect(findNearest("sampling", ["interfaces", "exclude"])).toBeUndefined();
    expect(findNearest("xy", ["ab"])).toBeUndefined();
  });
});
