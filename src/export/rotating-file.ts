// A file of lines that is followed by the next one when it is full: `path`, `path.1` (the last one before it), `path.2` …
// Whatever fails, the file ends with a whole line, and the next append tries again.

import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

export interface RotatingFileOptions {
  readonly path: string;
  /** Bytes of one file; only a single append that is larger makes a larger one. */
  readonly maxSize: number;
  /** Files at once, the one written to among them. */
  readonly maxFiles: number;
}

/** Readable by owner and group: who talks with whom is nobody else's business. */
const MODE = 0o640;

/** A link in place of the file is refused: who may write in the folder could have any file written to. */
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

const NEWLINE = 0x0a;
const TAIL_BYTES = 65_536;

/** Opened by the first append; appends must not overlap. */
export class RotatingFile {
  readonly #options: RotatingFileOptions;
  #file: FileHandle | undefined;

  constructor(options: RotatingFileOptions) {
    this.#options = options;
  }

  /**
   * Appends whole lines. They are all there, or (after an error) none of them.
   * @throws Error of the file system: no room, no permission, no folder
   */
  async append(lines: Uint8Array): Promise<void> {
    let { file, size } = await this.#open();
    if (size > 0 && size + lines.length > this.#options.maxSize) {
      await this.#rotate();
      ({ file, size } = await this.#open());
    }
    try {
      for (let offset = 0; offset < lines.length; ) {
        const { bytesWritten } = await file.write(lines, offset, lines.length - offset, size + offset);
        offset += bytesWritten;
      }
    } catch (error) {
      // Giving room back needs none. Closed, so that the next append looks at what is there.
      await file.truncate(size).catch(() => {});
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** The file and its size, opened again where somebody took it away. */
  async #open(): Promise<{ readonly file: FileHandle; readonly size: number }> {
    const { path } = this.#options;
    if (this.#file !== undefined) {
      const [own, named] = await Promise.all([this.#file.stat(), stat(path).catch(() => undefined)]);
      if (named?.ino === own.ino && named.dev === own.dev) return { file: this.#file, size: own.size };
      await this.close();
    }
    await mkdir(dirname(path), { recursive: true, mode: 0o750 });
    const file = await open(path, FLAGS, MODE);
    try {
      if (!(await file.stat()).isFile()) throw new Error(`"${path}" is not a file`);
      await file.chmod(MODE);
      const size = await cutTornLine(file);
      this.#file = file;
      return { file, size };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Renames every file to the next number; the last one goes. */
  async #rotate(): Promise<void> {
    const { path, maxFiles } = this.#options;
    await this.close();
    if (maxFiles === 1) {
      await rm(path);
      return;
    }
    for (let number = maxFiles - 2; number >= 0; number--) {
      const from = number === 0 ? path : `${path}.${number}`;
      await rename(from, `${path}.${number + 1}`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
    }
  }
}

/** Cuts off what a crash left behind the last whole line. @returns the size then */
async function cutTornLine(file: FileHandle): Promise<number> {
  const { size } = await file.stat();
  const tail = new Uint8Array(TAIL_BYTES);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - TAIL_BYTES);
    const { bytesRead } = await file.read(tail, 0, end - start, start);
    const newline = tail.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (newline >= 0) {
      if (start + newline + 1 < size) await file.truncate(start + newline + 1);
      return start + newline + 1;
    }
    end = start;
  }
  if (size > 0) await file.truncate(0);
  return 0;
}
