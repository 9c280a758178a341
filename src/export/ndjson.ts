// One span as a line of JSON, for programs: ids in lower-case hexadecimal, times as decimal strings of UnixNanos.

import { RECORD } from "../flow/flow.ts";
import { formatHex } from "../lib/address.ts";
import { ABSENT, type Attribute } from "./attribute.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { ID_BYTES, type RecordRow } from "./row.ts";
import { spanKindName, spanName } from "./span.ts";

const NAMED_ATTRIBUTES = ATTRIBUTES.map((attribute) => ({
  attribute,
  lead: `${JSON.stringify(attribute.name)}:`,
}));

/** The line of `row`, without its newline. Integers beyond 2^53 are strings, so that no reader rounds them. */
export function formatNdjson(row: RecordRow): string {
  const { batch, index } = row;
  const traceId = formatHex(batch.traceIds, index * ID_BYTES.traceId, ID_BYTES.traceId);
  const spanId = formatHex(batch.spanIds, index * ID_BYTES.spanId, ID_BYTES.spanId);
  let attributes = "";
  for (const { attribute, lead } of NAMED_ATTRIBUTES) {
    const value = formatValue(row, attribute);
    if (value !== undefined) attributes += attributes === "" ? lead + value : `,${lead}${value}`;
  }
  const start = row.bigint64(RECORD.startNs);
  const end = row.bigint64(RECORD.endNs);
  return `{"name":"${spanName(row)}","kind":"${spanKindName(row)}","traceId":"${traceId}","spanId":"${spanId}","startTimeUnixNano":"${start}","endTimeUnixNano":"${end}","attributes":{${attributes}}}`;
}

/** As JSON; undefined where the attribute is absent. */
function formatValue(row: RecordRow, attribute: Attribute): string | undefined {
  switch (attribute.kind) {
    case "counter": {
      const count = row.number64(attribute.word);
      return Number.isSafeInteger(count) ? String(count) : `"${row.bigint64(attribute.word)}"`;
    }
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
