// A record's attributes as members of a JSON object or list. Comes in: a selection of the table, and what stands around a
// value. Goes out: text. ndjson and OTLP/JSON differ in nothing else. Written as octets, which become one text at the end:
// half the time that joining texts takes (bench/encode.ts).

import { NAMED_PER_ROW } from "../decorate.ts";
import type { NamedValue, NamedValues } from "../lib/named-values.ts";
import { ABSENT, type Attribute, type AttributeSelection } from "./attribute.ts";
import { ByteWriter, type PackedOctets, packOctets } from "./byte-writer.ts";
import type { RecordRow } from "./row.ts";

type ValueKind = "int" | "string" | "strings";

/** What stands around a value. */
export interface MemberForm {
  /** Before it, quotes included where a text follows; made once for each attribute. */
  readonly lead: (name: string, kind: ValueKind) => string;
  /** Behind it, the closing quotes included. */
  readonly tail: (kind: ValueKind) => string;
  /** A list of texts, without lead and tail. */
  readonly strings: (texts: readonly string[]) => string;
  /** Whether integers of 2^53 and more need quotes of their own. */
  readonly quotesLong: boolean;
}

interface Member {
  readonly attribute: Attribute;
  readonly lead: PackedOctets;
  /** With the comma behind it. */
  readonly tail: PackedOctets;
}

const UTF8 = new TextEncoder();

/** Room for a member without its lead: digits, an address, a short text, the tail. What is longer asks for its own. */
const MEMBER_BYTES = 160;
const SHORT_TEXT = 100;

/** Texts that are their own JSON: printable ASCII without quotes and backslashes. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** Lists of texts that are kept as they are written: the table's come from tables of their own. */
const MOST_LISTS = 256;

/** Of the high word: with more a number is 2^53 or greater. */
const MOST_HIGH = 0x1f_ffff;
const QUOTE = 0x22;

