// A few packets of three conversations, and what tshark says of them in whatever form of file.

import { expect } from "bun:test";
import { frame, ip } from "../support/packets.ts";
import { icmp, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import type { Written } from "./pcap-writer.ts";
import { accountedFor, type Replayed, replayFile } from "./replayed.ts";
import { tallyRecords } from "./tally.ts";
import { writeTemporaryFile } from "./temporary-file.ts";
import { askTshark } from "./tshark.ts";

export const TIMEOUT_MS = 30_000;
export const START = 1_700_000_000_123_456_000n;
const MILLISECOND = 1_000_000n;
export const A = "10.0.0.1";
export const B = "10.0.0.2";
export const A6 = "2001:db8:0:0:0:0:0:1";
export const B6 = "2001:db8:0:0:0:0:0:2";

export const FRAMES: readonly Uint8Array[] = [
  frame(ip(A, B, tcp([40000, 443], { flags: TCP_FLAG.syn, options: 20 }))),
  frame(ip(B, A, tcp([443, 40000], { flags: TCP_FLAG.syn | TCP_FLAG.ack, options: 20 }))),
  frame(ip(A, B, tcp([40000, 443], { flags: TCP_FLAG.ack | TCP_FLAG.psh }, 517))),
  frame(ip(A6, B6, udp([5000, 53], 40))),
  frame(ip(B6, A6, udp([53, 5000], 400))),
  frame(ip(A, B, icmp({ type: 8, identifier: 7 }, 56)), { padTo: 60 }),
  frame(ip(B, A, icmp({ type: 0, identifier: 7 }, 56))),
];

export const PACKETS: readonly Written[] = FRAMES.map((bytes, index) => ({
  bytes,
  time: START + BigInt(index) * MILLISECOND,
}));

/** Replays a file of these bytes. */
export async function replayBytes(content: Uint8Array, name?: string): Promise<Replayed> {
  using file = writeTemporaryFile(content, name);
  return await replayFile(file.path);
}

/** Replays a file of these bytes, and expects of every packet what tshark says. */
export async function expectTshark(content: Uint8Array, name?: string): Promise<Replayed> {
  using file = writeTemporaryFile(content, name);
  const [replayed, witness] = await Promise.all([replayFile(file.path), askTshark(file.path)]);
  expect(replayed.error).toBeUndefined();
  expect(replayed.packets).toBe(witness.frames);
  expect(accountedFor(replayed)).toBe(witness.frames);
  expect(tallyRecords(replayed.records)).toEqual(witness.conversations);
  return replayed;
}
