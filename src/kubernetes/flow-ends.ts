// Resolutions by small numbers: the flows of one pod have most often the same one at that end, and it is kept once.

import type { Resolution } from "./directory-resolve.ts";

/** Places where a resolution is looked for, by a hash of it; a power of two, and so is the number of those tried. */
const PLACES = 8192;
const TRIED = 8;

/** Counted resolutions. Equal ones have one number most of the time; one that nobody has any more is given up. */
export class FlowEnds {
  readonly #ends: (Readonly<Resolution> | undefined)[] = [];
  readonly #uses: number[] = [];
  readonly #free: number[] = [];
  /** Numbers plus one, 0 where there is none. They are no use: what they name may be another resolution by now, or none. */
  readonly #places = new Int32Array(PLACES);
  #turn = 0;

  /** Resolutions kept. */
  get size(): number {
    return this.#ends.length - this.#free.length;
  }

  /** @throws RangeError for a number that was not given, or was released */
  get(number: number): Readonly<Resolution> {
    const end = this.#ends[number];
    if (end === undefined) throw new RangeError(`No resolution has the number ${number}`);
    return end;
  }

  /** The number of what was found, to be released as often as it is taken. */
  take(found: Readonly<Resolution>): number {
    const first = placeOf(found);
    for (let i = 0; i < TRIED; i++) {
      const number = (this.#places[first + i] as number) - 1;
      const end = this.#ends[number];
      if (end === undefined || !isSame(end, found)) continue;
      this.#uses[number] = (this.#uses[number] as number) + 1;
      return number;
    }
    const number = this.#free.pop() ?? this.#ends.length;
    this.#ends[number] = { ...found };
    this.#uses[number] = 1;
    this.#places[first + (this.#turn++ & (TRIED - 1))] = number + 1;
    return number;
  }

  release(number: number): void {
    const uses = (this.#uses[number] as number) - 1;
    this.#uses[number] = uses;
    if (uses > 0) return;
    this.#ends[number] = undefined;
    this.#free.push(number);
  }
}

function placeOf({ holder, service, isConfirmed }: Readonly<Resolution>): number {
  let hash = Math.imul((holder?.number ?? 0) * 2 + Number(isConfirmed), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15) ^ (service?.number ?? 0), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) & (PLACES - TRIED);
}

function isSame(left: Readonly<Resolution>, right: Readonly<Resolution>): boolean {
  return (
    left.holder === right.holder &&
    left.service === right.service &&
    left.container === right.container &&
    left.outcome === right.outcome &&
    left.isConfirmed === right.isConfirmed &&
    left.sharedNamespace === right.sharedNamespace
  );
}
