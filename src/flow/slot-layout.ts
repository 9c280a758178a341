// Where the words and doubles of a flow's slot have what is known of it, and the bits of its state. Never read or written
// here.

/** 32-bit words of one slot: one cache line. */
export const SLOT_WORDS = 16;
/** Word offsets in a slot's row. */
export const SLOT = {
  /** UnixNanos of this life's first packet. */
  flowStart: 0,
  /** UnixNanos: start of the record that is open, or, while none of its packets was seen, the previous one's end. */
  recordStart: 2,
  recordNumber: 4,
  incarnation: 5,
  /** Owner hook, by way. */
  hooks: 6,
  /** By way: flow label (20 bits), TCP flags (8), whether it entered elsewhere (1). */
  ways: 8,
  /** Traffic class and TTL low → high, then high → low. */
  octets: 10,
  /** As SHARED.icmp. */
  icmp: 11,
  /** Packets of both ways when last read, modulo 2^32. */
  seen: 12,
  /** Row of FlowSlots.bases, 0 where this life began at zero. */
  base: 13,
  state: 14,
  hash: 15,
} as const;

/** Bits of {@link SLOT.ways}. */
export const SLOT_WAY = {
  labelMask: 0xfffff,
  flagsShift: 20,
  flagsMask: 0xff00000,
  entered: 0x10000000,
} as const;

/** Doubles of one slot. */
export const SLOT_NUMBERS = 5;
/**
 * Offsets in a slot's doubles: packets and bytes by way as the kernel counts them, at the last record; and when that
 * was (CLOCK_MONOTONIC, before the first record the flow's start).
 */
export const TOLD = { packets: 0, bytes: 2, timeNs: 4 } as const;

/**
 * Bits of a slot's state word. `orientation` (4 bits) is as direction.ts returns it, `kind` (2) a SPAN_KIND once
 * frozen, `fresh` (2) the ways whose first packet of the open record was seen, `reason` (3) why it is ending, `scan`
 * (8) the last scan that met it; `hasStart`: SLOT.recordStart is a start, not the previous record's end; `filtered`: this
 * life is not told; `firstWay` (1) the way of this life's first packet; `translated`: this life is told by the other
 * view of its conversation; `tracesTranslation`: its trace is that of the translated tuple; `contested`: whether it is a
 * view of one, and of which, nobody can tell.
 */
export const STATE = {
  live: 1,
  orientationShift: 1,
  orientationMask: 0x1e,
  kindShift: 5,
  kindMask: 0x60,
  freshShift: 7,
  freshMask: 0x180,
  hasHooks: 0x200,
  reasonShift: 10,
  reasonMask: 0x1c00,
  hasHeldRows: 0x2000,
  hasStart: 0x4000,
  filtered: 0x8000,
  scanShift: 16,
  scanMask: 0xff0000,
  hasDetails: 0x1000000,
  firstWayShift: 25,
  firstWay: 0x2000000,
  translated: 0x4000000,
  tracesTranslation: 0x8000000,
  contested: 0x10000000,
} as const;
