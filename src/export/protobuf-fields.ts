// Reads protobuf messages that come from outside: whatever the bytes are, it ends, and reads nothing beyond them.

/** One field: `bytes` of a length-delimited one, `value` of a varint (as a number, exact to 2^53). */
export interface ProtobufField {
  readonly number: number;
  readonly value: number;
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array();

/** Fields in their order, up to the first that is malformed; those of fixed size are passed over. */
export function* readProtobufFields(message: Uint8Array): Generator<ProtobufField> {
  const cursor = { at: 0 };
  while (cursor.at < message.length) {
    const tag = readVarint(message, cursor);
    if (tag === undefined) return;
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (wire === 1 || wire === 5) {
      cursor.at += wire === 1 ? 8 : 4;
      continue;
    }
    const value = readVarint(message, cursor);
    if (value === undefined || (wire !== 0 && wire !== 2)) return;
    if (wire === 0) yield { number, value, bytes: NO_BYTES };
    else if (cursor.at + value > message.length) return;
    else {
      yield { number, value, bytes: message.subarray(cursor.at, cursor.at + value) };
      cursor.at += value;
    }
  }
}

/** The last value of a field, as protobuf has it. */
export function findProtobufField(message: Uint8Array, number: number): ProtobufField | undefined {
  let found: ProtobufField | undefined;
  for (const field of readProtobufFields(message)) if (field.number === number) found = field;
  return found;
}

/** The text of a field; empty where it is not there. */
export function readProtobufText(message: Uint8Array, number: number): string {
  return new TextDecoder().decode(findProtobufField(message, number)?.bytes ?? NO_BYTES);
}

function readVarint(message: Uint8Array, cursor: { at: number }): number | undefined {
  let value = 0;
  for (let shift = 0; shift < 10; shift++) {
    const byte = message[cursor.at++];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * shift);
    if (byte < 0x80) return value;
  }
  return undefined;
}
