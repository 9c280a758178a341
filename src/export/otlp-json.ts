// OTLP's JSON form of records. Comes in: DecoratedBatch. Goes out: ExportTraceServiceRequest or ExportLogsServiceRequest
// as UTF-8, on one line. As the specification wants it: ids in hexadecimal, enums as numbers, 64-bit integers as texts.

import type { DecoratedBatch } from "../decorate.ts";
import { RECORD } from "../flow/flow.ts";
import { formatHex } from "../lib/address.ts";
import type { AttributeSelection } from "./attribute.ts";
import { AttributeText, formatWords, type MemberForm } from "./attribute-text.ts";
import type { EncodedRequest, RequestEncoder } from "./request-encoder.ts";
import type { ResourceAttributes } from "./resource.ts";
import { ID_BYTES, RecordRow } from "./row.ts";
import { spanName } from "./span.ts";

const UTF8 = new TextEncoder();

const VALUE_LEADS = { int: '{"intValue":"', string: '{"stringValue":"', strings: "" } as const;

/** KeyValue. */
export const KEY_VALUE_FORM: MemberForm = {
  lead: (name, kind) => `{"key":${JSON.stringify(name)},"value":${VALUE_LEADS[kind]}`,
  tail: (kind) => (kind === "strings" ? "}" : '"}}'),
  strings: arrayValue,
  quotesLong: false,
};

/** What of a request depends on its signal. */
export interface JsonSignal {
  /** Names of the lists of resources, scopes and items. */
  readonly lists: readonly [resources: string, scopes: string, items: string];
  /** One item of the innermost list. */
  readonly format: (row: RecordRow) => string;
}

/** Spans, with the attributes of `selection`. */
export function spansAsJson(selection: AttributeSelection): JsonSignal {
  const attributes = new AttributeText(selection, KEY_VALUE_FORM);
  const format = (row: RecordRow): string => {
    const start = formatWords(row.word(RECORD.startNs), row.word(RECORD.startNs + 1));
    const end = formatWords(row.word(RECORD.endNs), row.word(RECORD.endNs + 1));
    return `{${formatIds(row)},"name":"${spanName(row)}","kind":${row.spanKind},"startTimeUnixNano":"${start}","endTimeUnixNano":"${end}","attributes":[${attributes.format(row)}]}`;
  };
  return { lists: ["resourceSpans", "scopeSpans", "spans"], format };
}

/** `"traceId":"…","spanId":"…"` */
export function formatIds({ batch, index }: RecordRow): string {
  const traceId = formatHex(batch.traceIds, index * ID_BYTES.traceId, ID_BYTES.traceId);
  const spanId = formatHex(batch.spanIds, index * ID_BYTES.spanId, ID_BYTES.spanId);
  return `"traceId":"${traceId}","spanId":"${spanId}"`;
}

/** What a request has before its items, and behind them. */
export function jsonFrame(
  lists: JsonSignal["lists"],
  resource: ResourceAttributes,
  version: string,
): readonly [before: string, after: string] {
  const [resources, scopes, items] = lists;
  const attributes = [...resource].map(([name, value]) => {
    const text = typeof value === "string" ? textValue(value) : arrayValue(value);
    return `{"key":${JSON.stringify(name)},"value":${text}}`;
  });
  const scope = `{"name":"mermin","version":${JSON.stringify(version)}}`;
  return [
    `{"${resources}":[{"resource":{"attributes":[${attributes.join(",")}]},"${scopes}":[{"scope":${scope},"${items}":[`,
    "]}]}]}",
  ];
}

/** Gathers items as text until a request is taken. */
export class OtlpJsonEncoder implements RequestEncoder {
  readonly #row = new RecordRow();
  readonly #format: (row: RecordRow) => string;
  readonly #frame: () => readonly [before: string, after: string];
  #items = "";
  #spans = 0;

  /**
   * @param resource read anew for each request
   * @param version of the build: the instrumentation scope's
   */
  constructor(signal: JsonSignal, resource: ResourceAttributes, version: string) {
    this.#format = signal.format;
    this.#frame = () => jsonFrame(signal.lists, resource, version);
  }

  get spans(): number {
    return this.#spans;
  }

  append(batch: DecoratedBatch, from: number, to: number): void {
    this.#row.open(batch);
    for (let index = from; index < to; index++) {
      this.#row.moveTo(index);
      this.#items += `${this.#format(this.#row)},`;
    }
    this.#row.close();
    this.#spans += to - from;
  }

  take(): EncodedRequest {
    const [before, after] = this.#frame();
    const bytes = UTF8.encode(before + this.#items.slice(0, -1) + after);
    const spans = this.#spans;
    this.#items = "";
    this.#spans = 0;
    return { bytes, spans };
  }
}

function textValue(text: string): string {
  return `{"stringValue":${JSON.stringify(text)}}`;
}

function arrayValue(texts: readonly string[]): string {
  return `{"arrayValue":{"values":[${texts.map(textValue).join(",")}]}}`;
}
