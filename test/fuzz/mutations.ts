// Ways to spoil a frame.

import { filler } from "../support/packets.ts";
import type { Random } from "./random.ts";

type Mutation = (random: Random, bytes: Uint8Array) => Uint8Array;

/** Numbers that mean something somewhere: lengths at an edge, ethertypes, versions, protocols, tunnel ports. */
const WORDS = [
  0, 1, 4, 5, 7, 8, 20, 40, 0x0800, 0x86dd, 0x8100, 0x88a8, 0x8847, 0x8864, 0x0806, 0x6558, 0x88be, 0x22eb,
  4789, 4790, 6081, 2152, 3544, 5555, 51820, 4500, 0x7fff, 0x8000, 0xffff, 0xfffe,
];
const OCTETS = [
  0, 1, 2, 4, 6, 17, 41, 43, 44, 45, 47, 50, 51, 58, 59, 60, 0x40, 0x45, 0x46, 0x4f, 0x60, 132, 136, 255,
];
const HEADERS_BYTES = 160;

const MUTATIONS: readonly Mutation[] = [
  (random, bytes) => bytes.slice(0, random.below(bytes.length)),
  (random, bytes) => Buffer.concat([bytes, filler(random.below(40))]),
  (random, bytes) =>
    at(random, bytes, (spoiled, place) =>
      spoiled.fill((spoiled[place] ?? 0) ^ (1 << random.below(8)), place, place + 1),
    ),
  (random, bytes) =>
    at(random, bytes, (spoiled, place) => spoiled.fill(random.pick(OCTETS), place, place + 1)),
  (random, bytes) =>
    at(random, bytes, (spoiled, place) =>
      spoiled.fill((spoiled[place] ?? 0) + random.pick([-1, 1]), place, place + 1),
    ),
  (random, bytes) =>
    at(random, bytes, (spoiled, place) =>
      spoiled.set(random.bytes(4).subarray(0, spoiled.length - place), place),
    ),
  (random, bytes) => at(random, bytes, (spoiled, place) => setWord(spoiled, place & ~1, random.pick(WORDS))),
  lieAboutLength,
  lieAboutLength,
  swapWords,
  doubleStretch,
];

/** One to three mutations of a frame. */
export function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  let mutated = bytes;
  for (let count = 1 + random.below(3); count > 0 && mutated.length > 16; count--) {
    mutated = random.pick(MUTATIONS)(random, mutated);
  }
  return mutated;
}

function at(
  random: Random,
  bytes: Uint8Array,
  change: (copy: Uint8Array, place: number) => void,
): Uint8Array {
  const copy = Uint8Array.from(bytes);
  change(copy, random.below(Math.min(copy.length, HEADERS_BYTES)));
  return copy;
}

function setWord(bytes: Uint8Array, place: number, value: number): void {
  if (place + 2 <= bytes.length) bytes.set([(value >> 8) & 0xff, value & 0xff], place);
}

function word(bytes: Uint8Array, place: number): number {
  return (bytes[place] ?? 0) * 256 + (bytes[place + 1] ?? 0);
}

/** A word that is nearly the number of bytes behind it is a length. */
function lieAboutLength(random: Random, bytes: Uint8Array): Uint8Array {
  const lengths = Array.from({ length: Math.min(bytes.length, 400) }, (_, place) => place).filter(
    (place) => Math.abs(word(bytes, place) - (bytes.length - place)) <= 48,
  );
  const copy = Uint8Array.from(bytes);
  if (lengths.length === 0) return copy;
  const place = random.pick(lengths);
  const lie = random.oneIn(4) ? random.pick(WORDS) : word(bytes, place) + random.below(41) - 20;
  setWord(copy, place, lie);
  return copy;
}

function swapWords(random: Random, bytes: Uint8Array): Uint8Array {
  return at(random, bytes, (spoiled, place) => {
    const other = random.below(Math.min(spoiled.length, HEADERS_BYTES));
    const kept = word(spoiled, place);
    setWord(spoiled, place, word(spoiled, other));
    setWord(spoiled, other, kept);
  });
}

/** A header that comes twice, or again and again. */
function doubleStretch(random: Random, bytes: Uint8Array): Uint8Array {
  const begin = random.below(Math.min(bytes.length, HEADERS_BYTES));
  const stretch = bytes.subarray(begin, begin + random.pick([4, 8, 8, 20, 28, 50]));
  const times = random.pick([1, 1, 2, 20]);
  return Buffer.concat([
    bytes.subarray(0, begin),
    ...Array.from({ length: times }, () => stretch),
    bytes.subarray(begin),
  ]);
}
