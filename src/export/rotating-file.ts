// A file of lines that is followed by the next one when it is full: `path`, `path.1` (the last one before it), `path.2` …
// Whatever fails, the file ends with a whole line, and the next append tries again.

import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

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
  #hasPruned = false;
  /** The file before is on the disk, or why it may not be. */
  #synced: Promise<unknown> = Promise.resolve();

  constructor(options: RotatingFileOptions) {
    this.#options = options;
  }

  /**
   * Appends whole lines. They are all there, or (after an error) none of them. Where the machine loses its power, those
   * may be gone that are in the file written to.
   * @throws Error of the file system: no room, no permission, no folder, the file before not on the disk
   */
  async append(lines: Uint8Array): Promise<void> {
    let { file, size } = await this.#open();
    if (size > 0 && size + lines.length > this.#options.maxSize) {
      if (await this.#rotate(file)) await this.#leave(file);
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
      await this.#forget();
      throw error;
    }
  }

  /** Ends it, all lines on the disk. @throws Error of the file system where they may not be */
  async close(): Promise<void> {
    await this.#takeSynced();
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) await syncAndClose(file, this.#options.path);
  }

  async #forget(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** Leaves a file that is full to be synced while the next one is written to: at most one at a time. */
  async #leave(file: FileHandle): Promise<void> {
    this.#file = undefined;
    try {
      await this.#takeSynced();
    } finally {
      this.#synced = syncAndClose(file, this.#options.path).catch((error: unknown) => error);
    }
  }

  async #takeSynced(): Promise<void> {
    const error = await this.#synced;
    this.#synced = Promise.resolve();
    if (error !== undefined) throw error;
  }

  /** The file and its size, opened again where somebody took it away. */
  async #open(): Promise<{ readonly file: FileHandle; readonly size: number }> {
    const { path } = this.#options;
    if (this.#file !== undefined) {
      if (await isNamed(this.#file, path)) return { file: this.#file, size: await sizeOf(this.#file) };
      await this.#forget();
    }
    await mkdir(dirname(path), { recursive: true, mode: 0o750 });
    await this.#prune();
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

  /**
   * Renames every file to the next number; the last one goes. Not where another agent does so, or has done so.
   * @returns whether it did
   */
  async #rotate(file: FileHandle): Promise<boolean> {
    const { path, maxFiles } = this.#options;
    return await withLock(path, async () => {
      if (!(await isNamed(file, path))) return false;
      for (let number = maxFiles - 1; number > 0; number--) {
        await renameIfThere(number === 1 ? path : `${path}.${number - 1}`, `${path}.${number}`);
      }
      if (maxFiles === 1) await rm(path, { force: true });
      return true;
    });
  }

  /** Removes, once, files that an agent with a higher `maxFiles` left; where that cannot be, they stay. */
  async #prune(): Promise<void> {
    if (this.#hasPruned) return;
    const { path, maxFiles } = this.#options;
    this.#hasPruned = true;
    try {
      const names = await listBeyond(path, maxFiles);
      if (names.length === 0) return;
      this.#hasPruned = await withLock(path, async () => {
        for (const name of names) await rm(join(dirname(path), name), { force: true });
        return true;
      });
    } catch {
      // Writing needs less than this: what is there is written to.
    }
  }
}

/** Names of numbered files that are not to be used. */
async function listBeyond(path: string, maxFiles: number): Promise<readonly string[]> {
  const prefix = `${basename(path)}.`;
  const entries = await readdir(dirname(path), { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.startsWith(prefix));
  return files.map(({ name }) => name).filter((name) => isBeyond(name.slice(prefix.length), maxFiles));
}

/** Whether a file's ending is a number of ours, below 1000, that is not to be used. */
function isBeyond(ending: string, maxFiles: number): boolean {
  return /^[1-9]\d{0,2}$/.test(ending) && Number(ending) >= maxFiles;
}

/** Puts a file on the disk, and what its folder calls it where the file system can. */
async function syncAndClose(file: FileHandle, path: string): Promise<void> {
  try {
    await file.sync();
    await syncFolder(dirname(path)).catch(() => {});
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Does `work` while the lock of a path is held; false where it is another's. */
async function withLock(path: string, work: () => Promise<boolean>): Promise<boolean> {
  const lock = `${path}.lock`;
  if (!(await takeLock(lock))) return false;
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
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
