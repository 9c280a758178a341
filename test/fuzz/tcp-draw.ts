// Random connections: two ends that open, talk, close and reset as TCP does, whose segments are lost, repeated and
// overtaken on the way; and segments that no TCP would send.

import { TCP_FLAG } from "../support/segments.ts";
import type { Random } from "./random.ts";
import { segmentOf, type TcpFields, type TcpSegment } from "./tcp-segment.ts";

const { syn, ack, fin, rst, psh } = TCP_FLAG;
const SEGMENTS_MOST = 24;
/** Around what is a retransmission, at the least and by the handshakes that these make. */
const DELAYS_NS = [1000, 1000, 70_000, 900_000, 2.9e6, 3.1e6, 20e6, 26e6, 51e6, 400e6] as const;

/** What each end has sent and received. */
interface End {
  next: number;
  /** Next expected of the other end. */
  expected: number;
  hasFin: boolean;
}

type Sent = Omit<TcpFields, "atNs">;
type Way = 0 | 1;

/** A connection's segments in the order in which they pass, the first at `beginNs` or later. */
export function drawConnection(random: Random, beginNs: number): readonly TcpSegment[] {
  const count = 1 + random.below(SEGMENTS_MOST);
  const connection = new Connection(random);
  const sent: Sent[] = [];
  while (sent.length < count) sent.push(...connection.act());
  let atNs = beginNs;
  return overtake(random, sent.slice(0, count)).map((fields) => {
    atNs += random.pick(DELAYS_NS) + random.below(1000);
    return segmentOf({ ...fields, atNs });
  });
}

/** Some segments pass after the next one. */
function overtake(random: Random, sent: Sent[]): readonly Sent[] {
  for (let index = 0; index + 1 < sent.length; index++) {
    if (!random.oneIn(12)) continue;
    const [late] = sent.splice(index, 1);
    if (late !== undefined) sent.splice(index + 1, 0, late);
  }
  return sent;
}

class Connection {
  readonly #random: Random;
  readonly #client: Way;
  readonly #past: Sent[] = [];
  #ends: [End, End];

  constructor(random: Random) {
    this.#random = random;
    this.#client = random.oneIn(2) ? 0 : 1;
    this.#ends = this.#drawEnds();
    if (random.oneIn(5)) return;
    this.#opening = this.#open();
  }

  #opening: Sent[] = [];

  /** What passes next: nothing, where it was lost before. */
  act(): readonly Sent[] {
    const sent = this.#opening.splice(0, 1);
    if (sent.length === 0 || this.#random.oneIn(10)) sent.push(...this.#draw());
    this.#past.push(...sent);
    return sent;
  }

  #draw(): readonly Sent[] {
    const random = this.#random;
    const way: Way = random.oneIn(2) ? 0 : 1;
    const kind = random.below(40);
    if (kind < 14) return this.#send(way, ack | (random.oneIn(2) ? psh : 0), 1 + random.below(30));
    if (kind < 20) return this.#send(way, ack, 0);
    if (kind < 26) return this.#past.length === 0 ? [] : [random.pick(this.#past)];
    if (kind < 32) return this.#finish(way);
    if (kind < 33) return [this.#segment(way, rst | (random.oneIn(2) ? ack : 0), 0)];
    if (kind < 35) return [{ ...this.#segment(way, ack, 1), sequence: (this.#ends[way].next - 1) >>> 0 }];
    if (kind < 37) return this.#reopen();
    return [this.#nonsense(way)];
  }

  #drawEnds(): [End, End] {
    const draw = (): number =>
      this.#random.oneIn(3) ? (2 ** 32 - this.#random.below(60)) >>> 0 : this.#random.below(2 ** 32);
    const [low, high] = [draw(), draw()];
    return [
      { next: low, expected: high, hasFin: false },
      { next: high, expected: low, hasFin: false },
    ];
  }

  #segment(way: Way, flags: number, payload: number): Sent {
    const { next, expected } = this.#ends[way];
    return { way, flags, sequence: next, acknowledgement: (flags & ack) === 0 ? 0 : expected, payload };
  }

  /** Sends; lost on the way to here in some cases, and behind here in others: then the other end does not know. */
  #send(way: Way, flags: number, payload: number): Sent[] {
    const segment = this.#segment(way, flags, payload);
    const own = this.#ends[way];
    own.next = (own.next + payload + ((flags & (syn | fin)) === 0 ? 0 : 1)) >>> 0;
    if (!this.#random.oneIn(6)) this.#ends[way === 0 ? 1 : 0].expected = own.next;
    return this.#random.oneIn(12) ? [] : [segment];
  }

  #open(): Sent[] {
    const client = this.#client;
    const server: Way = client === 0 ? 1 : 0;
    const payload = this.#random.oneIn(8) ? 1 + this.#random.below(20) : 0;
    const first = this.#send(client, syn, payload);
    const again = this.#random.oneIn(6) ? first : [];
    const isSimultaneous = this.#random.oneIn(8);
    const crossing = isSimultaneous ? [{ ...this.#segment(server, syn, 0) }] : [];
    const answer = this.#send(server, syn | ack, 0);
    return [...first, ...again, ...crossing, ...answer, ...this.#send(client, ack, 0)];
  }

  #finish(way: Way): Sent[] {
    const own = this.#ends[way];
    if (own.hasFin) return this.#send(way, ack, 0);
    own.hasFin = true;
    return this.#send(way, fin | ack, this.#random.oneIn(3) ? this.#random.below(20) : 0);
  }

  /** A new connection on the ports, whatever became of the old one. */
  #reopen(): Sent[] {
    this.#ends = this.#drawEnds();
    const [first, ...rest] = this.#open();
    this.#opening = rest;
    return first === undefined ? [] : [first];
  }

  #nonsense(way: Way): Sent {
    const random = this.#random;
    const own = this.#ends[way];
    const near = (number: number): number => (number + random.below(80) - 40) >>> 0;
    const acknowledgement = random.oneIn(3) ? random.below(2 ** 32) : near(own.expected);
    const sequence = random.oneIn(4) ? random.below(2 ** 32) : near(own.next);
    return { way, flags: random.below(64), sequence, acknowledgement, payload: random.below(30) };
  }
}
