import { expect, test } from "bun:test";
import type { DecoratedBatch } from "../../../src/decorate.ts";
import type { AttributeSelection } from "../../../src/export/attribute.ts";
import { EVERY_ATTRIBUTE } from "../../../src/export/attributes.ts";
import { createNdjsonFormatter } from "../../../src/export/ndjson.ts";
import { OtlpEncoder } from "../../../src/export/otlp-encode.ts";
import { OtlpJsonEncoder, spansAsJson } from "../../../src/export/otlp-json.ts";
import { createSpanWriter } from "../../../src/export/otlp-span.ts";
import { createPrettyFormatter } from "../../../src/export/pretty.ts";
import { RecordRow } from "../../../src/export/row.ts";
import type { NamedValues } from "../../../src/lib/named-values.ts";
import { decodeRequest } from "../../collector/decode.ts";
import { batchOf, TCP_RECORD } from "../../collector/records.ts";

const LONG = "é".repeat(3000);
const SOURCE: NamedValues = {
  entries: [
    ["source.k8s.namespace.name", "shop"],
    ["source.k8s.pod.name", "client"],
    ["source.k8s.pod.label.note", LONG],
  ],
};
const DESTINATION: NamedValues = {
  entries: [
    ["destination.k8s.node.name", "node-a"],
    ["destination.k8s.service.name", ["web", "all"]],
  ],
};
const POLICIES: NamedValues = { entries: [["network.policy.ingress", ["shop/p (deny)"]]] };
const NAMES = [SOURCE, DESTINATION, POLICIES].flatMap(({ entries }) => entries);

/** Three rows: the first and last are named, the second is not. */
const BATCH: DecoratedBatch = {
  ...batchOf([TCP_RECORD, TCP_RECORD, TCP_RECORD]),
  named: [SOURCE, DESTINATION, POLICIES, undefined, undefined, undefined, SOURCE, undefined, POLICIES],
};

function protobuf(selection: AttributeSelection): readonly Record<string, unknown>[] {
  const encoder = new OtlpEncoder(createSpanWriter(selection), new Map(), "0");
  encoder.append(BATCH, 0, 3);
  return decodeRequest(encoder.take().bytes).spans.map(({ attributes }) => ({ ...attributes }));
}

function ndjson(selection: AttributeSelection): readonly Record<string, unknown>[] {
  const format = createNdjsonFormatter(selection);
  return rows((row) => (JSON.parse(format(row)) as { attributes: Record<string, unknown> }).attributes);
}

function otlpJson(selection: AttributeSelection): readonly Record<string, unknown>[] {
  const { format } = spansAsJson(selection);
  return rows((row) => {
    const { attributes } = JSON.parse(format(row)) as {
      attributes: {
        key: string;
        value: { stringValue?: string; arrayValue?: { values: { stringValue: string }[] } };
      }[];
    };
    return Object.fromEntries(
      attributes.map(({ key, value }) => [
        key,
        value.stringValue ?? value.arrayValue?.values.map(({ stringValue }) => stringValue),
      ]),
    );
  });
}

function rows<T>(read: (row: RecordRow) => T): T[] {
  const row = new RecordRow();
  row.open(BATCH);
  return [0, 1, 2].map((index) => {
    row.moveTo(index);
    return read(row);
  });
}

test.each([
  ["protobuf", protobuf],
  ["ndjson", ndjson],
  ["OTLP/JSON", otlpJson],
])("%s tells what is named beside a row, row by row", (_, tell) => {
  const [first = {}, second = {}, third = {}] = tell(EVERY_ATTRIBUTE);
  expect(first).toMatchObject(Object.fromEntries(NAMES));
  expect(Object.keys(second).filter((name) => name.includes("k8s") || name.includes("policy"))).toEqual([]);
  expect(third).toMatchObject(Object.fromEntries([...SOURCE.entries, ...POLICIES.entries]));
  expect("destination.k8s.node.name" in third).toBeFalse();
  expect(first["network.transport"]).toBe(second["network.transport"]);
});

test.each([
  ["protobuf", protobuf],
  ["ndjson", ndjson],
  ["OTLP/JSON", otlpJson],
])("%s leaves out the names that are not selected", (_, tell) => {
  const isNamedTold = (name: string): boolean => name !== "source.k8s.pod.name";
  const [first = {}] = tell({ ...EVERY_ATTRIBUTE, isNamedTold });
  expect("source.k8s.pod.name" in first).toBeFalse();
  expect(first["source.k8s.namespace.name"]).toBe("shop");
});

test("OtlpJsonEncoder makes one request of rows with and without names", () => {
  const encoder = new OtlpJsonEncoder(spansAsJson(EVERY_ATTRIBUTE), new Map(), "0");
  encoder.append(BATCH, 0, 3);
  expect(() => JSON.parse(new TextDecoder().decode(encoder.take().bytes))).not.toThrow();
});

test("createPrettyFormatter names the ends of a record in short", () => {
  const format = createPrettyFormatter({ isColoured: false });
  const [first, second, third] = rows(format);
  expect(first).toEndWith("shop/client → web,all");
  expect(second).not.toContain("?");
  expect(third).toEndWith("shop/client → ?");
});