/** Writes the members that a record has, in the table's order. */
export class AttributeText {
  readonly #form: MemberForm;
  readonly #record: readonly Member[];
  readonly #groups: readonly {
    readonly members: readonly Member[];
    readonly applies: (row: RecordRow) => boolean;
  }[];
  readonly #lists = new Map<readonly string[], Uint8Array>();
  readonly #isNamedTold: (name: string) => boolean;
  readonly #named: WeakMap<NamedValues, Uint8Array> = new WeakMap();
  readonly #writer = new ByteWriter(16_384);
  #octets = Buffer.from(this.#writer.bytes.buffer);

  constructor(selection: AttributeSelection, form: MemberForm) {
    const toMember = (attribute: Attribute): Member => {
      const kind = valueKind(attribute);
      const lead = packOctets(UTF8.encode(form.lead(attribute.name, kind)));
      return { attribute, lead, tail: packOctets(UTF8.encode(`${form.tail(kind)},`)) };
    };
    this.#form = form;
    this.#isNamedTold = selection.isNamedTold;
    this.#record = selection.record.map(toMember);
    this.#groups = selection.groups.map(({ attributes, applies }) => {
      return { members: attributes.map(toMember), applies };
    });
  }

  /** The members with commas between them. */
  format(row: RecordRow): string {
    const writer = this.#writer;
    writer.reset();
    for (const member of this.#record) this.#writeMember(row, member);
    if (row.hasDetail) {
      for (const { members, applies } of this.#groups) {
        if (!applies(row)) continue;
        for (const member of members) this.#writeMember(row, member);
      }
    }
    if (row.batch.named.length > 0) this.#writeNamed(row);
    if (this.#octets.buffer !== writer.bytes.buffer) this.#octets = Buffer.from(writer.bytes.buffer);
    return this.#octets.toString("utf8", 0, Math.max(0, writer.length - 1));
  }

  /** Lists that many records share: made once a list. */
  #writeNamed(row: RecordRow): void {
    for (let slot = 0; slot < NAMED_PER_ROW; slot++) {
      const named = row.named(slot);
      if (named === undefined) continue;
      let octets = this.#named.get(named);
      if (octets === undefined) {
        const told = named.entries.filter(([name]) => this.#isNamedTold(name));
        octets = UTF8.encode(told.map((entry) => formatNamed(this.#form, entry)).join(""));
        this.#named.set(named, octets);
      }
      this.#writer.raw(octets);
    }
  }

  #writeMember(row: RecordRow, member: Member): void {
    const { attribute } = member;
    switch (attribute.kind) {
      case "counter":
        this.#writeInt(member, row.word(attribute.word), row.word(attribute.word + 1));
        return;
      case "detail-counter":
        this.#writeInt(member, row.detailWord(attribute.word), row.detailWord(attribute.word + 1));
        return;
      case "int": {
        const value = attribute.read(row);
        if (value !== ABSENT) this.#writeInt(member, value >>> 0, Math.floor(value / 0x1_0000_0000));
        return;
      }
      case "string":
        this.#writeString(row, member, attribute);
        return;
      case "strings": {
        const texts = attribute.read(row);
        if (texts !== undefined) this.#writeTexts(member, texts);
        return;
      }
      default:
        attribute satisfies never;
    }
  }

  #writeString(
    row: RecordRow,
    member: Member,
    { read, write }: Extract<Attribute, { kind: "string" }>,
  ): void {
    if (write === undefined) {
      const text = read(row);
      if (text !== undefined) this.#writeText(member, text);
      return;
    }
    const writer = this.#writer;
    const start = this.#open(member);
    const size = write(row, writer.bytes, writer.length);
    writer.length += size;
    if (size === 0) writer.length = start;
    else writer.words(member.tail.words, member.tail.size);
  }

  #writeInt(member: Member, low: number, high: number): void {
    const writer = this.#writer;
    const isQuoted = high > MOST_HIGH && this.#form.quotesLong;
    this.#open(member);
    if (isQuoted) writer.byte(QUOTE);
    if (high <= MOST_HIGH) writer.decimal(low + high * 0x1_0000_0000);
    else writer.ascii(formatWords(low, high));
    if (isQuoted) writer.byte(QUOTE);
    writer.words(member.tail.words, member.tail.size);
  }

  #writeText(member: Member, text: string): void {
    const writer = this.#writer;
    this.#open(member);
    if (text.length <= SHORT_TEXT && PLAIN.test(text)) writer.ascii(text);
    else {
      writer.raw(UTF8.encode(JSON.stringify(text).slice(1, -1)));
      writer.reserve(MEMBER_BYTES);
    }
    writer.words(member.tail.words, member.tail.size);
  }

  #writeTexts(member: Member, texts: readonly string[]): void {
    const writer = this.#writer;
    let octets = this.#lists.get(texts);
    if (octets === undefined) {
      octets = UTF8.encode(this.#form.strings(texts));
      if (this.#lists.size < MOST_LISTS) this.#lists.set(texts, octets);
    }
    this.#open(member);
    writer.raw(octets);
    writer.reserve(MEMBER_BYTES);
    writer.words(member.tail.words, member.tail.size);
  }

  /** Writes the lead. @returns where it starts */
  #open({ lead }: Member): number {
    const writer = this.#writer;
    writer.reserve(lead.size + MEMBER_BYTES);
    const start = writer.length;
    writer.words(lead.words, lead.size);
    return start;
  }
}

/** With a comma behind it. */
function formatNamed({ lead, tail, strings }: MemberForm, [name, value]: NamedValue): string {
  const kind = typeof value === "string" ? "string" : "strings";
  const text = typeof value === "string" ? JSON.stringify(value).slice(1, -1) : strings(value);
  return `${lead(name, kind)}${text}${tail(kind)},`;
}

function valueKind({ kind }: Attribute): ValueKind {
  return kind === "string" || kind === "strings" ? kind : "int";
}

/** An unsigned 64-bit value of two words in decimal. */
export function formatWords(low: number, high: number): string {
  const value = low + high * 0x1_0000_0000;
  return Number.isSafeInteger(value) ? String(value) : String((BigInt(high) << 32n) | BigInt(low));
}
