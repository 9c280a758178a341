// One packet of a capture file, as its readers hand it over.

import type { Framing } from "./link-type.ts";

/** The packet in hand; one object for a whole file, its fields valid until the next packet is read. */
export interface CapturedPacket {
  /** Holds the captured bytes at `start`, `length` of them. */
  bytes: Buffer;
  start: number;
  length: number;
  /** Bytes it had on the wire; never less than `length`. */
  originalLength: number;
  /** Wall-clock time: whole seconds since 1970 and nanoseconds below a second. */
  seconds: number;
  nanoseconds: number;
  framing: Framing;
}

/** Reads the packets of one capture file in order. */
export interface PacketReader {
  readonly packet: CapturedPacket;
  /**
   * Reads the next packet into {@link packet}; false at the end of the file.
   * @throws CaptureFileError where the file is cut short, corrupt, or of a link type that is not read
   */
  next(): boolean;
}

/** Most captured bytes of one packet: several times what a kernel hands over in one piece. More is no length. */
export const MOST_CAPTURED_BYTES = 1_048_576;

/** Times end here, as 64 bits of nanoseconds with a sign do, in the year 2262. */
const MOST_SECONDS = 9_223_372_036;

const SECOND_NS = 1_000_000_000;

/** A packet without content, to be filled. */
export function emptyPacket(bytes: Buffer): CapturedPacket {
  return { bytes, start: 0, length: 0, originalLength: 0, seconds: 0, nanoseconds: 0, framing: "ethernet" };
}

/** Sets the packet's time, `nanoseconds` above a second carried over. False: a time that no clock tells. */
export function setTime(packet: CapturedPacket, seconds: number, nanoseconds: number): boolean {
  const carry = Math.floor(nanoseconds / SECOND_NS);
  packet.seconds = seconds + carry;
  packet.nanoseconds = nanoseconds - carry * SECOND_NS;
  return packet.seconds >= 0 && packet.seconds < MOST_SECONDS;
}
