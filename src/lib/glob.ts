// Patterns over short names (network interfaces): `*`, `?`, `[a-z]`, `[!a-z]`, `{one,two}`, `\` before a literal; where
// it is allowed, a regular expression between slashes.

import { compileSteps, parseGlob } from "./glob-steps.ts";

/** Whether a name matches. */
export type NameMatcher = (name: string) => boolean;

/**
 * Compiles one pattern; it must match the whole name, upper and lower case being different.
 * @throws {SyntaxError} "malformed pattern: …", where a bracket or brace is not closed or a range is empty.
 */
export function compileGlob(pattern: string): NameMatcher {
  return compileSteps(parseGlob(pattern));
}

/**
 * Compiles a list: a name matches where any pattern does; an empty list matches nothing.
 * @throws {SyntaxError} as {@link compileGlob}.
 */
export function compileGlobs(patterns: readonly string[]): NameMatcher {
  const matchers = patterns.map(compileGlob);
  return (name) => matchers.some((matches) => matches(name));
}

/**
 * Compiles a glob, or between slashes (`/en[ps]\d+/`) a regular expression of JavaScript with its `v` flag; either must
 * match the whole name. An expression may take long for long names: an interface's has at most 15 characters.
 * @throws {SyntaxError} as {@link compileGlob}; "malformed regular expression: …".
 */
export function compilePattern(pattern: string): NameMatcher {
  if (!isExpression(pattern)) return compileGlob(pattern);
  const source = pattern.slice(1, -1);
  try {
    // By itself first: `a)(b` is none, though it would be inside of the parentheses.
    new RegExp(source, "v");
    const expression = new RegExp(`^(?:${source})$`, "v");
    return (name) => expression.test(name);
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replace(/^Invalid regular expression: /, "") : String(error);
    throw new SyntaxError(`malformed regular expression: ${reason}`, { cause: error });
  }
}

/** Compiles a list of {@link compilePattern}: a name matches where any does; an empty list matches nothing. */
export function compilePatterns(patterns: readonly string[]): NameMatcher {
  const matchers = patterns.map(compilePattern);
  return (name) => matchers.some((matches) => matches(name));
}

function isExpression(pattern: string): boolean {
  return pattern.length > 2 && pattern.startsWith("/") && pattern.endsWith("/");
}
