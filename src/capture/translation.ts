// Layout of struct merminbpf_translation as 32-bit word offsets, and the batches that capture hands to the flow stage.

/** Bytes and words of one row. */
export const TRANSLATION_BYTES = 104;
export const TRANSLATION_WORDS = 26;

/**
 * Word offsets: two keys as in `KEY`, then the bytes {@link TRANSLATION_BYTE}, then conntrack's zones: that of the
 * original key (low 16 bits), and that of the translated one. 0 is the default zone.
 */
export const TRANSLATION = { original: 0, translated: 12, octets: 24, zones: 25 } as const;

/** Bytes of {@link TRANSLATION.octets}: ways from the initiator to the responder, and 1 where the connection has ended. */
export const TRANSLATION_BYTE = { originalWay: 0, translatedWay: 1, isGone: 2 } as const;

/** Connections that the node translates. Valid until the next call of whatever filled it. */
export interface TranslationBatch {
  readonly count: number;
  /** `count` × {@link TRANSLATION_WORDS}. */
  readonly words: Uint32Array;
}
