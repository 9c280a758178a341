// Real traffic between two namespaces, with the agent in one of them: what its spans add up to is what the kernels of
// both ends say they sent.

import { describe, expect, test } from "bun:test";
import { type Agent, type AgentEnd, startAgent } from "../support/agent.ts";
import { groupByConversation, packetsSent, sumSent, withTransport } from "../support/agent-spans.ts";
import {
  addIpv6,
  type Host,
  makePair,
  type Pair,
  setFeatures,
  setSuperPacketBytes,
} from "../support/namespace-pair.ts";
import {
  demandSuccess,
  iperf,
  ping,
  serveIperf,
  startDatagrams,
  transfer,
} from "../support/namespace-traffic.ts";
import {
  type Amount,
  type DeviceCounts,
  readDevice,
  readSent,
  readWhenQuiet,
  type Sent,
  sentBetween,
  startCounting,
} from "../support/witness.ts";

const ARP_BYTES = 28;
/** With time stamps; the SYN's other options come on top. */
const TCP_HEADER_BYTES = 32;
const TCP_SYN_EXTRA_BYTES = 8;
/** Payload of a segment over IPv4; the larger one. */
const SEGMENT_BYTES = 1448;
const TRANSFER_BYTES = 400_000_000;

/** What one end sent while the agent watched. */
interface Testimony {
  readonly host: Host;
  readonly sent: Sent;
  readonly device: DeviceCounts;
  /** The same read once the agent was gone: more where a timer of the kernel sent something meanwhile. */
  readonly sentAtEnd: Sent;
  readonly deviceAtEnd: DeviceCounts;
  readonly arpFrames: number;
}

interface Outcome {
  readonly end: AgentEnd;
  readonly testimonies: readonly [Testimony, Testimony];
}

/** Watches what `talk` makes the pair say. The agent is on the left. */
async function watch(pair: Pair, talk: () => Promise<void>): Promise<Outcome> {
  const [left] = pair.hosts;
  const agent = await startAgent(left.namespace, {
    config: { span: { max_record_interval: "1s", tcp_fin_timeout: "1s" } },
  });
  const witnesses = await Promise.all(pair.hosts.map((host) => beginTestimony(host, left)));
  addIpv6(pair);
  await talk();
  const sent = await readWhenQuiet(pair.hosts.map(({ namespace }) => namespace));
  return await conclude(agent, witnesses, sent);
}

interface Beginning {
  readonly host: Host;
  readonly before: Sent;
  readonly device: DeviceCounts;
  readonly arp: Awaited<ReturnType<typeof startCounting>>;
}

async function beginTestimony(host: Host, watched: Host): Promise<Beginning> {
  const { namespace, device } = host;
  const mac = namespace.run("cat", `/sys/class/net/${device}/address`).trim();
  const arp = await startCounting(watched.namespace, watched.device, `arp and ether src ${mac}`);
  return { host, before: readSent(namespace), device: readDevice(namespace, device), arp };
}

async function conclude(
  agent: Agent,
  witnesses: readonly Beginning[],
  sent: readonly Sent[],
): Promise<Outcome> {
  const devices = witnesses.map(({ host }) => readDevice(host.namespace, host.device));
  const end = await agent.stopped("SIGTERM");
  const [left, right] = await Promise.all(
    witnesses.map(async ({ host, before, device, arp }, index): Promise<Testimony> => {
      const [now, deviceNow] = [sent[index], devices[index]];
      if (now === undefined || deviceNow === undefined) throw new Error("a reading for each host");
      return {
        host,
        sent: sentBetween(before, now),
        sentAtEnd: sentBetween(before, readSent(host.namespace)),
        device: difference(device, deviceNow),
        deviceAtEnd: difference(device, readDevice(host.namespace, host.device)),
        arpFrames: await arp.stop(),
      };
    }),
  );
  if (left === undefined || right === undefined) throw new Error("two testimonies");
  return { end, testimonies: [left, right] };
}

function difference(before: DeviceCounts, after: DeviceCounts): DeviceCounts {
  const packets = after.sent.packets - before.sent.packets;
  return {
    sent: { packets, bytes: after.sent.bytes - before.sent.bytes },
    received: after.received,
    dropped: after.dropped - before.dropped,
  };
}

async function talkAll({ hosts: [left, right] }: Pair): Promise<void> {
  for (const family of ["ipv4", "ipv6"] as const) {
    const [client, server] = [left[family], right[family]];
    await using iperfServer = serveIperf(server);
    // A window that a veth's queue of 256 frames always holds: nothing may be lost on the way.
    await iperf(client, iperfServer, ["-n", "60M", "-w", "128K"]);
    await iperf(client, iperfServer, ["-n", "60M", "-w", "128K", "--reverse"]);
    await iperf(client, iperfServer, ["-u", "-b", "400M", "-n", "4M", "-l", "1200"]);
    await ping(client, server, 20);
    // Nobody listens: the right end answers some of them by ICMP.
    await demandSuccess(startDatagrams(client, server, { port: 9, count: 3000, batch: 100, pauseMs: 1 }));
  }
}

