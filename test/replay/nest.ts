// The packets of a frame, one within another, down to the innermost that can be read whole: that is whose flow it is.

import { type Datagram, readDatagram } from "./datagram.ts";
import { isRefused, type Refusal } from "./link-headers.ts";
import type { Frame } from "./pdml.ts";
import { openTunnel } from "./tunnels.ts";

/** A datagram that carries another. */
export interface Carrier {
  readonly kind: string;
  readonly id: number | undefined;
  readonly datagram: Datagram;
}

/** The packets of a frame. */
export interface Nest {
  /** Outermost first. */
  readonly carriers: readonly Carrier[];
  readonly innermost: Datagram;
  /** There is something inside of the innermost, but it cannot be read. */
  readonly isUnread: boolean;
}

/** An encapsulation as it is told. */
export interface ToldCarrier {
  readonly carrier: Carrier;
  /** Layer-3 bytes of the carrier beyond those of the next one told. */
  readonly overhead: number;
}

const MOST_CARRIERS = 3;
/** What a first fragment carries may be longer than itself. */
const MOST_IP_BYTES = 65_535;
const IP_IN_IP: ReadonlySet<string> = new Set(["ipip", "ip6ip6", "sixInFour", "fourInSix"]);

/** Reads a frame from the outside in. */
export function readNest(frame: Frame): Nest | Refusal {
  const carriers: Carrier[] = [];
  const outermost = readDatagram(frame, { at: 0, end: frame.bytes });
  if (isRefused(outermost)) return outermost;
  let innermost = outermost;
  for (;;) {
    if (innermost.fragment?.isFirst === false) return { carriers, innermost, isUnread: false };
    const tunnel = openTunnel(frame.layers, innermost);
    if (tunnel === "none") return { carriers, innermost, isUnread: false };
    if (tunnel === "unread" || carriers.length === MOST_CARRIERS) {
      return { carriers, innermost, isUnread: true };
    }
    const start = frame.layers[tunnel.inside]?.start ?? innermost.start;
    const end = innermost.fragment === undefined ? innermost.start + innermost.bytes : start + MOST_IP_BYTES;
    const inner = readDatagram(frame, { at: tunnel.inside, end });
    if (isRefused(inner)) return { carriers, innermost, isUnread: true };
    carriers.push({ kind: tunnel.kind, id: tunnel.id, datagram: innermost });
    innermost = inner;
  }
}

/** The encapsulations told: the outermost one, and the outermost IP in IP inside of that. */
export function toldCarriers({ carriers, innermost }: Nest): readonly (ToldCarrier | undefined)[] {
  const [tunnel, ...others] = carriers;
  const ipip = others.find(({ kind }) => IP_IN_IP.has(kind));
  return [measure(tunnel, ipip?.datagram ?? innermost), measure(ipip, innermost)];
}

function measure(carrier: Carrier | undefined, next: Datagram): ToldCarrier | undefined {
  if (carrier === undefined) return undefined;
  const { start, bytes, fragment } = carrier.datagram;
  return { carrier, overhead: fragment === undefined ? bytes - next.bytes : next.start - start };
}
