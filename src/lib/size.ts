// Sizes as people write them in a config ("4MiB") and as bytes.

declare const bytes: unique symbol;

/** A size in bytes; what every size of the config becomes. */
export type Bytes = number & { readonly [bytes]: true };

const UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["B", 1],
  ["kB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
]);

/** Marks a number that is in bytes. */
export function toBytes(value: number): Bytes {
  return value as Bytes;
}

/** Reads `"4MiB"`, `"512 KiB"`, `"1.5GB"`, `"65536"` (bytes); undefined where the text is no whole number of bytes. */
export function parseSize(text: string): Bytes | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(text);
  const factor = UNITS.get(match?.[2] ?? "");
  if (match === null || factor === undefined) return undefined;
  const size = Number(match[1]) * factor;
  return Number.isSafeInteger(size) ? toBytes(size) : undefined;
}

/** The text with the largest binary unit that keeps the number whole: `4194304` is `"4MiB"`. */
export function formatSize(size: Bytes): string {
  for (const unit of ["GiB", "MiB", "KiB"]) {
    const factor = UNITS.get(unit) ?? 1;
    if (size >= factor && size % factor === 0) return `${size / factor}${unit}`;
  }
  return `${size}B`;
}
