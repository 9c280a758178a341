// What a config file may say by reference: "${VARIABLE:fallback}" in any string, { file = "path" } where a secret may be.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describeFileError } from "../lib/file-error.ts";
import { isTable } from "../lib/setting.ts";
import type { Problem } from "./problem.ts";
import type { ConfigNode } from "./settings.ts";

export interface ExpansionContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Relative paths of secrets start here: the folder of the config file. */
  readonly folder: string;
  readonly problems: Problem[];
}

const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}/g;

/**
 * A copy of `value` with every reference replaced; what cannot be is added to `context.problems` and left as it was.
 * A number or boolean may be given by a variable too: the text is read as the setting's form has it.
 */
export function expandReferences(
  value: unknown,
  at: { readonly node: ConfigNode | undefined; readonly path: readonly string[] },
  context: ExpansionContext,
): unknown {
  const { node, path } = at;
  if (typeof value === "string") return expandText(value, at, context);
  if (Array.isArray(value)) {
    return value.map((item, index) =>
      expandReferences(item, { node, path: [...path, String(index)] }, context),
    );
  }
  if (!isTable(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => {
      const childPath = [...path, key];
      const childNode = node?.kind === "section" ? node.children.get(key) : node;
      if (isTable(child) && isSecret(node, childNode)) return [key, findSecret(child, childPath, context)];
      return [key, expandReferences(child, { node: childNode, path: childPath }, context)];
    }),
  );
}

/** A secret by itself, or one of a table of them. */
function isSecret(holder: ConfigNode | undefined, node: ConfigNode | undefined): boolean {
  if (node?.kind !== "setting") return false;
  return node.metadata.form === "secret" || (node === holder && node.metadata.form === "secrets");
}

function expandText(
  text: string,
  { node, path }: { readonly node: ConfigNode | undefined; readonly path: readonly string[] },
  { environment, folder, problems }: ExpansionContext,
): unknown {
  const expanded = text.replace(REFERENCE, (whole: string, name?: string, fallback?: string) => {
    if (name === undefined) return "${";
    const found = environment[name];
    if (found !== undefined && found !== "") return found;
    if (fallback !== undefined) return fallback;
    problems.push({
      path,
      message: `names the environment variable ${name}, which is not set; \${${name}:value} gives a fallback`,
    });
    return whole;
  });
  if (node?.kind !== "setting") return expanded;
  const { form } = node.metadata;
  if (form === "path" && expanded !== "") return resolve(folder, expanded);
  if (expanded === text) return expanded;
  if ((form === "integer" || form === "integers") && /^-?\d+$/.test(expanded)) return Number(expanded);
  if (form === "number" && /^-?\d+(\.\d+)?$/.test(expanded)) return Number(expanded);
  if (form === "boolean" && /^(true|false)$/.test(expanded)) return expanded === "true";
  return expanded;
}

/** The reference with its whole path. What reads it does so again when it changes: here it only has to be there. */
function findSecret(
  reference: Record<string, unknown>,
  path: readonly string[],
  context: ExpansionContext,
): unknown {
  const { file, ...rest } = reference;
  const name = typeof file === "string" ? expandText(file, { node: undefined, path }, context) : undefined;
  if (typeof name !== "string" || Object.keys(rest).length > 0) return reference;
  const full = resolve(context.folder, name);
  try {
    readFileSync(full);
  } catch (error) {
    context.problems.push({
      path,
      message: `names the file "${full}", which cannot be read: ${describeFileError(error)}`,
    });
  }
  return { file: full };
}
