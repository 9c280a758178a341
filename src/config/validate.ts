// A table as TOML has it → Config, or everything that is wrong with it at once.

import * as v from "valibot";
import { findNearest } from "../lib/nearest.ts";
import { isTable, LIST_KEYS } from "../lib/setting.ts";
import type { Problem } from "./problem.ts";
import { type Config, configSection, findContradictions } from "./schema.ts";
import { hideCredentials } from "./secrets.ts";
import type { ConfigNode, SectionNode } from "./settings.ts";

export type Validation =
  | { readonly status: "valid"; readonly config: Config }
  | { readonly status: "invalid"; readonly problems: readonly Problem[] };

/** Checks keys, values and what must hold between them. `tree` is the config's own ({@link describeConfig}). */
export function validateConfig(table: Record<string, unknown>, tree: SectionNode): Validation {
  const problems = [...findMisplaced(table, tree, [])];
  const result = v.safeParse(configSection, table);
  for (const issue of result.issues ?? []) {
    // Unknown keys and sections that are no tables are all in findMisplaced; the schema stops at its first.
    if (issue.type !== "strict_object") problems.push(describeIssue(issue, tree));
  }
  if (problems.length > 0 || !result.success) return { status: "invalid", problems };
  const contradictions = findContradictions(result.output);
  if (contradictions.length > 0) return { status: "invalid", problems: contradictions };
  return { status: "valid", config: result.output };
}

/** The node at `path`, or the setting that holds it (a list's item, a table's value). */
export function findNode(tree: SectionNode, path: readonly string[]): ConfigNode | undefined {
  let node: ConfigNode | undefined = tree;
  for (const key of path) {
    if (node?.kind !== "section") return node;
    if (!node.isRepeatable || !isPlace(key)) node = node.children.get(key);
  }
  return node;
}

function* findMisplaced(
  table: Record<string, unknown>,
  section: SectionNode,
  path: readonly string[],
  tree: SectionNode = section,
): Generator<Problem> {
  for (const [key, value] of Object.entries(table)) {
    const child = section.children.get(key);
    const childPath = [...path, key];
    if (child === undefined) yield { path: childPath, message: describeUnknown(key, section, path, tree) };
    else if (child.kind === "setting" && child.metadata.form === "lists") {
      yield* findOtherThanLists(value, childPath);
    } else if (child.kind === "section") {
      yield* findMisplacedIn(value, child, childPath, tree);
    }
  }
}

function* findMisplacedIn(
  value: unknown,
  section: SectionNode,
  path: readonly string[],
  tree: SectionNode,
): Generator<Problem> {
  if (isTable(value)) yield* findMisplaced(value, section, path, tree);
  else if (section.isRepeatable && Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield* findMisplacedIn(item, { ...section, isRepeatable: false }, [...path, String(index)], tree);
    }
  } else yield { path, message: `must be a table, written [${withoutPlaces(path).join(".")}]` };
}

/** Whether a part of a path is a place in a list. */
function isPlace(key: string): boolean {
  return /^\d+$/.test(key);
}

function withoutPlaces(path: readonly string[]): readonly string[] {
  return path.filter((key) => !isPlace(key));
}

function* findOtherThanLists(value: unknown, path: readonly string[]): Generator<Problem> {
  if (!isTable(value)) return;
  for (const key of Object.keys(value)) {
    if (LIST_KEYS.some((known) => known === key)) continue;
    const prefix = path.map((part) => `${part}.`).join("");
    const nearest = findNearest(key, LIST_KEYS);
    const hint =
      nearest === undefined ? `known here: ${LIST_KEYS.join(", ")}` : `did you mean ${prefix}${nearest}?`;
    yield { path: [...path, key], message: `is not a setting; ${hint}` };
  }
}

function describeUnknown(
  key: string,
  section: SectionNode,
  path: readonly string[],
  tree: SectionNode,
): string {
  const here = [...section.children.keys()];
  const prefix = withoutPlaces(path)
    .map((part) => `${part}.`)
    .join("");
  const nearest = findNearest(key, here);
  if (nearest !== undefined) return `is not a setting; did you mean ${prefix}${nearest}?`;
  const [elsewhere, another] = findByName(key, tree, "");
  if (elsewhere !== undefined && another === undefined) return `is not a setting; did you mean ${elsewhere}?`;
  return `is not a setting; known here: ${here.join(", ")}`;
}

/** All that have the name, wherever they are. */
function* findByName(name: string, section: SectionNode, prefix: string): Generator<string> {
  for (const [key, child] of section.children) {
    if (key === name) yield `${prefix}${key}`;
    if (child.kind === "section") yield* findByName(name, child, `${prefix}${key}.`);
  }
}

function describeIssue(issue: v.BaseIssue<unknown>, tree: SectionNode): Problem {
  const path = issue.path?.map((part) => String(part.key)) ?? [];
  const node = findNode(tree, path);
  const isSecret =
    node?.kind === "setting" && (node.metadata.form === "secrets" || node.metadata.form === "secret");
  const given = isSecret || isTable(issue.input) ? "" : `${hideCredentials(JSON.stringify(issue.input))} `;
  return { path, message: `${given}${issue.message}` };
}
