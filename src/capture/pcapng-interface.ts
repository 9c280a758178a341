// Interfaces of a pcapng section: link type, and how the ticks of their packets become a time.

import { type CapturedPacket, setTime } from "./packet.ts";

/** What an interface description block says. */
export interface SectionInterface {
  readonly linkType: number;
  /** 0: no limit. */
  readonly snapLength: number;
  /** Digits behind the point of a second: ticks are 10^-digits s. Undefined: ticks are not decimal, or too fine. */
  readonly digits: number | undefined;
  /** Ticks in a second. */
  readonly ticksPerSecond: bigint;
  /** Seconds to add (if_tsoffset). */
  readonly offsetSeconds: number;
}

const LINK_TYPE_BYTES = 8;
const OPTION_END = 0;
const OPTION_RESOLUTION = 9;
const OPTION_OFFSET = 14;
const DEFAULT_DIGITS = 6;
const MOST_DIGITS = 9;
const HALF_WORD = 65_536;

/** Reads the body of an interface description block: `length` ≥ 8 bytes at `at`. Options that do not fit are left out. */
export function readInterface(
  view: DataView,
  at: number,
  length: number,
  isLittle: boolean,
): SectionInterface {
  let digits: number | undefined = DEFAULT_DIGITS;
  let ticksPerSecond = 10n ** BigInt(DEFAULT_DIGITS);
  let offsetSeconds = 0;
  const end = at + length;
  let next = at + LINK_TYPE_BYTES;
  while (next + 4 <= end) {
    const code = view.getUint16(next, isLittle);
    const bytes = view.getUint16(next + 2, isLittle);
    const value = next + 4;
    if (code === OPTION_END || value + bytes > end) break;
    if (code === OPTION_RESOLUTION && bytes >= 1) {
      const resolution = view.getUint8(value);
      const exponent = resolution & 0x7f;
      const isBinary = resolution > 0x7f;
      ticksPerSecond = (isBinary ? 2n : 10n) ** BigInt(exponent);
      digits = !isBinary && exponent <= MOST_DIGITS ? exponent : undefined;
    }
    if (code === OPTION_OFFSET && bytes >= 8) offsetSeconds = readOffset(view, value, isLittle);
    next = value + bytes + (-bytes & 3);
  }
  return {
    linkType: view.getUint16(at, isLittle),
    snapLength: view.getUint32(at + 4, isLittle),
    digits,
    ticksPerSecond,
    offsetSeconds,
  };
}

/** Sets the packet's time from 64 bits of ticks, rounded down to nanoseconds. False: a time that no clock tells. */
export function setTicks(
  packet: CapturedPacket,
  described: SectionInterface,
  high: number,
  low: number,
): boolean {
  const { digits, ticksPerSecond, offsetSeconds } = described;
  if (digits === undefined) {
    const ticks = (BigInt(high) << 32n) | BigInt(low);
    const rest = ((ticks % ticksPerSecond) * 1_000_000_000n) / ticksPerSecond;
    return setTime(packet, Number(ticks / ticksPerSecond) + offsetSeconds, Number(rest));
  }
  // Long division in steps of 16 bits: every number stays below 2^53.
  const unit = 10 ** digits;
  const upper = (high % unit) * HALF_WORD + (low >>> 16);
  const lower = (upper % unit) * HALF_WORD + (low & 0xffff);
  const seconds =
    (Math.floor(high / unit) * HALF_WORD + Math.floor(upper / unit)) * HALF_WORD + Math.floor(lower / unit);
  return setTime(packet, seconds + offsetSeconds, (lower % unit) * 10 ** (MOST_DIGITS - digits));
}

function readOffset(view: DataView, at: number, isLittle: boolean): number {
  return Number(view.getBigInt64(at, isLittle));
}
