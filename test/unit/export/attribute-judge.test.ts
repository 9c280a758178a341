import { expect, test } from "bun:test";
import { ATTRIBUTES } from "../../../src/export/attributes.ts";
import { judgeAttributes } from "../../support/attribute-judge.ts";

const TABLE = ATTRIBUTES.filter(({ name }) => ["source.address", "source.port"].includes(name));
const RIGHT = ["source.address string", "source.port int"];

test("judgeAttributes finds nothing where each row was seen with its type", () => {
  expect(judgeAttributes(RIGHT, TABLE)).toEqual({ wrong: [], unseen: [] });
});

test("judgeAttributes knows what a cluster says, in its type", () => {
  const names = [
    "source.k8s.pod.name string",
    "destination.k8s.pod.label.app string",
    "source.k8s.service.name string[]",
  ];
  expect(judgeAttributes([...RIGHT, ...names], TABLE)).toEqual({ wrong: [], unseen: [] });
  expect(judgeAttributes([...RIGHT, "source.k8s.pod.name int"], TABLE).wrong).toHaveLength(1);
});

test("judgeAttributes finds a row that no span had", () => {
  const unseen = ["source.port is in the table, and no span had it"];
  expect(judgeAttributes(RIGHT.slice(0, 1), TABLE)).toEqual({ wrong: [], unseen });
});

test.each([
  ["source.colour string", "source.colour is on a span and not in the table"],
  ["source.port string", "source.port is string on a span, int in the table"],
  ["source.port missing", "source.port is required, and a span lacks it"],
])("judgeAttributes finds what is not as the table says: %s", (line, problem) => {
  expect(judgeAttributes([...RIGHT, line], TABLE)).toEqual({ wrong: [problem], unseen: [] });
});
