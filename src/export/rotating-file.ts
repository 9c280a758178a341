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
const FLAGS =
  constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Far more than renaming takes. */
const STALE_LOCK_MS = 10_000;

/** Far more than one write takes, which others see grow. */
const WRITE_MS = 50;

const NEWLINE = 0x0a;
const TAIL_BYTES = 65_536;

/** Opened by the first append; its appends must not overlap. Another agent's (a replay's) to the same path may. */
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
      await this.#rotate(file);
      ({ file, size } = await this.#open());
    }
    let written = 0;
    try {
      while (written < lines.length) {
        const { bytesWritten } = await file.write(lines, written);
        written += bytesWritten;
      }
    } catch (error) {
      // Giving room back needs none; not where that would be another agent's. Closed, so that the next append looks
      // at what is there.
      if ((await sizeOf(file)) === size + written) await file.truncate(size).catch(() => {});
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
      if (await isNamed(this.#file, path)) return { file: this.#file, size: await sizeOf(this.#file) };
      await this.close();
    }
    await mkdir(dirname(path), { recursive: true, mode: 0o750 });
    const file = await open(path, FLAGS, MODE);
    try {
      if (!(await file.stat()).isFile()) throw new Error("it is not a file");
      await file.chmod(MODE);
      const size = await cutTornLine(file);
      this.#file = file;
      return { file, size };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Renames every file to the next number; the last one goes. Not where another agent does so, or has done so. */
  async #rotate(file: FileHandle): Promise<void> {
    const { path, maxFiles } = this.#options;
    const lock = `${path}.lock`;
    if (!(await takeLock(lock))) return;
    try {
      if (!(await isNamed(file, path))) return;
      for (let number = maxFiles - 1; number > 0; number--) {
        await renameIfThere(number === 1 ? path : `${path}.${number - 1}`, `${path}.${number}`);
      }
      if (maxFiles === 1) await rm(path, { force: true });
    } finally {
      await rm(lock, { force: true });
    }
  }
}

/** Whether the lock is ours: while it is not, lines go on behind the full file. */
async function takeLock(lock: string): Promise<boolean> {
  try {
    await (await open(lock, "wx", MODE)).close();
    return true;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    const made = await stat(lock).catch(() => undefined);
    // Its agent died on the way: the next append takes it.
    if (made !== undefined && Math.abs(Date.now() - made.mtimeMs) > STALE_LOCK_MS)
      await rm(lock, { force: true });
    return false;
  }
}

/** Whether the file is the one at `path` now. */
async function isNamed(file: FileHandle, path: string): Promise<boolean> {
  const [own, named] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return named?.ino === own.ino && named.dev === own.dev;
}

async function renameIfThere(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

async function sizeOf(file: FileHandle): Promise<number> {
  return (await file.stat()).size;
}

/** Cuts off what a crash left behind the last whole line; what another agent is writing is waited for. @returns the size then */
async function cutTornLine(file: FileHandle): Promise<number> {
  for (let before = -1; ; await Bun.sleep(WRITE_MS)) {
    const size = await sizeOf(file);
    const end = await findLastLineEnd(file, size);
    if (end === size) return size;
    if (size === before) {
      await file.truncate(end);
      return end;
    }
    before = size;
  }
}

/** Where the last whole line of the first `size` bytes ends; 0 where there is none. */
async function findLastLineEnd(file: FileHandle, size: number): Promise<number> {
  const tail = new Uint8Array(TAIL_BYTES);
  for (let end = size; end > 0; end = Math.max(0, end - TAIL_BYTES)) {
    const start = Math.max(0, end - TAIL_BYTES);
    const { bytesRead } = await file.read(tail, 0, end - start, start);
    const newline = tail.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (newline >= 0) return start + newline + 1;
  }
  return 0;
}
