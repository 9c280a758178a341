// Retransmissions and what came late, held against tshark's own analysis of the same packets.

import { describe, expect, test } from "bun:test";
import { basename } from "node:path";
import { frame, ip } from "../support/packets.ts";
import { TCP_FLAG, type TcpFields, tcp } from "../support/segments.ts";
import { describeWithCaptures, listCaptures } from "./captures.ts";
import { pcap, type Written } from "./pcap-writer.ts";
import { replayFile } from "./replayed.ts";
import { type Analyses, analyseByTshark, analyseRecords } from "./tcp-analysis.ts";
import { writeTemporaryFile } from "./temporary-file.ts";

const TIMEOUT_MS = 60_000;

/** Where we see a capture otherwise, and why. */
const UNLIKE_TSHARK: Readonly<Record<string, { readonly own: Analyses; readonly reason: string }>> = {
  "ipv6-http-atomic-frag.pcap": {
    own: {},
    reason: "which takes a segment for sent again because its acknowledgement stands before it in the file",
  },
};

describeWithCaptures("replay of a capture, by TCP sequence numbers", () => {
  for (const { name, path } of listCaptures()) {
    const unlike = UNLIKE_TSHARK[basename(name)];
    const view = unlike === undefined ? "is tshark's" : `is not tshark's, ${unlike.reason}`;
    test(
      `${name}: what was sent again or late ${view}`,
      async () => {
        const [{ records }, witness] = await Promise.all([replayFile(path), analyseByTshark(path)]);
        const own = analyseRecords(records);
        if (unlike === undefined) expect(own).toEqual(witness);
        else {
          expect(own).toEqual(unlike.own);
          expect(own).not.toEqual(witness);
        }
      },
      TIMEOUT_MS,
    );
  }
});

const START = 1_700_000_000_000_000_000n;
const NS = { isLittle: true, magic: 0xa1b23c4d, linkType: 1 } as const;
const { syn, ack, fin } = TCP_FLAG;

interface Sent extends TcpFields {
  readonly atMs: number;
  readonly payload?: number;
  readonly isAnswer?: boolean;
}

function written({ atMs, payload, isAnswer = false, ...fields }: Sent): Written {
  const segment = tcp(isAnswer ? [80, 1000] : [1000, 80], { flags: ack, ...fields }, payload);
  const packet = isAnswer ? ip("10.0.0.2", "10.0.0.1", segment) : ip("10.0.0.1", "10.0.0.2", segment);
  return { bytes: frame(packet), time: START + BigInt(Math.round(atMs * 1e6)) };
}

/** A handshake of 20 ms, then data of 100 bytes a segment: number 0 begins at sequence number 1. */
function conversation(...sent: readonly Sent[]): readonly Written[] {
  const handshake: readonly Sent[] = [
    { atMs: 0, flags: syn, sequence: 0 },
    { atMs: 20, flags: syn | ack, sequence: 0, acknowledgement: 1, isAnswer: true },
    { atMs: 20, sequence: 1, acknowledgement: 1 },
  ];
  return [...handshake, ...sent].map(written);
}

const data = (number: number, atMs: number): Sent => ({
  atMs,
  sequence: 1 + 100 * number,
  acknowledgement: 1,
  payload: 100,
});
const acknowledge = (number: number, atMs: number): Sent => ({
  atMs,
  sequence: 1,
  acknowledgement: 1 + 100 * number,
  isAnswer: true,
});

interface Situation {
  readonly name: string;
  readonly sent: readonly Sent[];
  readonly expected: Analyses;
  /** What tshark says where it is something else, and why. */
  readonly unlike?: { readonly expected: Analyses; readonly reason: string };
}

const SITUATIONS: readonly Situation[] = [
  {
    name: "nothing of data in order",
    sent: [data(0, 30), data(1, 31), acknowledge(2, 50), data(2, 51)],
    expected: {},
  },
  {
    name: "a retransmission after a timeout",
    sent: [data(0, 30), data(1, 31), data(0, 250)],
    expected: { "1000 > 80": { retransmits: 1, outOfOrder: 0 } },
  },
  {
    name: "a spurious retransmission",
    sent: [data(0, 30), acknowledge(1, 50), data(0, 250)],
    expected: { "1000 > 80": { retransmits: 1, outOfOrder: 0 } },
  },
  {
    name: "a fast retransmission",
    sent: [
      data(0, 30),
      data(2, 30.1),
      data(3, 30.2),
      ...[50, 50.1, 50.2, 50.3].map((atMs) => acknowledge(1, atMs)),
      data(1, 50.4),
    ],
    expected: { "1000 > 80": { retransmits: 1, outOfOrder: 0 } },
  },
  {
    name: "segments that changed places",
    sent: [data(1, 30), data(0, 30.4), data(3, 31), data(2, 31.2)],
    expected: { "1000 > 80": { retransmits: 0, outOfOrder: 2 } },
  },
  {
    name: "a keep-alive",
    sent: [data(0, 30), acknowledge(1, 50), { atMs: 9000, sequence: 100, acknowledgement: 1, payload: 1 }],
    expected: {},
  },
  {
    name: "a FIN sent again without payload",
    sent: [
      data(0, 30),
      { atMs: 40, flags: fin | ack, sequence: 101 },
      { atMs: 300, flags: fin | ack, sequence: 101 },
    ],
    expected: {},
  },
  {
    name: "a retransmission in mid-stream",
    sent: [
      { ...data(0, 30), isAnswer: true },
      { ...data(0, 300), isAnswer: true },
    ],
    expected: { "80 > 1000": { retransmits: 1, outOfOrder: 0 } },
  },
  {
    name: "segments between half of the handshake's latency and all of it apart",
    sent: [data(1, 30), data(0, 45)],
    expected: { "1000 > 80": { retransmits: 1, outOfOrder: 0 } },
    unlike: {
      expected: { "1000 > 80": { retransmits: 0, outOfOrder: 1 } },
      reason: "which waits for the whole handshake",
    },
  },
  {
    name: "a segment twice within 3 ms",
    sent: [data(0, 30), data(0, 31)],
    expected: { "1000 > 80": { retransmits: 0, outOfOrder: 1 } },
    unlike: {
      expected: { "1000 > 80": { retransmits: 1, outOfOrder: 0 } },
      reason: "which takes the last segment for no late one",
    },
  },
];

describe("replay by TCP sequence numbers", () => {
  for (const { name, sent, expected, unlike } of SITUATIONS) {
    const view = unlike === undefined ? "as tshark" : `unlike tshark, ${unlike.reason}`;
    test(`tells ${name} ${view}`, async () => {
      using file = writeTemporaryFile(pcap(conversation(...sent), NS));
      const [{ records }, witness] = await Promise.all([replayFile(file.path), analyseByTshark(file.path)]);
      expect(analyseRecords(records)).toEqual(expected);
      expect(witness).toEqual(unlike?.expected ?? expected);
    });
  }
});
