// Community ID of the other view of a translated conversation, and whether its trace is that one's.

import { COMMUNITY_ID_BYTES, CommunityIdHasher } from "./community-id.ts";
import { RECORD, RECORD_DETAIL, RECORD_DETAIL_FLAG, RECORD_DETAIL_WORDS, RECORD_WORDS } from "./flow.ts";

const ICMP = 1;
const ICMPV6 = 58;

/** Hashes other views, by way of a row that has their ends. */
export class NatIdHasher {
  readonly #hasher: CommunityIdHasher;
  readonly #row = new Uint32Array(RECORD_WORDS);

  /** @param seed as of {@link CommunityIdHasher} */
  constructor(seed: number) {
    this.#hasher = new CommunityIdHasher(seed);
  }

  /** Of the last view that was written. */
  get digest(): Uint8Array {
    return this.#hasher.digest;
  }

  /**
   * Writes the Community ID of the other view of the record at `at` to its place in `out`, {@link COMMUNITY_ID_BYTES} a
   * detail row; nothing where the record has no other view.
   * @returns whether the record's trace id is derived from it
   */
  write(words: Uint32Array, at: number, details: Uint32Array, out: Uint8Array): boolean {
    const number = words[at + RECORD.detail] as number;
    if (number === 0) return false;
    const detail = (number - 1) * RECORD_DETAIL_WORDS;
    const flags = details[detail + RECORD_DETAIL.flags] as number;
    const isTracing = (flags & RECORD_DETAIL_FLAG.tracesNat) !== 0;
    const isTold = (flags & RECORD_DETAIL_FLAG.hasNat) !== 0;
    if (!isTold && !isTracing) return false;
    const row = this.#row;
    for (let i = 0; i < 4; i++) {
      row[RECORD.sourceAddress + i] = details[detail + RECORD_DETAIL.natSource + i] as number;
      row[RECORD.destinationAddress + i] = details[detail + RECORD_DETAIL.natDestination + i] as number;
    }
    const identity = words[at + RECORD.identity] as number;
    const hasMessages = (identity & 0xff) === ICMP || (identity & 0xff) === ICMPV6;
    row[RECORD.identity] = identity;
    // Types of messages are the same in both views.
    row[RECORD.communityPorts] = hasMessages
      ? (words[at + RECORD.communityPorts] as number)
      : (details[detail + RECORD_DETAIL.natPorts] as number);
    this.#hasher.hash(row, 0);
    if (isTold) this.#hasher.format(out, (number - 1) * COMMUNITY_ID_BYTES);
    return isTracing;
  }
}
