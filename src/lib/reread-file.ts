// A small text file that may be replaced while the agent runs: a rotated token, a renewed certificate, a mounted secret.

import { readFileSync, statSync } from "node:fs";

/** Between two looks at a file that is read often. */
const LOOK_MS = 1000;

/** Keeps the text of a file, and reads it again when another one is there under its path, symbolic links followed. */
export class RereadFile {
  readonly path: string;
  #text: string | undefined;
  #stamp = "";
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * The text, at most a second old; the last one where the file is gone for now.
   * @throws the error of the file system where it was never read
   */
  read(): string {
    const now = performance.now();
    if (this.#text === undefined || now - this.#lookedAt >= LOOK_MS) this.look();
    if (this.#text === undefined) return readFileSync(this.path, "utf8");
    return this.#text;
  }

  /** Looks now, without waiting for the second to be over. */
  look(): void {
    this.#lookedAt = performance.now();
    try {
      const stamp = stampOf(this.path);
      if (stamp === this.#stamp) return;
      this.#text = readFileSync(this.path, "utf8");
      this.#stamp = stamp;
    } catch {
      // Between the removal of the old one and the arrival of the new one.
    }
  }
}

function stampOf(path: string): string {
  const { dev, ino, size, mtimeMs } = statSync(path);
  return `${dev}:${ino}:${size}:${mtimeMs}`;
}
