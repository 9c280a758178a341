// Where in a TOML text a key stands. The parser keeps no positions, so the text is searched once an error is known.

const KEY_PART = /"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+)/g;
const DOTTED_KEY = String.raw`(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+))*`;
const HEADER = new RegExp(`^\\s*\\[{1,2}\\s*(${DOTTED_KEY})\\s*\\]`);
const ASSIGNMENT = new RegExp(`^\\s*(${DOTTED_KEY})\\s*=`);

/**
 * The line (from 1) that sets `path`; where it is inside an inline table or a list, the line of that; where it is a
 * table, its header. undefined where no line speaks of it. Only for messages: a key inside a multi-line value is not seen.
 */
export function findLine(text: string, path: readonly string[]): number | undefined {
  let table: readonly string[] = [];
  let closing: string | undefined;
  let enclosing: { readonly line: number; readonly depth: number } | undefined;
  let below: number | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    if (closing !== undefined) {
      if (line.includes(closing)) closing = undefined;
      continue;
    }
    const header = HEADER.exec(line)?.[1];
    const key = ASSIGNMENT.exec(line)?.[1];
    if (header !== undefined) table = splitKey(header);
    const stated = key === undefined ? table : [...table, ...splitKey(key)];
    if (header !== undefined || key !== undefined) {
      if (isPrefix(stated, path)) {
        if (stated.length === path.length) return index + 1;
        if (key !== undefined && stated.length > (enclosing?.depth ?? 0)) {
          enclosing = { line: index + 1, depth: stated.length };
        }
      } else if (isPrefix(path, stated)) below ??= index + 1;
    }
    closing = findOpenString(line);
  }
  return enclosing?.line ?? below;
}

/** The parts of a dotted key, quotes removed. */
function splitKey(key: string): readonly string[] {
  return [...key.matchAll(KEY_PART)].map((part) => part[1] ?? part[2] ?? part[3] ?? "");
}

function isPrefix(prefix: readonly string[], path: readonly string[]): boolean {
  return prefix.length <= path.length && prefix.every((part, index) => part === path[index]);
}

/** The delimiter of a multi-line string that this line opens and does not close. */
function findOpenString(line: string): string | undefined {
  return ['"""', "'''"].find((delimiter) => line.split(delimiter).length % 2 === 0);
}
