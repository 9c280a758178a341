// Reads JSON of the API server, which is looked at and not trusted: what is not of the expected form is not there.

import { isTable } from "../lib/setting.ts";

type Json = Record<string, unknown>;

/** The table at the end of `path`; empty where there is none. */
export function tableAt(value: unknown, ...path: readonly string[]): Json {
  let at = value;
  for (const key of path) at = isTable(at) ? at[key] : undefined;
  return isTable(at) ? at : {};
}

/** The tables of a list. */
export function tablesOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isTable) : [];
}

/** "" where it is none. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Texts of a list, empty ones too. */
export function everyTextOf(value: unknown): readonly string[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  return items.filter((item) => typeof item === "string");
}

/** Texts of a list, empty ones left out. */
export function textsOf(value: unknown): readonly string[] {
  return everyTextOf(value).filter((text) => text !== "");
}

/** An RFC 3339 time in ms since 1970. */
export function timeOf(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}
