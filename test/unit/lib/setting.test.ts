import { describe, expect, test } from "bun:test";
import { safeParse } from "valibot";
import { secretsSetting } from "../../../src/lib/secret.ts";
import { tableSetting } from "../../../src/lib/setting.ts";

const FACTS = { description: "Names and their texts." };

describe.each([
  ["tableSetting", tableSetting(FACTS), "must be a string"],
  ["secretsSetting", secretsSetting(() => undefined, FACTS), 'must be a string or { file = "path" }'],
])("%s", (_, schema, entryMessage) => {
  const messagesOf = (value: unknown): readonly string[] =>
    (safeParse(schema, value).issues ?? []).map(({ message }) => message);

  test("is a table of texts, empty where it is left out", () => {
    expect(safeParse(schema, { a: "b", "c.d": "" }).output).toEqual({ a: "b", "c.d": "" });
    expect(safeParse(schema, undefined).output).toEqual({});
  });

  test.each([
    ["a list of texts", ["a", "b"]],
    ["an empty list", []],
    ["a text", "a=b"],
    ["a number", 1],
    ["a date", new Date(0)],
    ["null", null],
  ])("refuses %s", (_, value) => {
    expect(messagesOf(value)).toEqual(["must be a table (in the environment: name=value,name=value)"]);
  });

  test("refuses an entry that is no text", () => {
    expect(messagesOf({ a: 1, b: "b" })).toEqual([entryMessage]);
  });
});
