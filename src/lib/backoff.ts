// Waiting longer after each failure, and never quite as long as others do.

/** How long the first wait is and how long the longest, in ms. */
export interface BackoffRange {
  readonly first: number;
  readonly longest: number;
}

/**
 * How long to wait after so many failures in a row (1 or more), in ms: doubled each time up to the longest, of which
 * chance takes up to a half, so that what failed together is not tried together.
 */
export function backoffAfter(
  failures: number,
  range: BackoffRange,
  random: () => number = Math.random,
): number {
  const whole = Math.min(range.longest, range.first * 2 ** (failures - 1));
  return whole * (1 - random() / 2);
}
