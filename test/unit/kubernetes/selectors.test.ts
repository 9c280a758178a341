import { expect, test } from "bun:test";
import { matchesLabels, SelectorIndex } from "../../../src/kubernetes/selectors.ts";
import { labelsOf, selectorOf } from "./objects.ts";

const LABELS = labelsOf({ app: "web", tier: "front", constructor: "x" });

test.each([
  ["nothing asked", selectorOf({}), true],
  ["equal labels", selectorOf({ app: "web", tier: "front" }), true],
  ["another value", selectorOf({ app: "web", tier: "back" }), false],
  ["a label that is not there", selectorOf({ zone: "" }), false],
  ["In", selectorOf({}, [{ key: "app", operator: "In", values: ["api", "web"] }]), true],
  ["In, not among them", selectorOf({}, [{ key: "app", operator: "In", values: ["api"] }]), false],
  ["In, no such label", selectorOf({}, [{ key: "zone", operator: "In", values: [""] }]), false],
  ["NotIn", selectorOf({}, [{ key: "app", operator: "NotIn", values: ["api"] }]), true],
  ["NotIn, among them", selectorOf({}, [{ key: "app", operator: "NotIn", values: ["web"] }]), false],
  ["NotIn, no such label", selectorOf({}, [{ key: "zone", operator: "NotIn", values: ["a"] }]), true],
  ["Exists", selectorOf({}, [{ key: "tier", operator: "Exists", values: [] }]), true],
  ["Exists, no such label", selectorOf({}, [{ key: "toString", operator: "Exists", values: [] }]), false],
  ["DoesNotExist", selectorOf({}, [{ key: "zone", operator: "DoesNotExist", values: [] }]), true],
  [
    "DoesNotExist, there",
    selectorOf({}, [{ key: "constructor", operator: "DoesNotExist", values: [] }]),
    false,
  ],
  ["one of two fails", selectorOf({ app: "web" }, [{ key: "zone", operator: "Exists", values: [] }]), false],
])("matchesLabels judges %s", (_, selector, isMatch) => {
  expect(matchesLabels(selector, LABELS)).toBe(isMatch);
});

test("SelectorIndex finds those that fit, whatever they are kept under, and forgets them", () => {
  const index = new SelectorIndex<{ readonly selector: ReturnType<typeof selectorOf> }>();
  const all = { selector: selectorOf({}) };
  const web = { selector: selectorOf({ app: "web" }) };
  const front = { selector: selectorOf({}, [{ key: "tier", operator: "In", values: ["front"] }]) };
  const other = { selector: selectorOf({ app: "api" }) };
  for (const each of [all, web, front, other]) index.add(each);
  expect(new Set(index.find(LABELS))).toEqual(new Set([all, web, front]));
  expect(index.find(new Map())).toEqual([all]);
  for (const each of [all, web]) index.delete(each);
  expect(index.find(LABELS)).toEqual([front]);
});
