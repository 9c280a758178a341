// A file for one test.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file in a folder of its own, gone when disposed of. */
export interface TemporaryFile extends Disposable {
  readonly path: string;
}

/** Writes `content` to a new file. */
export function writeTemporaryFile(content: Uint8Array | string, name = "test.pcap"): TemporaryFile {
  const folder = mkdtempSync(join(tmpdir(), "mermin-replay-"));
  const path = join(folder, name);
  writeFileSync(path, content);
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}
