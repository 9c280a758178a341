// The packets' times are the clock: what ends, what begins, what is due, in any order and over any gap.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { END_REASON, SPAN_KIND } from "../../src/flow/flow.ts";
import { frame, ip } from "../support/packets.ts";
import { icmp, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { pcap, type Written } from "./pcap-writer.ts";
import { accountedFor, type Replayed, type ReplaySettings, replayFile, type Told } from "./replayed.ts";
import { writeTemporaryFile } from "./temporary-file.ts";
import { askTshark } from "./tshark.ts";

const START = 1_700_000_000_000_000_000n;
const SECOND = 1_000_000_000n;
const DAY = 86_400n * SECOND;
const A = "10.0.0.1";
const B = "10.0.0.2";
const SYN = TCP_FLAG.syn;
const ACK = TCP_FLAG.ack;
const FIN_ACK = TCP_FLAG.fin | TCP_FLAG.ack;
const NS = { isLittle: true, magic: 0xa1b23c4d, linkType: 1 } as const;

function query(time: bigint, port = 5000): Written {
  return { bytes: frame(ip(A, B, udp([port, 53], 30))), time };
}

function segment(time: bigint, flags: number, isAnswer = false): Written {
  const packet = isAnswer ? ip(B, A, tcp([443, 40000], { flags })) : ip(A, B, tcp([40000, 443], { flags }));
  return { bytes: frame(packet), time };
}

async function replayPackets(packets: readonly Written[], settings?: ReplaySettings): Promise<Replayed> {
  using file = writeTemporaryFile(pcap(packets, NS));
  const replayed = await replayFile(file.path, settings);
  expect(replayed.packets).toBe(packets.length);
  expect(accountedFor(replayed)).toBe(packets.length);
  return replayed;
}

/** Start, end and reason of each record. */
function spans({ records }: Replayed): readonly (readonly [bigint, bigint, number])[] {
  return records.map(({ start, end, reason }) => [start, end, reason]);
}

describe("replay by the packets' times", () => {
  test("ends an idle flow after its timeout, and begins it anew", async () => {
    const times = [START, START + 5n * SECOND, START + 70n * SECOND];
    const packets = times.map((time) => query(time));
    const replayed = await replayPackets(packets, { span: { udp_timeout: "20s" } });
    expect(spans(replayed)).toEqual([
      [START, START + 5n * SECOND, END_REASON.idleTimeout],
      [START + 70n * SECOND, START + 70n * SECOND, END_REASON.forcedEnd],
    ]);
    expect(
      replayed.records.map(({ number, forward }) => [number, forward.packets, forward.packetsTotal]),
    ).toEqual([
      [0, 2, 2],
      [0, 1, 1],
    ]);
  });

  test("tells a flow that goes on once an interval", async () => {
    const packets = Array.from({ length: 150 }, (_, index) => query(START + BigInt(index) * SECOND));
    const replayed = await replayPackets(packets);
    expect(replayed.records.map(({ reason }) => reason)).toEqual([
      END_REASON.activeTimeout,
      END_REASON.activeTimeout,
      END_REASON.forcedEnd,
    ]);
    expect(replayed.records.map(({ number }) => number)).toEqual([0, 1, 2]);
    expect(replayed.records.reduce((sum, { forward }) => sum + forward.packets, 0)).toBe(150);
    const [first, second, third] = spans(replayed);
    expect(first?.[0]).toBe(START);
    expect(second?.[0]).toBe((first?.[1] ?? 0n) + SECOND);
    expect(third?.[1]).toBe(START + 149n * SECOND);
  });

  test("ends a closed connection, and tells a new one on its ports apart", async () => {
    const life = (from: bigint): readonly Written[] => [
      segment(from, SYN),
      segment(from + 1000n, SYN | ACK, true),
      segment(from + 2000n, ACK),
      segment(from + 3000n, FIN_ACK),
      segment(from + 4000n, FIN_ACK, true),
    ];
    const replayed = await replayPackets([...life(START), ...life(START + SECOND / 2n)]);
    expect(spans(replayed)).toEqual([
      [START, START + 4000n, END_REASON.endOfFlowDetected],
      [START + SECOND / 2n, START + SECOND / 2n + 4000n, END_REASON.endOfFlowDetected],
    ]);
    expect(replayed.records.map(({ forward, reverse }) => [forward.packets, reverse.packets])).toEqual([
      [3, 2],
      [3, 2],
    ]);
  });

  test("has no end that is local", async () => {
    const { records } = await replayPackets([segment(START, SYN), segment(START + 1n, SYN | ACK, true)]);
    expect(records.map(({ source, kind, ifindex }) => [source, kind, ifindex])).toEqual([
      [A, SPAN_KIND.internal, 0],
    ]);
  });

  test("takes packets in any order", async () => {
    const offsets = [5n, 3n, 9n, 1n, 7n];
    const replayed = await replayPackets(offsets.map((offset) => query(START + offset * 1000n)));
    expect(spans(replayed)).toEqual([[START + 1000n, START + 9000n, END_REASON.forcedEnd]]);
    expect(replayed.records[0]?.forward.packets).toBe(5);
  });

  test("jumps over years, forward and back", async () => {
    const times = [START, START + 3000n * DAY + 1n, START - 2000n * DAY + 2n, START + 1n, 3n];
    const replayed = await replayPackets(times.map((time) => query(time)));
    expect(replayed.records.map(({ start, end }) => [start, end])).toEqual(times.map((time) => [time, time]));
  });

  test("keeps nanoseconds over a hundred days of flows", async () => {
    const times = Array.from({ length: 240 }, (_, day) => START + BigInt(day) * DAY + BigInt(day));
    const replayed = await replayPackets(times.map((time) => query(time)));
    expect(replayed.records.map(({ start, end }) => [start, end])).toEqual(times.map((time) => [time, time]));
  });

  test("begins at any time, 1970 too", async () => {
    for (const time of [0n, 1n, 4_294_967_295n * SECOND]) {
      expect(spans(await replayPackets([query(time)]))).toEqual([[time, time, END_REASON.forcedEnd]]);
    }
  });
});

describe("polls that are left out", () => {
  test("change nothing: the same records as beside a flow that keeps every poll", async () => {
    const step = fc.record({
      gap: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 130_000 })),
      kind: fc.constantFrom(...(["query", "ack", "fin", "answer"] as const)),
    });
    const steps = fc.array(step, { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(steps, async (chosen) => {
        let time = START;
        const packets = chosen.map(({ gap, kind }, index) => {
          // The polls of both begin at the first packet.
          time += index === 0 ? 0n : BigInt(gap) * 1_000_000n;
          if (kind === "query") return query(time);
          return segment(time, kind === "ack" ? ACK : FIN_ACK, kind === "answer");
        });
        const ticks = Array.from({ length: Number((time - START) / SECOND) + 1 }, (_, index) =>
          query(START + BigInt(index) * SECOND, 7777),
        );
        const merged = [...packets, ...ticks].toSorted((a, b) => Number(a.time - b.time));
        const settings = { flow: { table_capacity: 1024 } };
        const alone = (await replayPackets(packets, settings)).records;
        const beside = (await replayPackets(merged, settings)).records.filter(
          ({ sourcePort }) => sourcePort !== 7777,
        );
        expect(sorted(beside)).toEqual(sorted(alone));
      }),
      { numRuns: 25 },
    );
  }, 60_000);
});

