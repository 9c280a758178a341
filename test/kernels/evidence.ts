// What a guest brought back, file by file, and the words in which it is judged.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The best way of hooking in that a kernel offers. */
export type HookMode = "clsact" | "tcx";

/** One thing that was looked at. No complaint: it was right. */
export interface Check {
  readonly name: string;
  readonly complaint?: string;
}

/** A file of the results. @throws Error where the guest left none of that name */
export function read(folder: string, name: string): string {
  const path = join(folder, name);
  if (!existsSync(path)) throw new Error(`the guest left no ${name}`);
  return readFileSync(path, "utf8");
}

/** What `look` throws is the complaint. */
export function check(name: string, look: () => void): Check {
  try {
    look();
    return { name };
  } catch (error) {
    return { name, complaint: error instanceof Error ? error.message : String(error) };
  }
}

/** @throws Error with all complaints, if there are any */
export function demandNone(complaints: readonly string[]): void {
  if (complaints.length > 0) throw new Error(complaints.join(", "));
}

/** @throws Error with the end of the log, where the file of the exit code has another one */
export function demandCode(folder: string, name: string, wanted = 0): void {
  const code = read(folder, `${name}.rc`).trim();
  if (code === String(wanted)) return;
  const log = read(folder, `${name}.log`).trim().split("\n").slice(-3).join(" | ");
  throw new Error(`exit code ${code}: ${log}`);
}

/** Lines of the logs above "info", but the first with the text that was to be expected. */
export function findWarnings(folder: string, logs: readonly string[], expected?: string): string[] {
  const warnings = logs
    .flatMap((name) => read(folder, `${name}.log`).split("\n"))
    .filter((line) => line !== "" && !/ (INFO|DEBUG) /.test(line));
  const first = warnings.findIndex((line) => expected !== undefined && line.includes(expected));
  return warnings.filter((_, index) => index !== first);
}
