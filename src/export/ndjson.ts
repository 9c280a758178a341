// One span as a line of JSON, for programs: ids in lower-case hexadecimal, times as decimal strings of UnixNanos.

import { RECORD } from "../flow/flow.ts";
import { formatHex } from "../lib/address.ts";
import { ABSENT, type Attribute } from "./attribute.ts";
import { RECORD_ATTRIBUTES } from "./attributes.ts";
import { DETAIL_GROUPS } from "./attributes-tunnel.ts";
import { ID_BYTES, type RecordRow } from "./row.ts";
import { spanKindName, spanName } from "./span.ts";

interface NamedAttribute {
  readonly attribute: Attribute;
  readonly lead: string;
}

const RECORD_MEMBERS = RECORD_ATTRIBUTES.map(nameAttribute);
const DETAIL_MEMBERS = DETAIL_GROUPS.map(({ attributes, applies }) => {
  return { members: attributes.map(nameAttribute), applies };
});

function nameAttribute(attribute: Attribute): NamedAttribute {
  return { attribute, lead: `${JSON.stringify(attribute.name)}:` };
}

/** The line of `row`, without its newline. Integers beyond 2^53 are strings, so that no reader rounds them. */
export function formatNdjson(row: RecordRow): string {
  const { batch, index } = row;
  const traceId = formatHex(batch.traceIds, index * ID_BYTES.traceId, ID_BYTES.traceId);
  const spanId = formatHex(batch.spanIds, index * ID_BYTES.spanId, ID_BYTES.spanId);
  const attributes = formatAttributes(row);
  const start = row.bigint64(RECORD.startNs);
  const end = row.bigint64(RECORD.endNs);
  return `{"name":"${spanName(row)}","kind":"${spanKindName(row)}","traceId":"${traceId}","spanId":"${spanId}","startTimeUnixNano":"${start}","endTimeUnixNano":"${end}","attributes":{${attributes}}}`;
}

/** Members of a JSON object, each with a comma behind it but the last. */
function formatAttributes(row: RecordRow): string {
  let text = formatMembers(row, RECORD_MEMBERS);
  if (row.hasDetail) {
    for (const { members, applies } of DETAIL_MEMBERS) if (applies(row)) text += formatMembers(row, members);
  }
  return text.slice(0, -1);
}

function formatMembers(row: RecordRow, members: readonly NamedAttribute[]): string {
  let text = "";
  for (const { attribute, lead } of members) {
    const value = formatValue(row, attribute);
    if (value !== undefined) text += `${lead}${value},`;
  }
  return text;
}

/** As JSON; undefined where the attribute is absent. */
function formatValue(row: RecordRow, attribute: Attribute): string | undefined {
  switch (attribute.kind) {
    case "counter":
      return formatCount(row.word(attribute.word), row.word(attribute.word + 1));
    case "detail-counter":
      return formatCount(row.detailWord(attribute.word), row.detailWord(attribute.word + 1));
    case "int": {
      const value = attribute.read(row);
      return value === ABSENT ? undefined : String(value);
    }
    case "string":
    case "strings": {
      const value = attribute.read(row);
      return value === undefined ? undefined : JSON.stringify(value);
    }
  }
}

function formatCount(low: number, high: number): string {
  const count = low + high * 0x1_0000_0000;
  return Number.isSafeInteger(count) ? String(count) : `"${(BigInt(high) << 32n) | BigInt(low)}"`;
}