/** Records as text, in an order of their own. */
function sorted(records: readonly Told[]): readonly string[] {
  return records
    .map((record) => JSON.stringify(record, (_, value) => (typeof value === "bigint" ? `${value}` : value)))
    .toSorted();
}

describe("replay of more than the kernel holds", () => {
  test("makes room where more flows live: those that go are told for that", async () => {
    const packets = Array.from({ length: 4000 }, (_, index) => query(START + BigInt(index), 1000 + index));
    const { counters, records } = await replayPackets(packets, { flow: { table_capacity: 1024 } });
    expect(counters).toEqual({ accounted: 4000 });
    expect(records).toHaveLength(4000);
    expect(new Set(records.map(({ sourcePort }) => sourcePort)).size).toBe(4000);
    const evicted = records.filter(({ reason }) => reason === END_REASON.lackOfResources);
    expect(evicted.length).toBeGreaterThanOrEqual(4000 - 0.9 * 1024);
  });

  test("makes room where flows have ended since the last poll", async () => {
    const packets = Array.from({ length: 9000 }, (_, index) =>
      query(START + BigInt(index) * (SECOND / 100n), 1000 + index),
    );
    const { counters, records } = await replayPackets(packets, {
      flow: { table_capacity: 1024, poll_interval: "60s" },
      span: { udp_timeout: "1s" },
    });
    expect(counters).toEqual({ accounted: 9000 });
    expect(records.every(({ start, end }) => start === end)).toBe(true);
  });

  test("reads a small ring before it is full", async () => {
    const packets = Array.from({ length: 3000 }, (_, index) => query(START + BigInt(index), 1000 + index));
    const { counters } = await replayPackets(packets, { flow: { ring_buffer_bytes: "4KiB" } });
    expect(counters).toEqual({ accounted: 3000 });
  });
});

describe("replay hands over", () => {
  const packets = Array.from({ length: 10_000 }, (_, index) =>
    query(START + (BigInt(index) * SECOND) / 10n, 1000 + (index % 5000)),
  );

  test("one batch at a time", async () => {
    let batches = 0;
    const { records } = await replayPackets(packets, {
      flow: { table_capacity: 8192 },
      onBatch: () => batches++,
    });
    expect(batches).toBeGreaterThan(10);
    expect(records.reduce((sum, { forward }) => sum + forward.packets, 0)).toBe(packets.length);
  });

  test("what was read when it is stopped", async () => {
    using file = writeTemporaryFile(pcap(packets, NS));
    const controller = new AbortController();
    const replayed = await replayFile(file.path, {
      signal: controller.signal,
      onBatch: () => controller.abort(),
    });
    expect(replayed.packets).toBeLessThan(packets.length);
    expect(accountedFor(replayed)).toBe(replayed.packets);
    expect(replayed.table.packetsTold).toBe(replayed.packets);
    expect(replayed.error).toBeUndefined();
  });

  test("one flow for each echo identifier that tshark sees", async () => {
    const pings = Array.from({ length: 60 }, (_, index) => {
      const fields = { type: index % 2 === 0 ? 8 : 0, identifier: 1 + ((index >> 1) % 7) };
      const packet = index % 2 === 0 ? ip(A, B, icmp(fields)) : ip(B, A, icmp(fields));
      return { bytes: frame(packet), time: START + BigInt(index) };
    });
    using file = writeTemporaryFile(pcap(pings));
    const [{ records }, { echoes }] = await Promise.all([replayFile(file.path), askTshark(file.path)]);
    expect(echoes.size).toBe(7);
    expect(records).toHaveLength(7);
    expect(new Set(records.map(({ communityId }) => communityId)).size).toBe(1);
  });
});