/** Each transport's packets, over all spans, are the sender's own count. */
function expectSent({ end, testimonies }: Outcome): void {
  for (const { host, sent, sentAtEnd } of testimonies) {
    const { icmp6, ...told } = packetsSent(end.spans, host.addresses);
    expect(sent).toMatchObject(told);
    // The kernel may solicit a router or report its groups while the agent leaves.
    expect(icmp6).toBeWithin(sent.icmp6, sentAtEnd.icmp6 + 1);
  }
}

/**
 * Frames and bytes on the wire, less link headers and what is not IP, are the spans' packets and bytes.
 * @param linkHeaderBytes what the device's own count has of a link header in each frame
 */
function expectOnWire({ end, testimonies }: Outcome, linkHeaderBytes: number): void {
  for (const { host, device, deviceAtEnd, arpFrames } of testimonies) {
    expect(deviceAtEnd.dropped).toBe(0);
    const onWire = ({ sent }: DeviceCounts): Amount => ({
      packets: sent.packets - arpFrames,
      bytes: sent.bytes - sent.packets * linkHeaderBytes - arpFrames * ARP_BYTES,
    });
    const [least, most] = [onWire(device), onWire(deviceAtEnd)];
    const { packets, bytes } = sumSent(end.spans, host.addresses);
    expect(packets).toBeWithin(least.packets, most.packets + 1);
    expect(bytes).toBeWithin(least.bytes, most.bytes + 1);
  }
}

/** Deltas add up to the last totals, windows follow each other, ids are what they must be. */
function expectWholeFlows({ end }: Outcome): void {
  for (const records of groupByConversation(end.spans)) {
    const last = records.at(-1)?.attributes;
    for (const name of ["packets", "bytes", "reverse.packets", "reverse.bytes"] as const) {
      const told = records.reduce((sum, { attributes }) => sum + attributes[`flow.${name}.delta`], 0);
      expect(told).toBe(last?.[`flow.${name}.total`] ?? Number.NaN);
    }
    expect(new Set(records.map(({ traceId }) => traceId)).size).toBe(1);
    records.slice(1).forEach((record, index) => {
      expect(record.startTimeUnixNano).toBeGreaterThanOrEqual(records[index]?.endTimeUnixNano ?? 0n);
    });
  }
  const spanIds = end.spans.map(({ spanId }) => spanId);
  expect(new Set(spanIds).size).toBe(spanIds.length);
}

describe("agent between two namespaces", () => {
  test("tells what both ends sent, super-packets as their segments", async () => {
    await using pair = makePair();
    const outcome = await watch(pair, () => talkAll(pair));
    expect(outcome.end.exitCode).toBe(0);
    expectSent(outcome);
    expectWholeFlows(outcome);
  });

  test.each([
    // A veth whose peer merges counts a frame when the peer has taken its link header off.
    ["segmented in software and merged on arrival", ["tso", "off", "gso", "on", "gro", "on"], 0],
    ["with GSO, TSO and GRO off", ["tso", "off", "gso", "off", "gro", "off"], 14],
  ])("tells the packets and bytes on the wire, %s", async (_, features, linkHeaderBytes) => {
    await using pair = makePair();
    setFeatures(pair, features);
    const outcome = await watch(pair, () => talkAll(pair));
    expectSent(outcome);
    expectOnWire(outcome, linkHeaderBytes);
    expectWholeFlows(outcome);
  });

  test.each([
    ["IPv4", "ipv4", "ip[2:2] = 0", 20],
    ["IPv6", "ipv6", "ip6[4:2] = 0", 40],
  ] as const)("tells the segments of BIG TCP, %s", async (_, family, lengthIsZero, ipHeaderBytes) => {
    await using pair = makePair();
    setSuperPacketBytes(pair, 185_000);
    const [left, right] = pair.hosts;
    let big = 0;
    const outcome = await watch(pair, async () => {
      const counting = await startCounting(left.namespace, left.device, lengthIsZero);
      await transfer(left[family], right[family], TRANSFER_BYTES);
      big = await counting.stop();
    });
    expect(big).toBeGreaterThan(0);
    expectSent(outcome);
    expectWholeFlows(outcome);
    const told = sumSent(withTransport(outcome.end.spans, "tcp"), left.addresses);
    const headerBytes = told.packets * (ipHeaderBytes + TCP_HEADER_BYTES) + TCP_SYN_EXTRA_BYTES;
    const [{ sent }] = outcome.testimonies;
    // What was sent again counts again.
    const againBytes = told.bytes - headerBytes - TRANSFER_BYTES;
    expect(againBytes).toBeWithin(0, sent.tcpAgain * SEGMENT_BYTES + 1);
  });

  test("tells a long flow in several records that add up", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const outcome = await watch(pair, async () => {
      await using server = serveIperf(right.ipv4);
      await iperf(left.ipv4, server, ["-t", "4", "-b", "200M", "--bidir"]);
    });
    const longest = groupByConversation(outcome.end.spans).toSorted((a, b) => b.length - a.length)[0] ?? [];
    expect(longest.length).toBeGreaterThanOrEqual(3);
    expect(longest.slice(0, -1).map(({ attributes }) => attributes["flow.end_reason"])).toEqual(
      longest.slice(0, -1).map(() => "active_timeout"),
    );
    expectSent(outcome);
    expectWholeFlows(outcome);
  });
});
