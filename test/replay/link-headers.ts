// The link headers in front of an IP packet, out of tshark's headers.

import { type Layer, numberOf, textOf } from "./pdml.ts";

/** The counter of a packet that is in no flow, or not read. */
export interface Refusal {
  readonly counter: string;
}

/** Where a datagram is looked for. */
export interface Place {
  /** Index of the first header of its link layer. */
  readonly at: number;
  /** Offset in the frame beyond which it may not reach. */
  readonly end: number;
}

/** What stands in front of an IP header. */
export interface Link extends Place {
  /** Tags, outermost first; 0 is none. */
  readonly vlanIds: readonly number[];
  /** Source of the Ethernet header. */
  readonly mac: string | undefined;
}

const MOST_TAGS = 2;
const MOST_LABELS = 4;
const PPPOE_BYTES = 6;
/** Headers of a link without what we look for in it. */
const PLAIN_LINKS: ReadonlySet<string> = new Set(["raw", "null", "loop", "sll", "sll2"]);
const PPP_IP: ReadonlySet<number> = new Set([0x0021, 0x0057]);

export function isRefused(result: object): result is Refusal {
  return "counter" in result;
}

/** Reads link headers up to an IP header. */
export function readLink(layers: readonly Layer[], place: Place): Link | Refusal {
  const vlanIds: number[] = [];
  let { at, end } = place;
  let labels = 0;
  let mac: string | undefined;
  for (; ; at++) {
    const layer = layers[at];
    switch (layer?.name) {
      case "ip":
      case "ipv6":
        return { at, end, vlanIds, mac };
      case "eth":
        mac = textOf(layer, "eth.src");
        break;
      case "vlan":
      case "ieee8021ad":
        vlanIds.push(numberOf(layer, layer.name === "vlan" ? "vlan.id" : "ieee8021ad.id"));
        if (vlanIds.length > MOST_TAGS) return { counter: "parse_depth" };
        break;
      case "mpls":
        if (++labels > MOST_LABELS) return { counter: "parse_depth" };
        break;
      case "pppoes": {
        const sessionEnd = layer.start + PPPOE_BYTES + numberOf(layer, "pppoe.payload_length");
        if (numberOf(layer, "pppoe.code") !== 0 || sessionEnd > end) return { counter: "malformed_link" };
        end = sessionEnd;
        break;
      }
      case "ppp":
        if (layers[at - 1]?.name !== "pppoes") return { counter: "not_ip" };
        if (!PPP_IP.has(numberOf(layer, "ppp.protocol"))) return { counter: "not_ip" };
        break;
      default:
        if (layer === undefined || !PLAIN_LINKS.has(layer.name)) {
          return { counter: labels > 0 ? "unsupported_link" : "not_ip" };
        }
    }
  }
}
