import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { describeConfig } from "../../../src/config/settings.ts";
import { validateConfig } from "../../../src/config/validate.ts";
import type { AttributeSelection } from "../../../src/export/attribute.ts";
import { ATTRIBUTES, EVERY_ATTRIBUTE } from "../../../src/export/attributes.ts";
import { type AttributesConfig, selectAttributes } from "../../../src/export/attributes-config.ts";
import { createRequestEncoder } from "../../../src/export/create-encoder.ts";
import { createNdjsonFormatter } from "../../../src/export/ndjson.ts";
import { RecordRow } from "../../../src/export/row.ts";
import { decodeJsonRequest, decodeRequest } from "../../collector/decode.ts";
import { VXLAN_DETAIL } from "../../collector/details.ts";
import { anyRecord, batchOf, type RecordFields, TCP_RECORD } from "../../collector/records.ts";

const TUNNELLED: RecordFields = { ...TCP_RECORD, detail: VXLAN_DETAIL };

function select(
  include: readonly string[],
  exclude: readonly string[] = [],
  semconv: AttributesConfig["semconv"] = "1.30",
): AttributeSelection {
  return selectAttributes({ semconv, attributes: { include, exclude } });
}

/** Attributes of a record in each form there is. */
function attributesOf(record: RecordFields, attributes: AttributeSelection): readonly unknown[] {
  const batch = batchOf([record]);
  const encode = (encoding: "protobuf" | "json"): Uint8Array => {
    const encoder = createRequestEncoder("traces", encoding, {
      resource: new Map(),
      version: "1",
      attributes,
    });
    encoder.append(batch, 0, 1);
    return encoder.take().bytes;
  };
  const row = new RecordRow();
  row.open(batch);
  return [
    decodeRequest(encode("protobuf")).spans[0]?.attributes,
    decodeJsonRequest(encode("json")).spans[0]?.attributes,
    JSON.parse(createNdjsonFormatter(attributes)(row)).attributes,
  ];
}

function problemsOf(section: Record<string, unknown>): readonly string[] {
  const result = validateConfig({ span: section }, describeConfig());
  return result.status === "valid"
    ? []
    : result.problems.map(({ path, message }) => `${path.join(".")} ${message}`);
}

describe("selectAttributes", () => {
  test("takes what is included and not excluded, from records and their details, in every format", () => {
    const expected = {
      "source.port": 41234,
      "destination.port": 443,
      "flow.bytes.delta": 3456,
      "tunnel.type": "vxlan",
    };
    const selection = select(
      ["{source,destination}.*", "flow.bytes.*", "tunnel.type"],
      ["*.address", "*.total"],
    );
    expect(attributesOf(TUNNELLED, selection)).toEqual([expected, expected, expected]);
  });

  test("of nothing leaves spans without attributes", () => {
    expect(attributesOf(TUNNELLED, select([]))).toEqual([{}, {}, {}]);
    expect(attributesOf(TUNNELLED, select(["*"], ["*"]))).toEqual([{}, {}, {}]);
  });

  test("leaves each value as it is in the whole, whatever else is left out", () => {
    const names = ATTRIBUTES.map(({ name }) => name);
    fc.assert(
      fc.property(anyRecord, fc.subarray(names), (record, include) => {
        const [whole] = attributesOf(record, EVERY_ATTRIBUTE);
        const kept = Object.entries(Object(whole)).filter(([name]) => include.includes(name));
        const expected = Object.fromEntries(kept);
        expect(attributesOf(record, select(include))).toEqual([expected, expected, expected]);
      }),
      { numRuns: 100 },
    );
  });

  test("names attributes as the version does", () => {
    const named = select(["network.interface.name", "source.port"], [], "1.29");
    const expected = { "system.device": "eth0", "source.port": 41234 };
    expect(attributesOf(TCP_RECORD, named)).toEqual([expected, expected, expected]);
  });
});

describe("[span.attributes]", () => {
  test("takes globs, and every attribute by default", () => {
    expect(problemsOf({ semconv: "1.29", attributes: { include: ["*"], exclude: ["flow.tcp.*"] } })).toEqual(
      [],
    );
    const result = validateConfig({}, describeConfig());
    if (result.status !== "valid") throw new Error("the empty config is not valid");
    expect(selectAttributes(result.config.span)).toEqual({
      ...EVERY_ATTRIBUTE,
      isNamedTold: expect.any(Function),
    });
  });

  test("refuses patterns that match nothing, with the nearest name", () => {
    expect(problemsOf({ attributes: { exclude: ["source.adress"] } })).toEqual([
      'span.attributes.exclude.0 "source.adress" must match an attribute; did you mean "source.address"?',
    ]);
    expect(problemsOf({ attributes: { include: ["http.*"] } })).toEqual([
      'span.attributes.include.0 "http.*" must match an attribute; docs/attributes.md has them all',
    ]);
    expect(problemsOf({ attributes: { include: ["flow.{a"] } })[0]).toContain("is a malformed pattern");
  });
});
