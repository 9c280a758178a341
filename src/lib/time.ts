// Durations as people write them in a config ("1m30s") and as timers want them.

declare const milliseconds: unique symbol;

/** A length of time in milliseconds; what every duration of the config becomes. */
export type Milliseconds = number & { readonly [milliseconds]: true };

const UNITS = [
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;

const DURATION = /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?$/;

/** Marks a number that is in milliseconds. */
export function toMilliseconds(value: number): Milliseconds {
  return value as Milliseconds;
}

/**
 * Reads `"500ms"`, `"5s"`, `"1m30s"`, `"1.5h"`: hours, minutes, seconds, milliseconds, largest first, each at most once.
 * The unit is required; undefined where the text is no duration or no whole number of milliseconds.
 */
export function parseDuration(text: string): Milliseconds | undefined {
  const match = DURATION.exec(text);
  if (match === null || text === "") return undefined;
  let total = 0;
  for (const [index, [, factor]] of UNITS.entries()) {
    total += Number(match[index + 1] ?? 0) * factor;
  }
  const rounded = Math.round(total);
  return Math.abs(total - rounded) < 1e-6 && Number.isSafeInteger(rounded)
    ? toMilliseconds(rounded)
    : undefined;
}

/** The shortest text that {@link parseDuration} reads back: `90000` is `"1m30s"`, `0` is `"0s"`. */
export function formatDuration(duration: Milliseconds): string {
  let rest: number = duration;
  let text = "";
  for (const [unit, factor] of UNITS) {
    const amount = Math.floor(rest / factor);
    rest -= amount * factor;
    if (amount > 0) text += `${amount}${unit}`;
  }
  return text === "" ? "0s" : text;
}
