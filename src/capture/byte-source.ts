// A file read once, front to back, through one buffer: a capture may be larger than memory, or a pipe.
// Comes in: a path. Goes out: bytes in place, and where in the file they stand. Never seeks.

import { closeSync, openSync, readSync } from "node:fs";
import { describeFileError } from "../lib/file-error.ts";

/** Most bytes that can be looked at in one piece. */
export const WINDOW_BYTES = 2_097_152;

/** A capture file that cannot be read, or not to its end. The message names the file. */
export class CaptureFileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CaptureFileError";
  }
}

/** The unread bytes of a file: they begin at `buffer[start]`. */
export class ByteSource implements Disposable {
  readonly path: string;
  readonly buffer: Buffer = Buffer.from(new ArrayBuffer(WINDOW_BYTES));
  /** View of {@link buffer}. */
  readonly view: DataView = new DataView(this.buffer.buffer, this.buffer.byteOffset, WINDOW_BYTES);
  start = 0;
  #fd: number;
  #end = 0;
  /** Offset in the file of `buffer[0]`. */
  #bufferOffset = 0;
  #isExhausted = false;

  /** @throws CaptureFileError: no such file, no permission */
  constructor(path: string) {
    this.path = path;
    try {
      this.#fd = openSync(path, "r");
    } catch (error) {
      throw new CaptureFileError(`Cannot open "${path}": ${describeFileError(error)}`, { cause: error });
    }
  }

  /** Offset in the file of the next unread byte. */
  get offset(): number {
    return this.#bufferOffset + this.start;
  }

  /** Unread bytes in the buffer; after a {@link fill} that failed, all that the file still has. */
  get available(): number {
    return this.#end - this.start;
  }

  /**
   * Makes `count` bytes readable at {@link start}; false where the file ends before.
   * @param count at most {@link WINDOW_BYTES}
   * @throws CaptureFileError where reading fails
   */
  fill(count: number): boolean {
    if (this.available >= count) return true;
    if (this.start + count > WINDOW_BYTES) {
      this.buffer.copyWithin(0, this.start, this.#end);
      this.#bufferOffset += this.start;
      this.#end -= this.start;
      this.start = 0;
    }
    while (this.available < count && !this.#isExhausted) this.#read();
    return this.available >= count;
  }

  /** Passes over `count` bytes, however many; false where the file ends before. */
  skip(count: number): boolean {
    let left = count;
    while (left > this.available) {
      left -= this.available;
      this.start = this.#end;
      if (!this.fill(1)) return false;
    }
    this.start += left;
    return true;
  }

  /** An error at a place in this file. */
  errorAt(offset: number, problem: string): CaptureFileError {
    return new CaptureFileError(`Cannot read "${this.path}" beyond byte ${offset}: ${problem}`);
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  #read(): void {
    try {
      const count = readSync(this.#fd, this.buffer, this.#end, WINDOW_BYTES - this.#end, null);
      this.#end += count;
      this.#isExhausted = count === 0;
    } catch (error) {
      throw new CaptureFileError(`Cannot read "${this.path}": ${describeFileError(error)}`, { cause: error });
    }
  }
}
