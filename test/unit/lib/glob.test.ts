import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compileGlob, compileGlobs, compilePattern, compilePatterns } from "../../../src/lib/glob.ts";

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
    ["?", "😀", true],
    ["[a-c-]x", "-x", true],
    ["{,a,{b,}c}d", "d", true],
    ["{,a,{b,}c}d", "bcd", true],
    ["*{abc,b}*c", "abc", true],
    ["{b,a*}", "bc", false],
    ["{b,a*}", "ac", true],
    ["a*", "a\nb", true],
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

describe("compileGlob, of names that others write", () => {
  // What tries each way through the name takes four times as long for each star.
  test.each(["*a*a*a*a*a*b", "*{a,aa}*{a,aa}*{a,aa}*{a,aa}*b"])(
    "takes no longer for %s than name and pattern are longer",
    (pattern) => {
      const matches = compileGlob(pattern);
      expect(timeOf(matches, 100) / timeOf(matches, 25)).toBeLessThan(80);
    },
  );
});

/** Best of some, in ms. */
function timeOf(matches: (name: string) => boolean, length: number): number {
  const name = "a".repeat(length);
  const times = Array.from({ length: 9 }, () => {
    const began = performance.now();
    expect(matches(name)).toBe(false);
    return performance.now() - began;
  });
  return Math.min(...times);
}

describe("compileGlobs", () => {
  test("matches where any pattern does, and nothing where there is none", () => {
    const matches = compileGlobs(["eth*", "wg0"]);
    expect(["eth7", "wg0", "wg1"].map(matches)).toEqual([true, true, false]);
    expect(compileGlobs([])("eth0")).toBe(false);
  });
});

describe("compilePattern", () => {
  test.each([
    ["eth*", "eth7", true],
    ["/en[ps]\\d+/", "ens3", true],
    ["/en[ps]\\d+/", "ens3f1", false],
    ["/en[ps]\\d+/", "xens3", false],
    ["/veth.*|cali.*/", "cali12", true],
    ["/a|b/", "ab", false],
    ["/^eth0$/", "eth0", true],
    ["/[\\w--\\d]+/", "eth", true],
    ["/[\\w--\\d]+/", "eth0", false],
    ["/", "/", true],
    ["//", "//", true],
  ])("%s against %s: %p", (pattern, name, matches) => {
    expect(compilePattern(pattern)(name)).toBe(matches);
  });

  test.each(["/(/", "/[b-a]/", "/a)|(b/", "/*/", "/\\p{Nothing}/", "/a{2,1}/"])(
    "refuses %s in words",
    (pattern) => {
      expect(() => compilePattern(pattern)).toThrow(/^malformed regular expression: \S/);
    },
  );

  test("ends, whatever the expression, with the longest name that an interface may have", () => {
    const matches = compilePattern("/(a+)+b/");
    for (let times = 0; times < 10; times++) expect(matches("a".repeat(15))).toBe(false);
  });

  test("a list matches where any does, and nothing where there is none", () => {
    const matches = compilePatterns(["wg0", "/en.+/"]);
    expect(["wg0", "eno1", "eth0"].map(matches)).toEqual([true, true, false]);
    expect(compilePatterns([])("eth0")).toBe(false);
  });
});
