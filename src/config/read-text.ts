// The text of a config file, of a bounded size: what is named by mistake may be a device or a log.

import { closeSync, openSync, readSync } from "node:fs";
import { describeFileError } from "../lib/file-error.ts";
import { ConfigError } from "./problem.ts";

/** Far more than any config, with its longest lists. */
const MOST_BYTES = 4 * 2 ** 20;

/**
 * Reads the file, or the pipe.
 * @throws {ConfigError} where it cannot be read, is too large or no text.
 */
export function readConfigText(path: string): string {
  const bytes = readBounded(path);
  if (bytes.length > MOST_BYTES)
    throw new ConfigError([`Cannot read config "${path}": it is larger than ${MOST_BYTES / 2 ** 20} MiB`]);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigError([`Cannot read config "${path}": it is not UTF-8 text`], { cause });
  }
}

/** The file's bytes, or more than {@link MOST_BYTES} of them. */
function readBounded(path: string): Uint8Array {
  const bytes = new Uint8Array(MOST_BYTES + 1);
  let end = 0;
  try {
    const file = openSync(path, "r");
    try {
      for (let count = -1; count !== 0 && end < bytes.length; end += count)
        count = readSync(file, bytes, end, bytes.length - end, null);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw new ConfigError([`Cannot read config "${path}": ${describeFileError(cause)}`], { cause });
  }
  return bytes.subarray(0, end);
}
