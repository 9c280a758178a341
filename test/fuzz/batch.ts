// Batches of random packets: conversations in both directions, whole and spoiled, in order and not.

import { ReferenceParser } from "../support/reference-packet.ts";
import { mutate } from "./mutations.ts";
import { FUZZ_REFERENCE } from "./options.ts";
import type { FuzzPacket } from "./packet.ts";
import type { Random } from "./random.ts";
import { drawFrames } from "./stacks.ts";

/** The programs read no header behind 2,048 bytes; the kernel takes about 3,700. */
const FRAME_BYTES_MOST = 3000;
const BRIEF_NS = 1000;
const DELAYS_NS = [29.5e9, 31e9] as const;

/** At least `count` packets. */
export function drawBatch(random: Random, count: number): FuzzPacket[] {
  const packets: FuzzPacket[] = [];
  while (packets.length < count) packets.push(...drawConversation(random));
  return packets;
}

function drawConversation(random: Random): FuzzPacket[] {
  const frames = drawFrames(random);
  const sides = random.pick([["request"], ["request"], ["reply"], ["request", "reply", "request"]] as const);
  const all = sides.flatMap((side) => frames(side));
  const ordered = random.oneIn(3) ? all.toReversed() : all;
  const kept = random.oneIn(8) ? ordered.slice(1) : ordered;
  return kept.filter((bytes) => bytes.length <= FRAME_BYTES_MOST).map((bytes) => drawPacket(random, bytes));
}

function drawOffload(random: Random): Pick<FuzzPacket, "gsoSegments" | "gsoSize"> {
  return { gsoSize: 1 + random.below(1400), gsoSegments: random.oneIn(2) ? 0 : 1 + random.below(5) };
}

/** Super-packets are TCP or UDP and no fragments: nothing else is cut up behind the programs. */
function isOffloaded(bytes: Uint8Array): boolean {
  const given = { bytes, wireLength: bytes.length, atNs: 0, gsoSegments: 0, gsoSize: 0 };
  const { flow, oriented } = new ReferenceParser(FUZZ_REFERENCE).parse(given);
  const isFragment = flow === undefined || flow.isFragment || flow.isInFragment;
  return !isFragment && (oriented?.key.protocol === 6 || oriented?.key.protocol === 17);
}

function drawPacket(random: Random, bytes: Uint8Array): FuzzPacket {
  const delayNs = random.oneIn(60) ? random.pick(DELAYS_NS) : BRIEF_NS;
  const packet = { bytes, wireLength: bytes.length, delayNs, gsoSegments: 0, gsoSize: 0 };
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return packet;
    case 3: {
      const kept = bytes.slice(0, random.below(bytes.length + 1));
      return { ...packet, bytes: kept };
    }
    case 4:
      return isOffloaded(bytes) && random.oneIn(2) ? { ...packet, ...drawOffload(random) } : packet;
    default: {
      const mutated = mutate(random, bytes).slice(0, FRAME_BYTES_MOST);
      const isCaptured = random.oneIn(6);
      const kept = isCaptured ? mutated.slice(0, random.below(mutated.length + 1)) : mutated;
      return { ...packet, bytes: kept, wireLength: mutated.length };
    }
  }
}
