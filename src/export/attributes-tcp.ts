// Rows of the attribute table that only TCP has.

import { CONNECTION_STATE_NAMES, RECORD, RECORD_FLAG, SPAN_KIND } from "../flow/flow.ts";
import { ABSENT, type Attribute, positive } from "./attribute.ts";
import { FORWARD, REVERSE, tcpFlagAttributes, type Way } from "./attributes-by-way.ts";
import { conditional } from "./requirement.ts";
import { PROTOCOL, type RecordRow } from "./row.ts";

/** What a TCP record has beside what every record has. */
export const TCP_ATTRIBUTES: readonly Attribute[] = [
  stateAttribute(),
  ...tcpFlagAttributes(FORWARD),
  ...tcpFlagAttributes(REVERSE),
  {
    name: "flow.tcp.handshake.latency",
    kind: "int",
    unit: "ns",
    requirement: conditional(
      "TCP, when the SYN and the SYN-ACK that answers it were seen and the SYN was not retransmitted",
    ),
    description: "Time from the first SYN to the SYN-ACK that answers it.",
    read: (row) => positive(row.protocol === PROTOCOL.tcp ? row.word(RECORD.handshakeNs) : 0),
  },
  ...responseAttributes("flow.tcp.svc.", SPAN_KIND.server, "`SERVER` spans"),
  ...responseAttributes("flow.tcp.rndtrip.", SPAN_KIND.client, "`CLIENT` spans"),
  ...sequenceAttributes(FORWARD, RECORD.retransmitsDelta, RECORD.outOfOrderDelta),
  ...sequenceAttributes(REVERSE, RECORD.reverseRetransmitsDelta, RECORD.reverseOutOfOrderDelta),
];

function stateAttribute(): Attribute {
  return {
    name: "flow.connection.state",
    kind: "string",
    hasFewValues: true,
    requirement: conditional(
      "TCP, when it was followed (not of later fragments, nor of flows the kernel's table had no room for)",
    ),
    description: `The initiator's side of RFC 9293's diagram after the record's last packet: ${[...CONNECTION_STATE_NAMES.values()].map((name) => `\`${name}\``).join(", ")}. A connection met in mid-stream is \`established\`, one that was reset \`closed\`.`,
    read: (row) =>
      row.has(RECORD_FLAG.hasTcp)
        ? CONNECTION_STATE_NAMES.get(row.octet(RECORD.connectionState, 0))
        : undefined,
  };
}

/** How soon requests are answered, on spans of one kind. */
function responseAttributes(prefix: string, kind: number, spans: string): readonly Attribute[] {
  const has = (row: RecordRow, flag: number): boolean => row.has(flag) && row.spanKind === kind;
  return [
    {
      name: `${prefix}latency`,
      kind: "int",
      unit: "ns",
      requirement: conditional(
        `TCP, on ${spans} when the handshake was seen and a request was answered in the record`,
      ),
      description:
        "Mean, over the record's requests, of the time from a request's last byte to its response's first one, at this node.",
      read: (row) => (has(row, RECORD_FLAG.hasResponse) ? row.number64(RECORD.responseNs) : ABSENT),
    },
    {
      name: `${prefix}jitter`,
      kind: "int",
      unit: "ns",
      requirement: conditional(`likewise, when it was not the flow's first one`),
      description:
        "Differences of consecutive such times, smoothed as RFC 3550 does (each counts for a sixteenth), since the flow began.",
      read: (row) => (has(row, RECORD_FLAG.hasJitter) ? row.word(RECORD.responseJitterNs) : ABSENT),
    },
  ];
}

function sequenceAttributes(way: Way, retransmits: number, outOfOrder: number): readonly Attribute[] {
  const present = `TCP, when it was followed and the record has a ${way.label} packet`;
  const read = (row: RecordRow, word: number): number =>
    row.has(RECORD_FLAG.hasTcp) && row.has(way.flag) ? row.word(word) : ABSENT;
  return [
    {
      name: `${way.prefix}tcp.retransmits`,
      kind: "int",
      unit: "{packet}",
      requirement: conditional(present),
      description: `Packets ${way.ends} in the record whose payload had been sent before, at least 3 ms and half of the handshake's latency after what followed it.`,
      read: (row) => read(row, retransmits),
    },
    {
      name: `${way.prefix}tcp.out_of_order`,
      kind: "int",
      unit: "{packet}",
      requirement: conditional(present),
      description: `Packets ${way.ends} in the record whose payload came sooner than that after what follows it in the stream.`,
      read: (row) => read(row, outOfOrder),
    },
  ];
}
