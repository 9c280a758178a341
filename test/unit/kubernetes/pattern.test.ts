import { describe, expect, test } from "bun:test";
import { Extractor } from "../../../src/kubernetes/attributes-extract.ts";
import type { KubernetesObject } from "../../../src/kubernetes/object.ts";
import { compileExpression } from "../../../src/kubernetes/pattern.ts";

describe("compileExpression", () => {
  test.each([
    ["team/(.*)", "team/a", ["team/a", "a"]],
    ["team/(.*)", "my-team/a", undefined],
    ["a|ab", "ab", ["ab"]],
    ["(a)|(b)", "b", ["b", "", "b"]],
    ["a", "a\n", undefined],
    ["(?i)[[:alpha:]]+", "Ä", undefined],
    ["\\p{L}+", "Ärger", ["Ärger"]],
    [".*", "x".repeat(1025), undefined],
  ])("%s has in %p %p", (source, text, groups) => {
    expect(compileExpression(source)(text)).toEqual(groups);
  });

  test.each([
    ["(", "must be a regular expression of RE2: missing closing ): `(`"],
    ["(?=a)b", "must be a regular expression of RE2, which has no look-around: "],
    ["(?<!a)b", "must be a regular expression of RE2, which has no look-around: "],
    ["(a)\\1", "must be a regular expression of RE2, which has no back-references: "],
    ["(?<n>a)\\k<n>", "must be a regular expression of RE2, which has no back-references: "],
    ["(.?){1000}(.?){1000}", "must be a regular expression of at most 4096 steps; its repetitions make 8"],
    ["(?:a{500}){500}", "must be a regular expression of RE2: invalid repeat count"],
  ])("refuses %s in one line", (source, problem) => {
    expect(() => compileExpression(source)).toThrow(problem);
    expect(() => compileExpression(source)).not.toThrow("\n");
  });
});

describe("Extractor", () => {
  // What tries each way through the text takes 8,000 times as long for thirteen characters more.
  test.each([
    ["value", { key: "evil", value_regex: "(a+)+b?" }],
    ["key", { key_regex: "(a|aa|a*)+b?" }],
  ])("takes no longer for an evil %s than the text is longer", (_, rule) => {
    const short = timeToExtract(rule, 13);
    const long = timeToExtract(rule, 26);
    expect(long / short).toBeLessThan(200);
  });

  test("makes at most 64 attributes of one object by one rule", () => {
    const pairs = Array.from({ length: 1000 }, (_, index) => [`key-${index}`, "value"] as const);
    const told = extract({ key_regex: "key-(.*)" }, new Map(pairs));
    expect(told).toHaveLength(64);
  });
});

/** Best of some, in ms. */
function timeToExtract(rule: object, length: number): number {
  const text = `${"a".repeat(length)}!`;
  const annotations = new Map([
    ["evil", text],
    [text, ""],
  ]);
  const times = Array.from({ length: 5 }, () => {
    const began = performance.now();
    extract(rule, annotations);
    return performance.now() - began;
  });
  return Math.min(...times);
}

function extract(rule: object, annotations: ReadonlyMap<string, string>): readonly string[] {
  const blank = { from: "Pod", key: "", key_regex: "", value_regex: "", attribute: "", attribute_value: "" };
  const extractor = new Extractor({ labels: [], annotations: [{ ...blank, from: "Pod", ...rule }] });
  const object: KubernetesObject = {
    uid: "u",
    name: "n",
    namespace: "shop",
    createdTime: 0,
    labels: new Map(),
    annotations,
    owners: [],
  };
  const told: string[] = [];
  extractor.extract("Pod", object, (name) => told.push(name));
  return told;
}
