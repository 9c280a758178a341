// One look at a flow's counts: the value of a scan, or the end of a life that an event told.
// Comes in: words of capture/record.ts. Goes out: plain numbers in one reused object.

import { EVENT, FLOW_FLAG, number64, SHARED, WAY, WAY_FLAG, WAY_WORDS } from "../capture/record.ts";

type EventWord =
  | ("time" | "octets" | "incarnation" | "base" | "firstSeen" | "lastSeen" | "overhead" | "fragments")
  | ("handshake" | "firstFlowLabel" | "firstOctets" | "vlanAndMac")
  | ("responseSum" | "responseCount" | "responseJitter" | "retransmits" | "outOfOrder" | "tcpState");

/** Words of an event; from `base` on of a reopened one alone. 64-bit values by way: the low word of the first. */
export const EVENT_WORD: Readonly<Record<EventWord, number>> = {
  time: EVENT.timeNs / 4,
  /** Bytes: kind, way, TCP flags by way. */
  octets: EVENT.kind / 4,
  incarnation: EVENT.incarnation / 4,
  /** Four counts: packets, then bytes. */
  base: EVENT.packets / 4,
  firstSeen: EVENT.firstSeenNs / 4,
  lastSeen: EVENT.lastSeenNs / 4,
  overhead: EVENT.overheadBytes / 4,
  fragments: EVENT.fragments / 4,
  handshake: EVENT.handshakeNs / 4,
  firstFlowLabel: EVENT.firstFlowLabel / 4,
  /** Bytes: traffic classes, then TTLs. */
  firstOctets: EVENT.firstTrafficClass / 4,
  /** As SHARED.vlanAndMac and the word behind it. */
  vlanAndMac: EVENT.vlanId / 4,
  responseSum: EVENT.responseSumNs / 4,
  responseCount: EVENT.responseCount / 4,
  responseJitter: EVENT.responseJitterNs / 4,
  retransmits: EVENT.retransmits / 4,
  outOfOrder: EVENT.outOfOrder / 4,
  tcpState: EVENT.tcpState / 4,
};

/** First seen where nothing was. */
export const NEVER_NS: number = Number.MAX_SAFE_INTEGER;

/**
 * What a candidate hook saw only within this time after the owner's last packet may be copies of it, as COPY_DELAY_NS
 * in bpf/owner.bpf.h: it is never added.
 */
const COPY_DELAY_MS = 50;

/** Counts of a flow at one moment, by way. Times are CLOCK_MONOTONIC in ns. */
export class Reading {
  /** Packets of each way, then bytes of each way, as the kernel counts them. */
  readonly counts: Float64Array = new Float64Array(4);
  /** What a candidate hook holds, likewise; only where it was not seen by the owner too. */
  readonly held: Float64Array = new Float64Array(4);
  /** The first packet of each way's last generation, {@link NEVER_NS} where there is none. */
  readonly firstSeenNs: Float64Array = new Float64Array(2);
  /** The last packet counted; the last packet at all, those held included. */
  lastCountedNs = 0;
  lastSeenNs = 0;
  /** TCP flags low → high | high → low << 8. */
  tcpFlags = 0;
  handshakeNs = 0;
  /** As SHARED.vlanAndMac and the word behind it. */
  vlanAndMac = 0;
  macRest = 0;
  hasMac = false;
  /** FLOW_DETAILS has an entry. */
  hasDetails = false;
  /** What follows was measured: it is of a value or an event of the kernel's. */
  hasTcp = false;
  /** Bits of TCP_STATE. */
  tcpState = 0;
  responseSumNs = 0;
  responseCount = 0;
  responseJitterNs = 0;
  /** As SHARED.retransmits and SHARED.outOfOrder. */
  retransmits = 0;
  outOfOrder = 0;
  /** Way of the life's first packet: whose sender's MAC it is. */
  firstWay = 0;

