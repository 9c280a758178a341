// The hash over flow keys: of the table's slots, and of what is known of translated conversations.

/** Odd factors, so that a product loses no bit. */
const LANE = { a: 0x9e3779b1, b: 0x85ebca6b, c: 0xc2b2ae35 } as const;

/**
 * Three lanes of four words each, so that multiplications run side by side, then an avalanche: 32 bits, signed, that
 * depend on every bit. Without a loop: where the engine meets this function in one, it now and then gives up optimising
 * it for good (bench/table.ts: 250 instead of 45 ns to find a key).
 */
export function hashKey(keys: Uint32Array, at: number, seed: number): number {
  let a = seed | 0;
  let b = a ^ 0x2c1b3c6d;
  let c = a ^ 0x297a2d39;
  a = mix(mix(a, keys[at] as number, LANE.a), keys[at + 1] as number, LANE.a);
  b = mix(mix(b, keys[at + 4] as number, LANE.b), keys[at + 5] as number, LANE.b);
  c = mix(mix(c, keys[at + 8] as number, LANE.c), keys[at + 9] as number, LANE.c);
  a = mix(mix(a, keys[at + 2] as number, LANE.a), keys[at + 3] as number, LANE.a);
  b = mix(mix(b, keys[at + 6] as number, LANE.b), keys[at + 7] as number, LANE.b);
  c = mix(mix(c, keys[at + 10] as number, LANE.c), keys[at + 11] as number, LANE.c);
  let hash = Math.imul(a ^ ((b << 11) | (b >>> 21)), 0x7feb352d) ^ ((c << 22) | (c >>> 10));
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return hash ^ (hash >>> 16);
}

function mix(state: number, word: number, factor: number): number {
  const product = Math.imul(state ^ word, factor);
  return product ^ (product >>> 15);
}
