// Regular expressions of the config over text that tenants of the cluster write: RE2's, whose time grows with the text
// alone. The engine takes memory, 1 MB compiled: it is loaded with the first expression, and not where there is none.

import { TEXT_LIMIT } from "./object.ts";

/** What the groups of an expression have in a text, the whole match first; undefined: it does not match. */
export type MatchWhole = (text: string) => readonly string[] | undefined;

/** Each takes its time at each character: with so many, the longest text takes 40 ms. */
const MOST_STEPS = 4096;

/**
 * Compiles an expression that the whole text must match, and nothing above the limit of characters.
 * @throws SyntaxError, "must be a regular expression …"
 */
export function compileExpression(source: string): MatchWhole {
  const expression = compile(source);
  const steps = expression.programSize();
  if (steps > MOST_STEPS) {
    throw new SyntaxError(
      `must be a regular expression of at most ${MOST_STEPS} steps; its repetitions make ${steps}`,
    );
  }
  const groups = expression.groupCount();
  return (text) => {
    if (text.length > TEXT_LIMIT) return undefined;
    // Asked for groups, the engine keeps no table of states, which texts could fill.
    const matcher = expression.matcher(text);
    if (!matcher.matches()) return undefined;
    return Array.from({ length: groups + 1 }, (_, group) => matcher.group(group) ?? "");
  };
}

function compile(source: string): import("re2js").RE2JS {
  const { RE2JS }: typeof import("re2js") = require("re2js");
  try {
    return RE2JS.compile(source);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const reason = text.replace(/^error parsing regexp: /, "");
    throw new SyntaxError(`must be a regular expression of RE2${missingIn(reason)}: ${reason}`, { cause });
  }
}

/** What others have and RE2 has not. */
function missingIn(reason: string): string {
  if (/`\(\?<?[=!]/.test(reason)) return ", which has no look-around";
  if (/^invalid escape sequence: `\\[1-9k]/.test(reason)) return ", which has no back-references";
  return "";
}