  /** Reads a value of 64 words at `at`. */
  loadValue(values: Uint32Array, at: number): void {
    this.firstSeenNs[0] = NEVER_NS;
    this.firstSeenNs[1] = NEVER_NS;
    this.lastCountedNs = 0;
    this.lastSeenNs = 0;
    this.#loadWay(values, at, 0);
    this.#loadWay(values, at, 1);
    const low = values[at + WAY.octets] as number;
    const high = values[at + WAY_WORDS + WAY.octets] as number;
    this.tcpFlags = (low & 0xff) | ((high & 0xff) << 8);
    this.handshakeNs = values[at + SHARED.handshakeNs] as number;
    const octets = values[at + SHARED.octets] as number;
    this.firstWay = octets & 1;
    this.#loadSender(values, at + SHARED.vlanAndMac);
    this.hasMac &&= ((octets >>> 24) & FLOW_FLAG.hasMac) !== 0;
    this.hasDetails = ((octets >>> 24) & FLOW_FLAG.hasDetails) !== 0;
    this.hasTcp = true;
    this.tcpState = (octets >>> 16) & 0xff;
    this.responseCount = values[at + SHARED.responseCount] as number;
    this.retransmits = values[at + SHARED.retransmits] as number;
    this.outOfOrder = values[at + SHARED.outOfOrder] as number;
    if (this.responseCount === 0) return;
    this.responseSumNs = number64(values, at + SHARED.responseSumNs);
    this.responseJitterNs = values[at + SHARED.responseJitterNs] as number;
  }

  /** The end of a life as the reopened event at `at` tells it, but for {@link firstWay}. */
  loadReopened(words: Uint32Array, at: number): void {
    this.loadBase(words, at + EVENT_WORD.base);
    this.tcpFlags = (words[at + EVENT_WORD.octets] as number) >>> 16;
    const low = number64(words, at + EVENT_WORD.lastSeen);
    this.lastSeenNs = Math.max(low, number64(words, at + EVENT_WORD.lastSeen + 2));
    this.handshakeNs = words[at + EVENT_WORD.handshake] as number;
    this.#loadSender(words, at + EVENT_WORD.vlanAndMac);
    this.hasTcp = true;
    this.tcpState = (words[at + EVENT_WORD.tcpState] as number) & 0xff;
    this.responseSumNs = number64(words, at + EVENT_WORD.responseSum);
    this.responseCount = words[at + EVENT_WORD.responseCount] as number;
    this.responseJitterNs = words[at + EVENT_WORD.responseJitter] as number;
    this.retransmits = words[at + EVENT_WORD.retransmits] as number;
    this.outOfOrder = words[at + EVENT_WORD.outOfOrder] as number;
  }

  /**
   * The end of a life at `base` (packets low, high, bytes low, high: four 64-bit words at `at`). What only its value or
   * its event tells (MAC, VLAN, handshake, TCP) is unknown.
   */
  loadBase(words: Uint32Array, at: number): void {
    for (let i = 0; i < 4; i++) {
      this.counts[i] = number64(words, at + 2 * i);
      this.held[i] = 0;
    }
    this.handshakeNs = 0;
    this.vlanAndMac = 0;
    this.macRest = 0;
    this.hasMac = false;
    this.hasTcp = false;
  }

  #loadSender(words: Uint32Array, at: number): void {
    this.vlanAndMac = words[at] as number;
    this.macRest = words[at + 1] as number;
    // Loopback, and raw IP packets in a replay, have an Ethernet header without addresses.
    this.hasMac = ((this.vlanAndMac >>> 16) | this.macRest) !== 0;
  }

  /** Packets of both ways by the owner hooks. */
  get packets(): number {
    return (this.counts[0] as number) + (this.counts[1] as number);
  }

  #loadWay(values: Uint32Array, at: number, way: number): void {
    const start = at + way * WAY_WORDS;
    const packets = number64(values, start + WAY.packets);
    this.counts[way] = packets;
    this.counts[2 + way] = number64(values, start + WAY.bytes);
    this.held[way] = 0;
    this.held[2 + way] = 0;
    if (packets === 0) return;
    this.firstSeenNs[way] = number64(values, start + WAY.firstSeenNs);
    let last = number64(values, start + WAY.lastSeenNs);
    this.lastCountedNs = Math.max(this.lastCountedNs, last);
    const held = values[start + WAY.candidatePackets] as number;
    const isInterleaved = (((values[start + WAY.octets] as number) >>> 24) & WAY_FLAG.interleaved) !== 0;
    const delayMs = ((values[at + SHARED.candidateDelayMs] as number) >>> (way * 16)) & 0xffff;
    if (held !== 0 && !isInterleaved && delayMs >= COPY_DELAY_MS) {
      this.held[way] = held;
      this.held[2 + way] = number64(values, start + WAY.candidateBytes);
      last += delayMs * 1e6;
    }
    this.lastSeenNs = Math.max(this.lastSeenNs, last);
  }
}
