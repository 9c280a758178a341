// One span as a line of JSON, for programs: ids in lower-case hexadecimal, times as decimal strings of UnixNanos.

import { RECORD } from "../flow/flow.ts";
import { formatHex } from "../lib/address.ts";
import type { AttributeSelection } from "./attribute.ts";
import { AttributeText, formatWords, type MemberForm } from "./attribute-text.ts";
import { ID_BYTES, type RecordRow } from "./row.ts";
import { spanKindName, spanName } from "./span.ts";

const FORM: MemberForm = {
  lead: (name, kind) => `${JSON.stringify(name)}:${kind === "string" ? '"' : ""}`,
  tail: (kind) => (kind === "string" ? '"' : ""),
  strings: JSON.stringify,
  quotesLong: true,
};

/**
 * A formatter of lines without their newline, with the attributes of `selection`. Integers beyond 2^53 are strings, so
 * that no reader rounds them.
 */
export function createNdjsonFormatter(selection: AttributeSelection): (row: RecordRow) => string {
  const attributes = new AttributeText(selection, FORM);
  return (row) => {
    const { batch, index } = row;
    const traceId = formatHex(batch.traceIds, index * ID_BYTES.traceId, ID_BYTES.traceId);
    const spanId = formatHex(batch.spanIds, index * ID_BYTES.spanId, ID_BYTES.spanId);
    const start = formatWords(row.word(RECORD.startNs), row.word(RECORD.startNs + 1));
    const end = formatWords(row.word(RECORD.endNs), row.word(RECORD.endNs + 1));
    return `{"name":"${spanName(row)}","kind":"${spanKindName(row)}","traceId":"${traceId}","spanId":"${spanId}","startTimeUnixNano":"${start}","endTimeUnixNano":"${end}","attributes":{${attributes.format(row)}}}`;
  };
}
