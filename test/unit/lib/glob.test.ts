import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compileGlob, compileGlobs } from "../../../src/lib/glob.ts";

describe("compileGlob", () => {
  test.each([
    ["eth0", "eth0", true],
    ["eth0", "eth01", false],
    ["eth0", "ETH0", false],
    ["en*", "enp3s0", true],
    ["en*", "wlan0", false],
    ["veth?", "veth1", true],
    ["veth?", "veth", false],
    ["eth[0-3]", "eth2", true],
    ["eth[!0-3]", "eth2", false],
    ["eth[!0-3]", "eth4", true],
    ["eth[]x]", "eth]", true],
    ["{eth,en}*", "en7", true],
    ["{eth,en}*", "wl7", false],
    ["br-{a,b{1,2}}", "br-b2", true],
    ["br-{a,b{1,2}}", "br-b", false],
    ["a,b", "a,b", true],
    ["eth0.100", "eth0x100", false],
    ["eth0.100", "eth0.100", true],
    ["\\*", "*", true],
    ["\\*", "x", false],
    ["*", "", true],
    ["wg-ü*", "wg-ü1", true],
  ])("%s against %s is %p", (pattern, name, matches) => {
    expect(compileGlob(pattern)(name)).toBe(matches);
  });

  test.each([
    ["eth[0", '"[" is not closed'],
    ["eth{a,b", '"{" is not closed'],
    ["eth}", '"}" was not opened'],
    ["eth[9-0]", 'range "9-0" is empty'],
    ["eth\\", '"\\" at the end'],
  ])("refuses %s", (pattern, reason) => {
    expect(() => compileGlob(pattern)).toThrow(new SyntaxError(`malformed pattern: ${reason}`));
  });

  test("agrees with Bun.Glob on patterns without escapes", () => {
    const piece = fc.constantFrom("a", "b", "1", "*", "?", "[ab]", "[!a1]", "[a-b]", "{a,b1}", "{1,*b}");
    const pattern = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(""));
    const name = fc
      .array(fc.constantFrom("a", "b", "1"), { minLength: 1, maxLength: 6 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(pattern, name, (text, candidate) => {
        // Bun.Glob takes two neighbouring stars for "any folders"; for a name one star says the same.
        expect(compileGlob(text)(candidate)).toBe(new Bun.Glob(text.replace(/\*+/g, "*")).match(candidate));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("compileGlobs", () => {
  test("matches where any pattern does, and nothing where there is none", () => {
    const matches = compileGlobs(["eth*", "wg0"]);
    expect(["eth7", "wg0", "wg1"].map(matches)).toEqual([true, true, false]);
    expect(compileGlobs([])("eth0")).toBe(false);
  });
});
