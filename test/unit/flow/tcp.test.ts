import { describe, expect, test } from "bun:test";
import { TCP_STATE } from "../../../src/capture/record.ts";
import { CONNECTION_STATE } from "../../../src/flow/flow.ts";
import { connectionState } from "../../../src/flow/tcp.ts";

const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const { established, simultaneous } = TCP_STATE;

/** What an end did, seen from the initiator: flags of both ends, and bits for own (0) or other (1) end. */
interface Situation {
  readonly own: number;
  readonly other: number;
  readonly shared?: number;
  readonly active?: readonly (0 | 1)[];
  readonly acked?: readonly (0 | 1)[];
}

const OPEN: Situation = { own: SYN | ACK, other: SYN | ACK, shared: established };

const TABLE: readonly (readonly [
  name: string,
  state: keyof typeof CONNECTION_STATE,
  situation: Situation,
])[] = [
  ["nothing but headers that were cut off", "unknown", { own: 0, other: 0 }],
  ["a SYN", "synSent", { own: SYN, other: 0 }],
  ["a SYN-ACK that is not acknowledged", "synSent", { own: SYN, other: SYN | ACK }],
  ["a SYN-ACK alone", "synSent", { own: 0, other: SYN | ACK }],
  ["a SYN of both", "synReceived", { own: SYN, other: SYN, shared: simultaneous }],
  ["a SYN and a SYN-ACK of both", "synReceived", { own: SYN | ACK, other: SYN | ACK, shared: simultaneous }],
  ["a handshake", "established", OPEN],
  ["a simultaneous open", "established", { ...OPEN, shared: established | simultaneous }],
  ["acknowledgements alone", "established", { own: ACK, other: ACK }],
  ["one way in mid-stream", "established", { own: 0, other: ACK | PSH, shared: established }],
  ["the own FIN", "finWait1", { ...OPEN, own: SYN | ACK | FIN, active: [0] }],
  ["the own FIN, acknowledged", "finWait2", { ...OPEN, own: SYN | ACK | FIN, active: [0], acked: [0] }],
  [
    "FINs that crossed, the other acknowledged",
    "closing",
    { own: SYN | ACK | FIN, other: SYN | ACK | FIN, active: [0, 1], acked: [1] },
  ],
  [
    "FINs that crossed, both acknowledged",
    "timeWait",
    { own: SYN | ACK | FIN, other: SYN | ACK | FIN, active: [0, 1], acked: [0, 1] },
  ],
  [
    "the own FIN, acknowledged, then the other's",
    "timeWait",
    { own: SYN | ACK | FIN, other: SYN | ACK | FIN, active: [0], acked: [0] },
  ],
  [
    "the own FIN, then the other's that does not acknowledge it",
    "closing",
    { own: SYN | ACK | FIN, other: SYN | ACK | FIN, active: [0, 1] },
  ],
  ["the other's FIN", "closeWait", { ...OPEN, other: SYN | ACK | FIN, active: [1] }],
  ["the other's FIN, acknowledged", "closeWait", { ...OPEN, other: ACK | FIN, active: [1], acked: [1] }],
  [
    "the other's FIN, then the own",
    "lastAck",
    { own: SYN | ACK | FIN, other: SYN | ACK | FIN, active: [1], acked: [1] },
  ],
  [
    "the other's FIN, then the own, acknowledged",
    "closed",
    { own: SYN | ACK | FIN, other: SYN | ACK | FIN, active: [1], acked: [0, 1] },
  ],
  ["a FIN in mid-stream", "finWait1", { own: ACK | FIN, other: ACK, active: [0] }],
  ["a FIN before the handshake was over", "finWait1", { own: SYN | FIN, other: SYN | ACK, active: [0] }],
  ["an own RST", "closed", { ...OPEN, own: SYN | ACK | RST }],
  ["the other's RST", "closed", { own: SYN, other: RST | ACK }],
  ["a RST after a FIN", "closed", { ...OPEN, own: ACK | FIN, other: ACK | RST, active: [0] }],
];

describe("connectionState", () => {
  test.each(TABLE)("after %s is %s, whichever way the initiator's is", (_, state, situation) => {
    for (const initiator of [0, 1]) {
      const wayOf = (end: 0 | 1): number => (end === 0 ? initiator : 1 - initiator);
      const bits = [
        situation.shared ?? 0,
        ...(situation.active ?? []).map((end) => TCP_STATE.finActive << wayOf(end)),
        ...(situation.acked ?? []).map((end) => TCP_STATE.finAcked << wayOf(end)),
      ].reduce((union, bit) => union | bit, 0);
      const flags = (situation.own << (8 * wayOf(0))) | (situation.other << (8 * wayOf(1)));
      expect(connectionState(flags, bits, initiator)).toBe(CONNECTION_STATE[state]);
    }
  });

  test("has a situation for each state", () => {
    expect(new Set(TABLE.map(([, state]) => state))).toEqual(
      new Set(Object.keys(CONNECTION_STATE)) as Set<keyof typeof CONNECTION_STATE>,
    );
  });
});
