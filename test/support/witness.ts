// What is known of the traffic without the agent: the namespace's own protocol counters, its interfaces' counters,
// and a packet socket.

import { type Counters, parseCounters } from "../kernels/witness.ts";
import type { Namespace } from "./namespace.ts";

/** Packets and their bytes: of layer 3 in spans, with what the device counts at devices. */
export interface Amount {
  readonly packets: number;
  readonly bytes: number;
}

/** Messages handed to the network by a namespace, by transport and address family. */
export interface Sent {
  /** Segments of both families, retransmitted ones and resets included. */
  readonly tcp: number;
  /** Of them, those sent again. */
  readonly tcpAgain: number;
  readonly udp4: number;
  readonly udp6: number;
  readonly icmp4: number;
  /** Neighbour discovery and multicast listener reports included. */
  readonly icmp6: number;
}

/** One side of an interface as the kernel counts it. */
export interface DeviceCounts {
  readonly sent: Amount;
  readonly received: Amount;
  readonly dropped: number;
}

/**
 * Reads what the namespace has sent. Linux counts a TCP segment in OutSegs when it is new (bare ACK, SYN-ACK and RST
 * too) and in RetransSegs when it is sent again; the segments of a super-packet are counted each.
 */
export function readSent(namespace: Namespace): Sent {
  const counters = readCounters(namespace);
  const get = (name: string): number => {
    const value = counters.get(name);
    if (value === undefined) throw new Error(`no counter ${name}`);
    return value;
  };
  return {
    tcp: get("Tcp.OutSegs") + get("Tcp.RetransSegs"),
    tcpAgain: get("Tcp.RetransSegs"),
    udp4: get("Udp.OutDatagrams"),
    udp6: get("Udp6OutDatagrams"),
    icmp4: get("Icmp.OutMsgs"),
    icmp6: get("Icmp6OutMsgs"),
  };
}

/** What was sent between two readings. */
export function sentBetween(before: Sent, after: Sent): Sent {
  return {
    tcp: after.tcp - before.tcp,
    tcpAgain: after.tcpAgain - before.tcpAgain,
    udp4: after.udp4 - before.udp4,
    udp6: after.udp6 - before.udp6,
    icmp4: after.icmp4 - before.icmp4,
    icmp6: after.icmp6 - before.icmp6,
  };
}

const QUIET_MS = 250;
const QUIET_DEADLINE_MS = 10_000;

/** Waits until none of the namespaces has sent anything for a while, and returns what each has sent so far. */
export async function readWhenQuiet(namespaces: readonly Namespace[]): Promise<readonly Sent[]> {
  const end = performance.now() + QUIET_DEADLINE_MS;
  let seen = namespaces.map(readSent);
  for (let since = performance.now(); performance.now() - since < QUIET_MS; await Bun.sleep(25)) {
    const now = namespaces.map(readSent);
    if (Bun.deepEquals(now, seen)) continue;
    if (performance.now() > end) throw new Error(`namespaces still send after ${QUIET_DEADLINE_MS} ms`);
    seen = now;
    since = performance.now();
  }
  return seen;
}

/** Reads an interface's counters: frames as they leave and enter the device, link headers included. */
export function readDevice(namespace: Namespace, device: string): DeviceCounts {
  const folder = `/sys/class/net/${device}/statistics`;
  const names = ["tx_packets", "tx_bytes", "rx_packets", "rx_bytes", "rx_dropped", "tx_dropped"];
  const text = namespace.run("cat", ...names.map((name) => `${folder}/${name}`));
  const [sentPackets, sentBytes, receivedPackets, receivedBytes, ...dropped] = text
    .trim()
    .split("\n")
    .map(Number);
  return {
    sent: { packets: sentPackets ?? Number.NaN, bytes: sentBytes ?? Number.NaN },
    received: { packets: receivedPackets ?? Number.NaN, bytes: receivedBytes ?? Number.NaN },
    dropped: dropped.reduce((sum, each) => sum + each, 0),
  };
}

/** Counts packets of an interface that match a pcap filter; see {@link startCounting}. */
export interface PacketCount {
  /** Ends the count. @throws Error where the packet socket lost packets. */
  stop(): Promise<number>;
}

/** Begins to count at a packet socket. */
export async function startCounting(
  namespace: Namespace,
  device: string,
  filter: string,
): Promise<PacketCount> {
  const options = ["-i", device, "-s", "96", "-B", "16384", "-w", "/dev/null", "-p", "--immediate-mode"];
  const capture = namespace.start(["tcpdump", ...options, filter]);
  await capture.until(({ errors }) => errors.includes("listening on"));
  return {
    stop: async () => {
      capture.signal("SIGINT");
      const { stderr } = await capture.ended();
      const [, seen] = /(\d+) packets? received by filter/.exec(stderr) ?? [];
      const [, lost] = /(\d+) packets? dropped by kernel/.exec(stderr) ?? [];
      if (seen === undefined || lost !== "0") throw new Error(`tcpdump saw not everything: ${stderr}`);
      return Number(seen);
    },
  };
}

function readCounters(namespace: Namespace): Counters {
  return parseCounters(namespace.run("cat", "/proc/net/snmp", "/proc/net/snmp6"));
}
