// Sets of whole numbers given as ranges.

/** Numbers from `least` to `most`, both included. */
export interface NumberRange {
  readonly least: number;
  readonly most: number;
}

/** Numbers that any of some ranges contains; kept as disjoint ranges in order. */
export class NumberSet {
  /** Ends of each range: the first number in it, the first one behind it. */
  readonly #ends: Float64Array;

  /** @param ranges of whole numbers below 2^53, in any order, overlapping or not */
  constructor(ranges: readonly NumberRange[]) {
    const ends: number[] = [];
    for (const { least, most } of [...ranges].sort((left, right) => left.least - right.least)) {
      const last = ends.at(-1);
      if (last !== undefined && least <= last) ends[ends.length - 1] = Math.max(last, most + 1);
      else ends.push(least, most + 1);
    }
    this.#ends = Float64Array.from(ends);
  }

  /** Whether `number` is in any range. */
  contains(number: number): boolean {
    const ends = this.#ends;
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ends[middle] as number) <= number) low = middle + 1;
      else high = middle;
    }
    // An odd number of ends lies at or before what is inside.
    return (low & 1) === 1;
  }
}
