// File, environment and flags → Config, or every error at once. The only reader of the process's environment.

import { dirname } from "node:path";
import { parse, TomlError } from "smol-toml";
import { isTable } from "../lib/setting.ts";
import { type Override, readEnvironment } from "./environment.ts";
import { expandReferences } from "./expand.ts";
import { findLine } from "./position.ts";
import { ConfigError, type Problem } from "./problem.ts";
import { readConfigText } from "./read-text.ts";
import type { Config } from "./schema.ts";
import { describeConfig } from "./settings.ts";
import { validateConfig } from "./validate.ts";

/** What the command line says about the config; it wins over environment and file. */
export interface ConfigFlags {
  /** --config; else MERMIN_CONFIG_PATH; else no file. */
  readonly path?: string | undefined;
  /** --log-level */
  readonly logLevel?: string | undefined;
  /** --interface, any number of them. */
  readonly interfaces?: readonly string[] | undefined;
}

interface Source {
  readonly path: string | undefined;
  readonly text: string;
}

/**
 * Loads the config: defaults < file < environment < flags.
 * @throws {ConfigError} with a line for each thing that is wrong.
 */
export function loadConfig(
  flags: ConfigFlags = {},
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  const path = flags.path ?? (environment["MERMIN_CONFIG_PATH"] || undefined);
  const source = { path, text: path === undefined ? "" : readConfigText(path) };
  const tree = describeConfig();
  const problems: Problem[] = [];
  const folder = path === undefined ? "." : dirname(path);
  const file = expandReferences(
    parseToml(source),
    { node: tree, path: [] },
    { environment, folder, problems },
  );
  const table = isTable(file) ? file : {};
  const overrides = [...readEnvironment(environment, table), ...readFlags(flags)];
  for (const override of overrides) place(table, override);
  const validation = validateConfig(table, tree);
  const all =
    validation.status === "valid"
      ? problems
      : [...problems, ...withoutRepeats(validation.problems, problems)];
  if (validation.status === "invalid" || all.length > 0) {
    throw new ConfigError(locateAll(all, source, overrides));
  }
  return validation.config;
}

function parseToml({ path, text }: Source): Record<string, unknown> {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const reason = cause.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "") ?? "";
    const hint = describeBareText(text.split("\n")[cause.line - 1] ?? "");
    throw new ConfigError([`${path}:${cause.line}:${cause.column}: not TOML: ${reason}${hint}`], { cause });
  }
}

/** What is wrong with `key = debug` and `key = 30s`; empty where that is not what the line says. */
function describeBareText(line: string): string {
  const value = /^[^="']+=\s*([\w./:+-]*[A-Za-z][\w./:+-]*)\s*(?:#.*)?$/.exec(line)?.[1];
  return value === undefined ? "" : `; a text stands in quotes: "${value}"`;
}

function readFlags({ logLevel, interfaces }: ConfigFlags): readonly Override[] {
  const overrides: Override[] = [];
  if (logLevel !== undefined) overrides.push({ path: ["log_level"], value: logLevel, origin: "--log-level" });
  if (interfaces !== undefined && interfaces.length > 0) {
    overrides.push({ path: ["capture", "interfaces"], value: interfaces, origin: "--interface" });
  }
  return overrides;
}

/** Sets one value, making the tables on its way; a file that has something else there is left for validation to refuse. */
function place(table: Record<string, unknown>, { path, value }: Override): void {
  const name = path.at(-1);
  let holder: Record<string, unknown> | unknown[] = table;
  for (const key of path.slice(0, -1)) {
    const next: unknown = Reflect.get(holder, key) ?? {};
    Reflect.set(holder, key, next);
    if (!isTable(next) && !Array.isArray(next)) return;
    holder = next;
  }
  if (name !== undefined) Reflect.set(holder, name, value);
}

/** A reference that could not be replaced makes the value wrong too: once is enough. */
function withoutRepeats(found: readonly Problem[], told: readonly Problem[]): readonly Problem[] {
  const paths = new Set(told.map((problem) => problem.path.join("\0")));
  return found.filter((problem) => !paths.has(problem.path.join("\0")));
}

/** `FILE:LINE: setting message`, by line; then those of variables and flags, which are named in place of the file. */
function locateAll(
  problems: readonly Problem[],
  { path: file, text }: Source,
  overrides: readonly Override[],
): readonly string[] {
  const located = problems.map(({ path, message }) => {
    const origin = overrides.findLast((override) =>
      override.path.every((key, index) => key === path[index]),
    )?.origin;
    const line = file === undefined || origin !== undefined ? undefined : findLine(text, path);
    const place = origin ?? (line === undefined ? (file ?? "config") : `${file}:${line}`);
    return { line: line ?? Number.MAX_SAFE_INTEGER, text: `${place}: ${formatPath(path)} ${message}` };
  });
  return located.sort((left, right) => left.line - right.line).map((problem) => problem.text);
}

function formatPath(path: readonly string[]): string {
  return path
    .map((key, index) => {
      if (/^\d+$/.test(key)) return `[${key}]`;
      const part = /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
      return index === 0 ? part : `.${part}`;
    })
    .join("");
}
