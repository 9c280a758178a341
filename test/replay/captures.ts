// The captures that are replayed.

import { describe } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Where the captures are: MERMIN_PCAPS, or beside the repository. */
const FOLDER = Bun.env["MERMIN_PCAPS"] ?? join(import.meta.dir, "../../../shared/pcaps");

/**
 * `describe` for tests that need the captures: skipped, with the reason, where there are none, because they are no part
 * of the repository.
 */
export const describeWithCaptures: typeof describe | typeof describe.skip = existsSync(FOLDER)
  ? describe
  : skipWithReason();

function skipWithReason(): typeof describe.skip {
  console.warn(`skipped: no captures at ${FOLDER}; set MERMIN_PCAPS to the folder that holds them`);
  return describe.skip;
}

/** A capture file. */
export interface Capture {
  /** Folder and name, for the test's name. */
  readonly name: string;
  readonly path: string;
}

/** Every capture file of the folder and the folders in it; none where it is missing. */
export function listCaptures(): readonly Capture[] {
  if (!existsSync(FOLDER)) return [];
  return readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.pcap(ng)?$/.test(name))
    .toSorted()
    .map((name) => ({ name, path: capturePath(name) }));
}

/** The path of a capture, or of what lies beside them. */
export function capturePath(name: string): string {
  return join(FOLDER, name);
}
