import { describe, expect, test } from "bun:test";
import { END_REASON } from "../../../src/flow/flow.ts";
import { endReason, idleTimeoutNs, isClosed, recordIntervalNs } from "../../../src/flow/lifecycle.ts";
import { TIMEOUTS } from "./driver.ts";
import { ACK, FIN, RST, SECOND, SYN } from "./kernel-model.ts";

const TCP = 6;
const both = (flags: number): number => flags | (flags << 8);

test("idleTimeoutNs goes by protocol and is never below a second", () => {
  const timeouts = { ...TIMEOUTS, genericNs: 5 };
  const seconds = [TCP, 17, 136, 1, 58, 47].map((protocol) => idleTimeoutNs(timeouts, protocol) / SECOND);
  expect(seconds).toEqual([20, 60, 60, 10, 10, 1]);
});

test("isClosed is FIN both ways or RST either way, of TCP", () => {
  expect(isClosed(TCP, FIN, ACK)).toBe(false);
  expect(isClosed(TCP, FIN | ACK, FIN)).toBe(true);
  expect(isClosed(TCP, SYN, RST)).toBe(true);
  expect(isClosed(17, RST, RST)).toBe(false);
});

describe("endReason", () => {
  test("waits for the timeout of what the flags say", () => {
    const at = (flags: number, quiet: number): number => endReason(TIMEOUTS, TCP, flags, quiet);
    expect([at(0, 20 * SECOND - 1), at(0, 20 * SECOND)]).toEqual([0, END_REASON.idleTimeout]);
    expect([at(both(FIN), 5 * SECOND - 1), at(both(FIN), 5 * SECOND)]).toEqual([
      0,
      END_REASON.endOfFlowDetected,
    ]);
    expect([at(RST << 8, 3 * SECOND - 1), at(RST << 8, 3 * SECOND)]).toEqual([
      0,
      END_REASON.endOfFlowDetected,
    ]);
  });

  test("keeps whatever had a packet within a second, or after the look began", () => {
    const timeouts = { ...TIMEOUTS, tcpRstNs: 0, tcpNs: 0 };
    expect(endReason(timeouts, TCP, RST, SECOND - 1)).toBe(0);
    expect(endReason(timeouts, TCP, 0, -5)).toBe(0);
    expect(endReason(timeouts, TCP, RST, SECOND)).toBe(END_REASON.endOfFlowDetected);
  });

  test("lets a closed connection wait no longer than an idle one, for its true reason", () => {
    const timeouts = { ...TIMEOUTS, tcpFinNs: 90 * SECOND };
    expect(endReason(timeouts, TCP, both(FIN), 20 * SECOND)).toBe(END_REASON.endOfFlowDetected);
  });
});

test("recordIntervalNs lets a closed connection wait one further interval", () => {
  expect([false, true].map((isOver) => recordIntervalNs(TIMEOUTS, isOver))).toEqual([
    60 * SECOND,
    120 * SECOND,
  ]);
});
