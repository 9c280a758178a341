import { describe, expect, test } from "bun:test";
import { findNearest } from "../../../src/lib/nearest.ts";

describe("findNearest", () => {
  test("names what a typing error meant", () => {
    expect(findNearest("tcp_timout", ["udp_timeout", "tcp_timeout"])).toBe("tcp_timeout");
    expect(findNearest("rnu", ["run", "replay"])).toBe("run");
  });

  test.each([
    ["timeot", "timeout", "a letter too few"],
    ["timeoutt", "timeout", "a letter too many"],
    ["tineout", "timeout", "a wrong letter"],
    ["tiemout", "timeout", "two letters swapped"],
    ["tcp_tiemot", "tcp_timeout", "two errors"],
  ])("takes %s for %s: %s", (name, meant) => {
    expect(findNearest(name, ["poll_interval", meant])).toBe(meant);
  });

  test("prefers the closer of two", () => {
    expect(findNearest("udp_timeou", ["tcp_timeout", "udp_timeout"])).toBe("udp_timeout");
  });

  test("names nothing for a word that is not alike", () => {
    expect(findNearest("sampling", ["interfaces", "exclude"])).toBeUndefined();
    expect(findNearest("xy", ["ab"])).toBeUndefined();
  });
});
