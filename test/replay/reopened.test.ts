// Two lives of one 5-tuple inside a tunnel, both over before a poll: what the program's event tells of the first.

import { expect, test } from "bun:test";
import * as v from "valibot";
import { captureSection } from "../../src/capture/config.ts";
import { parserSection } from "../../src/capture/parser-config.ts";
import { ENCAPSULATION } from "../../src/capture/record.ts";
import { flowSection, spanSection } from "../../src/flow/config.ts";
import { filterSection } from "../../src/flow/filter-config.ts";
import { RECORD_WORDS } from "../../src/flow/flow.ts";
import { defaultedSection } from "../../src/lib/setting.ts";
import { runReplay } from "../../src/replay.ts";
import { frame, ipv4, ipv6 } from "../support/packets.ts";
import { vxlan } from "../support/packets-udp-tunnels.ts";
import { TCP_FLAG, tcp } from "../support/segments.ts";
import { fieldsOf, type RecordFields } from "../unit/flow/driver.ts";
import { A6, B6, START } from "./exchange.ts";
import { pcap, type Written } from "./pcap-writer.ts";
import { writeTemporaryFile } from "./temporary-file.ts";

const OUTER = ["192.0.2.1", "192.0.2.2"] as const;
/** Bytes of an outer IPv4, UDP and VXLAN header and of the inner Ethernet header. */
const OVERHEAD = 20 + 8 + 8 + 14;
const MILLISECOND = 1_000_000n;

interface Sent {
  readonly isReply?: boolean;
  readonly flags: number;
  readonly flowLabel: number;
  readonly trafficClass: number;
  readonly hopLimit: number;
}

function packet(sent: Sent, milliseconds: bigint): Written {
  const isReply = sent.isReply === true;
  const [source, destination] = isReply ? [B6, A6] : [A6, B6];
  const ports = isReply ? ([443, 40000] as const) : ([40000, 443] as const);
  const inner = frame(ipv6({ ...sent, source, destination }, tcp(ports, { flags: sent.flags })), {
    sourceMac: isReply ? "02:00:00:00:00:22" : "02:00:00:00:00:11",
    tags: [{ ethertype: 0x8100, id: 42 }],
  });
  const [near, far] = isReply ? [OUTER[1], OUTER[0]] : OUTER;
  const carrier = vxlan(inner, { vni: 77, ports: [isReply ? 50002 : 50001, 4789] });
  return {
    bytes: frame(ipv4({ source: near, destination: far }, carrier)),
    time: START + milliseconds * MILLISECOND,
  };
}

async function replay(packets: readonly Written[], sampling: number): Promise<readonly RecordFields[]> {
  using file = writeTemporaryFile(pcap(packets));
  const records: RecordFields[] = [];
  await runReplay({
    file: file.path,
    config: {
      capture: v.parse(captureSection, { sampling }),
      parser: v.parse(parserSection, {}),
      flow: v.parse(flowSection, {}),
      span: v.parse(spanSection, {}),
      filter: v.parse(defaultedSection(filterSection), {}),
    },
    deliver: async ({ count, words, details }) => {
      for (let row = 0; row < count; row++) records.push(fieldsOf(words, row * RECORD_WORDS, START, details));
    },
    tellStats: () => undefined,
    signal: new AbortController().signal,
  });
  return records;
}

test("tells a life that ended before a poll with all that the program saw of it", async () => {
  const packets = [
    packet({ flags: TCP_FLAG.syn, flowLabel: 0xabcde, trafficClass: 0xb8, hopLimit: 61 }, 0n),
    packet(
      {
        isReply: true,
        flags: TCP_FLAG.syn | TCP_FLAG.ack,
        flowLabel: 0x12345,
        trafficClass: 0x28,
        hopLimit: 59,
      },
      5n,
    ),
    packet({ flags: TCP_FLAG.rst, flowLabel: 1, trafficClass: 0, hopLimit: 60 }, 6n),
    packet({ flags: TCP_FLAG.syn, flowLabel: 2, trafficClass: 4, hopLimit: 33 }, 7n),
  ];
  const [old, next, ...others] = await replay(packets, 1);
  expect(others).toEqual([]);
  expect(old).toMatchObject({
    sourcePort: 40000,
    delta: [2, 2 * 60, 1, 60],
    handshake: 5_000_000,
    labels: [0xabcde, 0x12345],
    trafficClass: [0xb8, 0x28],
    ttl: [61, 59],
    vlan: 42,
    mac: "020000000011",
    start: 0,
    samplingRate: 1,
  });
  const tunnel = {
    encapsulation: ENCAPSULATION.vxlan,
    source: OUTER[0],
    destination: OUTER[1],
    ports: [50001, 4789],
    id: 77,
  };
  const tagged = OVERHEAD + 4;
  expect(old?.detail).toMatchObject({
    tunnel: { ...tunnel, delta: [2 * tagged, tagged], total: [2 * tagged, tagged] },
    tunnelMac: "02000000000a",
  });
  expect(next).toMatchObject({ delta: [1, 60, 0, 0], ttl: [33, 0], labels: [2, 0], handshake: 0 });
  expect(next?.detail?.tunnel).toMatchObject({ ...tunnel, delta: [tagged, 0], total: [tagged, 0] });
});

test("tells capture.sampling on what a replay took", async () => {
  const packets = Array.from({ length: 64 }, (_, port) => {
    const segment = tcp([1000 + port, 443], { flags: TCP_FLAG.syn });
    return { bytes: frame(ipv6({ source: A6, destination: B6 }, segment)), time: START };
  });
  const records = await replay(packets, 2);
  expect(records.length).toBeGreaterThan(0);
  expect(new Set(records.map((record) => record.samplingRate))).toEqual(new Set([2]));
});
