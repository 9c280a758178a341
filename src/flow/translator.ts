// What conntrack tells, brought to the flows: rows become entries, entries find their slots.
// Comes in: TranslationBatch, and where listings begin and end. Goes out: links of slots.

import {
  TRANSLATION,
  TRANSLATION_BYTE,
  TRANSLATION_WORDS,
  type TranslationBatch,
} from "../capture/translation.ts";
import type { TranslationLinks } from "./translation-links.ts";
import type { Translations } from "./translations.ts";

/** Of one flow table. Times are CLOCK_MONOTONIC in ns. */
export class Translator {
  readonly #known: Translations;
  readonly #links: readonly TranslationLinks[];

  constructor(known: Translations, links: readonly TranslationLinks[]) {
    this.#known = known;
    this.#links = links;
  }

  /** Translated connections known now, those that ended lately included. */
  get size(): number {
    return this.#known.size;
  }

  /** Connections forgotten for want of room. */
  get evicted(): number {
    return this.#known.evicted;
  }

  /** Lives told in their own right, as zones of conntrack's translate their key in different ways. */
  get contested(): number {
    return this.#links.reduce((sum, links) => sum + links.contested, 0);
  }

  /** Bytes held, but for those of links. */
  get bytes(): number {
    return this.#known.bytes;
  }

  /** Takes in events, or a slice of a listing. */
  add({ count, words }: TranslationBatch, nowNs: number): void {
    for (let i = 0; i < count; i++) {
      const at = i * TRANSLATION_WORDS;
      const octets = words[at + TRANSLATION.octets] as number;
      if (((octets >>> (TRANSLATION_BYTE.isGone * 8)) & 0xff) !== 0) {
        this.#known.end(words, at, nowNs);
        continue;
      }
      const entry = this.#known.add(words, at, nowNs);
      for (const links of this.#links) links.arrive(entry);
    }
  }

  /** A listing begins; what it does not have will have ended. */
  beginListing(): void {
    this.#known.beginListing();
  }

  /** A listing was complete. */
  endListing(nowNs: number): void {
    this.#known.endListing(nowNs);
  }

  /** Conntrack is no longer followed: nobody will tell what ends. */
  endAll(nowNs: number): void {
    this.#known.endAll(nowNs);
  }

  /** Forgets what ended some seconds ago. */
  expire(nowNs: number): void {
    this.#known.expire(nowNs);
  }
}
