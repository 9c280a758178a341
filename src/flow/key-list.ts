// Keys of the flows that a scan found to have ended. Grows as they come; half of it is given back when it is cleared.

import { KEY_WORDS } from "../capture/record.ts";

const FIRST_KEYS = 1024;

/** Keys of flows that end, packed; valid until further ones end. */
export interface EndedKeys {
  readonly keys: Uint32Array<ArrayBuffer>;
  readonly count: number;
}

/** Keys packed one after another. */
export class KeyList {
  /** Valid until the list is cleared. */
  words: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(FIRST_KEYS * KEY_WORDS * 4));
  count = 0;

  /** Adds the key of 12 words at `at`. */
  push(keys: Uint32Array, at: number): void {
    const end = this.count * KEY_WORDS;
    if (end === this.words.length) {
      const words = new Uint32Array(new ArrayBuffer(this.words.byteLength * 2));
      words.set(this.words);
      this.words = words;
    }
    for (let i = 0; i < KEY_WORDS; i++) this.words[end + i] = keys[at + i] as number;
    this.count++;
  }

  clear(): void {
    const { length } = this.words;
    if (length > FIRST_KEYS * KEY_WORDS && this.count * KEY_WORDS * 4 < length)
      this.words = new Uint32Array(new ArrayBuffer((length / 2) * 4));
    this.count = 0;
  }
}
