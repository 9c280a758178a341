import { expect, test } from "bun:test";
import { AddressMap } from "../../../src/kubernetes/directory-addresses.ts";

const KEYS = 4000;
const UNIT = 0x85ebca6b;

/** The inverse of an odd number modulo 2 ** 32. */
function inverseOf(odd: number): number {
  let inverse = odd;
  for (let i = 0; i < 5; i++) inverse = Math.imul(inverse, 2 - Math.imul(odd, inverse));
  return inverse;
}

/** Addresses that a hash without a seed puts in one place: the last word undoes what the others have done. */
function collidingAddresses(): readonly Uint32Array[] {
  // Of a key whose fifth word is 0.
  const wanted = Math.imul(12_345, inverseOf(UNIT));
  return Array.from({ length: KEYS }, (_, i) => {
    const words = Uint32Array.of(0x20010db8, i, Math.imul(i, 0x9e3779b1), 0);
    let hash = 0;
    for (let word = 0; word < 3; word++)
      hash = Math.imul(hash ^ (hash >>> 15) ^ (words[word] as number), UNIT);
    words[3] = wanted ^ hash ^ (hash >>> 15);
    return words;
  });
}

function timeOf(addresses: readonly Uint32Array[]): number {
  const map = new AddressMap<number>();
  const began = performance.now();
  for (const [i, words] of addresses.entries()) map.set(words, 0, 0, i);
  for (const [i, words] of addresses.entries()) expect(map.get(words, 0, 0)).toBe(i);
  return performance.now() - began;
}

test("AddressMap cannot be made slow by addresses that are chosen for it", () => {
  const others = collidingAddresses().map((words, i) => Uint32Array.of(...words.subarray(0, 3), i));
  const least = (addresses: readonly Uint32Array[]): number =>
    Math.min(...Array.from({ length: 5 }, () => timeOf(addresses)));
  expect(least(collidingAddresses())).toBeLessThan(least(others) * 5);
});
