// A record's attributes as members of a JSON object or list. Comes in: a selection of the table, and how a value is
// written. Goes out: text. ndjson and OTLP/JSON differ in nothing else.

import { ABSENT, type Attribute, type AttributeSelection } from "./attribute.ts";
import type { RecordRow } from "./row.ts";

/** How one member is written; what it returns is joined with commas. */
export interface MemberForm {
  /** What comes before a value, made once for each attribute. */
  readonly lead: (name: string) => string;
  readonly int: (value: number) => string;
  /** An unsigned 64-bit count as two words. */
  readonly count: (low: number, high: number) => string;
  readonly string: (text: string) => string;
  readonly strings: (texts: readonly string[]) => string;
}

interface Member {
  readonly attribute: Attribute;
  readonly lead: string;
}

/** Writes the members that a record has, in the table's order. */
export class AttributeText {
  readonly #form: MemberForm;
  readonly #record: readonly Member[];
  readonly #groups: readonly {
    readonly members: readonly Member[];
    readonly applies: (row: RecordRow) => boolean;
  }[];

  constructor(selection: AttributeSelection, form: MemberForm) {
    const toMember = (attribute: Attribute): Member => ({ attribute, lead: form.lead(attribute.name) });
    this.#form = form;
    this.#record = selection.record.map(toMember);
    this.#groups = selection.groups.map(({ attributes, applies }) => {
      return { members: attributes.map(toMember), applies };
    });
  }

  /** The members with commas between them. */
  format(row: RecordRow): string {
    let text = this.#formatMembers(row, this.#record);
    if (row.hasDetail) {
      for (const { members, applies } of this.#groups)
        if (applies(row)) text += this.#formatMembers(row, members);
    }
    return text.slice(0, -1);
  }

  /** Each with a comma behind it. */
  #formatMembers(row: RecordRow, members: readonly Member[]): string {
    let text = "";
    for (const { attribute, lead } of members) {
      const value = this.#formatValue(row, attribute);
      if (value !== undefined) text += `${lead}${value},`;
    }
    return text;
  }

  /** undefined where the attribute is absent. */
  #formatValue(row: RecordRow, attribute: Attribute): string | undefined {
    const form = this.#form;
    switch (attribute.kind) {
      case "counter":
        return form.count(row.word(attribute.word), row.word(attribute.word + 1));
      case "detail-counter":
        return form.count(row.detailWord(attribute.word), row.detailWord(attribute.word + 1));
      case "int": {
        const value = attribute.read(row);
        return value === ABSENT ? undefined : form.int(value);
      }
      case "string": {
        const text = attribute.read(row);
        return text === undefined ? undefined : form.string(text);
      }
      case "strings": {
        const texts = attribute.read(row);
        return texts === undefined ? undefined : form.strings(texts);
      }
    }
  }
}

/** An unsigned 64-bit value of two words in decimal. */
export function formatWords(low: number, high: number): string {
  const value = low + high * 0x1_0000_0000;
  return Number.isSafeInteger(value) ? String(value) : String((BigInt(high) << 32n) | BigInt(low));
}
