// What a connection's segments say, by the rules of RFC 9293 and of the attributes: the initiator's state machine, what
// was sent again or late, how soon requests were answered. Written without a look at the programs: a machine with
// states where they keep bits.

import type { TcpSegment } from "./tcp-segment.ts";

/** As the attribute `flow.connection.state` has them. */
export type State =
  | "syn_sent"
  | "syn_received"
  | "established"
  | "fin_wait_1"
  | "fin_wait_2"
  | "closing"
  | "time_wait"
  | "close_wait"
  | "last_ack"
  | "closed";

/** Ways are 0 (low → high) and 1. */
type Way = 0 | 1;

const RETRANSMIT_NS = 3e6;
/** Resolution in which the programs keep when a sequence was raised. */
const TICK_NS = 65_536;

/** Whether a sequence number is behind another, less than 2^31 apart. */
function isBehind(sequence: number, other: number): boolean {
  const distance = (sequence - other) >>> 0;
  return distance > 0 && distance < 2 ** 31;
}

/** One way of a life. */
class Stream {
  flags = 0;
  /** Sequence number behind the last one sent; undefined: nothing that takes one was seen. */
  end: number | undefined;
  raisedNs = 0;
  retransmits = 0;
  outOfOrder = 0;

  /** Takes in a segment's numbers. Returns whether its payload is "new", "old", or neither. */
  advance(segment: TcpSegment, leastNs: number): "new" | "old" | "none" {
    const { sequence, payload, atNs } = segment;
    const payloadEnd = (sequence + (segment.syn ? 1 : 0) + payload) >>> 0;
    const end = (payloadEnd + (segment.fin ? 1 : 0)) >>> 0;
    const before = this.end;
    const isAnew = before === undefined || (segment.syn && end !== before);
    if (isAnew || isBehind(end, before)) {
      this.end = end;
      this.raisedNs = atNs;
      if (payload === 0) return "none";
      return isAnew || isBehind(payloadEnd, before) ? "new" : "none";
    }
    const isKeepAlive = sequence === (before - 1) >>> 0;
    if (payload === 0 || isKeepAlive) return "none";
    const ticks = Math.floor(atNs / TICK_NS) - Math.floor(this.raisedNs / TICK_NS);
    if (ticks * TICK_NS >= leastNs) this.retransmits++;
    else this.outOfOrder++;
    return "old";
  }
}

/** One life of a 5-tuple. */
export class Life {
  readonly streams: readonly [Stream, Stream] = [new Stream(), new Stream()];
  initiator: Way | undefined;
  handshakeNs = 0;
  responses = 0;
  responseSumNs = 0;
  jitterNs = 0;
  #synNs: number | undefined;
  #isSynRepeated = false;
  #hasSyn = false;
  #isProven = false;
  #isSimultaneous = false;
  #isReset = false;
  #askedNs: number | undefined;
  #previousNs: number | undefined;
  /** Of each end as if it were the initiator; undefined: before any FIN. */
  readonly #closing: [State | undefined, State | undefined] = [undefined, undefined];
  readonly #finAcked: [boolean, boolean] = [false, false];

  /** FIN both ways, or RST: a SYN opens the next life. */
  get isOver(): boolean {
    const [low, high] = this.streams;
    return this.#isReset || (low.flags & high.flags & 1) !== 0;
  }

  /** Of the end whose packets go `way`. */
  state(way: Way): State {
    if (this.#isReset) return "closed";
    const closing = this.#closing[way];
    if (closing !== undefined) return closing;
    if (!this.#hasSyn || this.#isProven) return "established";
    return this.#isSimultaneous ? "syn_received" : "syn_sent";
  }

  /** A segment without any flag is none that TCP sends: a header that was cut off looks like it. */
  add(segment: TcpSegment): void {
    if (segment.flags === 0) return;
    const { way } = segment;
    if (segment.rst) this.#isReset = true;
    else {
      if (segment.syn) this.#open(segment);
      if (segment.ack) this.#acknowledge(segment);
      const least = Math.max(RETRANSMIT_NS, Math.floor(this.handshakeNs / 2));
      if (segment.syn || segment.fin || segment.payload > 0) {
        if (this.streams[way].advance(segment, least) === "new") this.#converse(segment);
      }
      if (segment.fin) this.#close(way);
    }
    this.streams[way].flags |= segment.flags;
  }

  #open({ way, ack, atNs }: TcpSegment): void {
    this.#hasSyn = true;
    this.initiator ??= ack ? other(way) : way;
    if (ack) {
      const answers = this.initiator === other(way) && this.#synNs !== undefined && !this.#isSynRepeated;
      if (answers && this.handshakeNs === 0) this.handshakeNs = atNs - (this.#synNs ?? atNs);
      return;
    }
    if (this.initiator !== way) {
      if (!this.#isProven) this.#isSimultaneous = true;
      return;
    }
    if (this.#synNs !== undefined) this.#isSynRepeated = true;
    this.#synNs ??= atNs;
  }

  #acknowledge({ way, syn, payload, acknowledgement }: TcpSegment): void {
    if (!syn && (way === this.initiator || payload > 0)) this.#isProven = true;
    const acked = other(way);
    const { flags, end } = this.streams[acked];
    if ((flags & 1) === 0 || end === undefined || isBehind(end, acknowledgement)) return;
    this.#finAcked[acked] = true;
    const next = { fin_wait_1: "fin_wait_2", closing: "time_wait", last_ack: "closed" } as const;
    const state = this.#closing[acked];
    if (state === "fin_wait_1" || state === "closing" || state === "last_ack")
      this.#closing[acked] = next[state];
  }

  /** A FIN passes: its sender closes, and the other end receives it. */
  #close(way: Way): void {
    const isFirst = (this.streams[way].flags & 1) === 0;
    if (!isFirst) return;
    const far = other(way);
    // A FIN that does not acknowledge the other end's was sent before that one came.
    const hasReceived = this.#closing[way] === "close_wait";
    if (!hasReceived) this.#closing[way] = "fin_wait_1";
    else this.#closing[way] = this.#finAcked[far] ? "last_ack" : "closing";
    const state = this.#closing[far];
    if (state === undefined) this.#closing[far] = "close_wait";
    else if (state === "fin_wait_1") this.#closing[far] = "closing";
    else if (state === "fin_wait_2") this.#closing[far] = "time_wait";
  }

  #converse({ way, atNs }: TcpSegment): void {
    if (this.initiator === undefined) return;
    if (this.initiator === way) {
      this.#askedNs = atNs;
      return;
    }
    if (this.#askedNs === undefined) return;
    const latencyNs = atNs - this.#askedNs;
    this.#askedNs = undefined;
    if (this.#previousNs !== undefined) {
      const difference = Math.abs(latencyNs - this.#previousNs);
      this.jitterNs += Math.floor((difference - this.jitterNs) / 16);
    }
    this.#previousNs = latencyNs;
    this.responses++;
    this.responseSumNs += latencyNs;
  }
}

/** The lives of a 5-tuple, one segment after the other. */
export function livesOf(segments: readonly TcpSegment[]): readonly Life[] {
  const lives: Life[] = [];
  for (const segment of segments) {
    const last = lives.at(-1);
    const isNext = last === undefined || (last.isOver && segment.syn && !segment.ack);
    const life = isNext ? new Life() : last;
    if (isNext) lives.push(life);
    life.add(segment);
  }
  return lives;
}

function other(way: Way): Way {
  return way === 0 ? 1 : 0;
}
