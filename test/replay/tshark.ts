// tshark as witness: which flow each frame of a file belongs to, by its dissectors and a book of fragments of our own.

import type { Transport } from "./datagram.ts";
import { expectedCommunityId } from "./expected-community-id.ts";
import { FragmentBook } from "./fragment-book.ts";
import { isRefused } from "./link-headers.ts";
import { type Nest, readNest, toldCarriers } from "./nest.ts";
import { dissect, type Frame, numberOf } from "./pdml.ts";
import { conversationKey, type Ends, mirrorName, type Sighting } from "./sighting.ts";
import { addSighting, type Conversations } from "./tally.ts";

/** What tshark says of a file. */
export interface Witnessed {
  readonly frames: number;
  readonly conversations: Conversations;
  /** The packets of each conversation, by its key, in the order of the file. */
  readonly members: Readonly<Record<string, readonly Member[]>>;
  /** Packets by the counter that says why they are in no flow, or not wholly read; without those that are 0. */
  readonly counters: Readonly<Record<string, number>>;
  /** Frames for which tshark computes another Community ID than the test, though both read the same headers. */
  readonly disputedIds: readonly number[];
  /** Pairs of addresses with an echo identifier. */
  readonly echoes: ReadonlySet<string>;
}

/** One packet of a conversation. */
export interface Member {
  readonly ends: Ends;
  readonly frame: Frame;
  readonly nest: Nest;
}

const ETHERNET_BYTES = 14;

/** Runs tshark over a file. @throws Error where tshark is missing or fails on a file that is whole */
export async function askTshark(file: string, seed = 0): Promise<Witnessed> {
  const frames = await dissect(file, seed);
  const witness = new Witness(seed);
  for (const frame of frames) witness.add(frame);
  return { frames: frames.length, ...witness };
}

class Witness {
  readonly conversations: Conversations = {};
  readonly members: Record<string, Member[]> = {};
  readonly counters: Record<string, number> = {};
  readonly disputedIds: number[] = [];
  readonly echoes: Set<string> = new Set();
  readonly #book = new FragmentBook();
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  add(frame: Frame): void {
    const nest = readNest(frame);
    if (isRefused(nest)) {
      this.#count(isShort(frame) ? "short" : nest.counter);
      return;
    }
    if (nest.isUnread) this.#count("encapsulated_unread");
    const transport = this.#joinFragments(nest, frame.time);
    if (transport !== undefined) this.#tally({ frame, nest, ends: endsIn(nest, transport) }, transport);
  }

  /** The transport of the innermost packet; undefined where it is in no flow. */
  #joinFragments({ carriers, innermost }: Nest, time: bigint): Transport | undefined {
    for (const { datagram } of carriers) {
      if (datagram.fragment !== undefined) this.#addFirst(this.#book.addFirst(datagram, time, true));
    }
    const { fragment, transport } = innermost;
    if (fragment?.isFirst === true) this.#addFirst(this.#book.addFirst(innermost, time, false));
    if (fragment?.isFirst !== false) return transport;
    const found = this.#book.findLater(innermost, time);
    if (found === "carrier") {
      this.#count("fragment_encapsulated");
      return undefined;
    }
    if (found !== "unknown") return { ...found, tcpFlags: 0 };
    this.#count("fragment");
    return { ...transport, ports: [0, 0] };
  }

  #addFirst(waited: number): void {
    if (waited > 0) this.#count("fragment_reordered", waited);
  }

  #tally(member: Member, transport: Transport): void {
    const { frame, nest, ends } = member;
    const [tunnel, ipip] = toldCarriers(nest);
    const sighting: Sighting = {
      ...ends,
      packets: 1,
      bytes: nest.innermost.bytes,
      tcpFlags: transport.tcpFlags,
      overheads: [tunnel?.overhead ?? 0, ipip?.overhead ?? 0],
      fragments: nest.innermost.fragment === undefined ? 0 : 1,
    };
    const { source, destination } = ends;
    const id = expectedCommunityId({ ...transport, source, destination }, this.#seed);
    if (id !== frame.communityId && isSameToTshark(frame, nest)) this.disputedIds.push(frame.number);
    addSighting(this.conversations, sighting, id, [frame.time, frame.time]);
    const key = conversationKey(ends, id);
    this.members[key] ??= [];
    this.members[key].push(member);
    const identifier = transport.icmp?.identifier;
    if (identifier !== undefined) {
      this.echoes.add([...[source, destination].toSorted(), Number(identifier)].join(" "));
    }
  }

  #count(counter: string, packets = 1): void {
    this.counters[counter] = (this.counters[counter] ?? 0) + packets;
  }
}

/**
 * True where tshark's Community ID is of the same headers. It looks for no first fragment, reads on where we do not (a
 * fourth encapsulation, ports at the other end), leaves the ports of a cut UDP header out, and hashes a packet without
 * ports with those of what carries it.
 */
function isSameToTshark({ layers }: Frame, { carriers, innermost }: Nest): boolean {
  const { fragment, transport } = innermost;
  const packets = layers.filter(({ name }) => name === "ip" || name === "ipv6");
  const hasOwnPorts = transport.ports !== undefined || transport.icmp !== undefined || carriers.length === 0;
  const isWhole = fragment?.isFirst !== false && !transport.isCut;
  return packets.length === carriers.length + 1 && isWhole && hasOwnPorts;
}

function endsIn({ carriers, innermost }: Nest, { protocol, ports }: Transport): Ends {
  const { source, destination } = innermost;
  return {
    protocol,
    source,
    destination,
    sourcePort: ports?.[0] ?? 0,
    destinationPort: ports?.[1] ?? 0,
    mirror: mirrorName(carriers[0]?.kind, carriers[0]?.id),
  };
}

/** A frame that ends before its link header or the IP header behind that: the kernel runs no program on it. */
function isShort({ layers, capturedBytes }: Frame): boolean {
  const [first, second] = layers;
  const isEthernet = first === undefined || first.name === "eth";
  const ethertype = numberOf(first, "eth.type");
  const isIpv4 = ethertype === 0x0800 || (isEthernet ? second : first)?.name === "ip";
  const isIpv6 = ethertype === 0x86dd || (isEthernet ? second : first)?.name === "ipv6";
  const linkBytes = isEthernet ? ETHERNET_BYTES : 0;
  return capturedBytes < linkBytes + (isIpv4 ? 20 : isIpv6 ? 40 : 0);
}
