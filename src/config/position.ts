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
  // The first table of a list may also be written as a table by itself: it goes without its place in both.
  const wanted = path.filter((key) => key !== "0");
  const places = new Map<string, number>();
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
    if (header !== undefined)
      table = locateTable(splitKey(header), line.trimStart().startsWith("[["), places);
    const stated = key === undefined ? table : [...table, ...splitKey(key)];
    if (header !== undefined || key !== undefined) {
      if (isPrefix(stated, wanted)) {
        if (stated.length === wanted.length) return index + 1;
        if (key !== undefined && stated.length > (enclosing?.depth ?? 0)) {
          enclosing = { line: index + 1, depth: stated.length };
        }
      } else if (isPrefix(wanted, stated)) below ??= index + 1;
    }
    closing = findOpenString(line);
  }
  return enclosing?.line ?? below;
}

/** The path of a header's table, the places in lists put into it. @param places of the last table of each list so far */
function locateTable(
  keys: readonly string[],
  isItem: boolean,
  places: Map<string, number>,
): readonly string[] {
  const located: string[] = [];
  for (const [depth, key] of keys.entries()) {
    located.push(key);
    const list = located.join("\0");
    if (isItem && depth === keys.length - 1) places.set(list, (places.get(list) ?? -1) + 1);
    const place = places.get(list) ?? 0;
    if (place > 0) located.push(String(place));
  }
  return located;
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
