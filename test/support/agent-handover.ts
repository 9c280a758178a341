// What tests of agents that follow one another have in common: their config, a sender that counts, what spans add up to.

import type { Agent, AgentConfig, AgentEnd } from "./agent.ts";
import { type AgentSpan, parseAgentSpans, withTransport } from "./agent-spans.ts";
import { runMermin } from "./mermin-command.ts";
import type { Host, Pair } from "./namespace-pair.ts";
import { runCommand, type TestProcess } from "./namespace-process.ts";

const PORT = 9000;

/** Layer 3 bytes of a datagram of {@link send}. */
const DATAGRAM_BYTES = 128;

export const MODES = ["tcx", "clsact"] as const;

/** An agent's config: a scan ten times a second, a record each second. */
export function persisting(attachMode: (typeof MODES)[number] = "tcx", persist = true): AgentConfig {
  return {
    capture: { persist, attach_mode: attachMode },
    flow: { poll_interval: "100ms" },
    span: { max_record_interval: "1s" },
  };
}

/** A sender of `count` datagrams in small batches, which says how many went out. */
export function send({ hosts: [left, right] }: Pair, count: number): TestProcess {
  const script = new URL("./namespace-datagrams.ts", import.meta.url).pathname;
  const words = [left.ipv4.address, right.ipv4.address, String(PORT), String(count), "10", "10"];
  return left.namespace.start([process.execPath, script, ...words]);
}

/** How many datagrams have gone out. */
export function sentBy({ output }: TestProcess): number {
  return Number([...output.matchAll(/sent (\d+)\n/g)].at(-1)?.[1] ?? 0);
}

/** Ends an agent. The line that SIGKILL cut off was not told. */
export async function endAgent(agent: Agent, signal: NodeJS.Signals): Promise<AgentEnd> {
  agent.process.signal(signal);
  const ended = await agent.process.ended();
  const { stdout, stderr } = ended;
  const line = stderr.split("\n").findLast((each) => each.includes(" flow statistics ")) ?? "";
  const fields = [...line.matchAll(/(\w+)=(\d+)/g)].map(
    ([, name, value]) => [name ?? "", Number(value)] as const,
  );
  const spans = parseAgentSpans(stdout.slice(0, stdout.lastIndexOf("\n") + 1));
  return { ...ended, spans, statistics: new Map(fields) };
}

/** Of spans with one id the last, which has what was told again and more. */
export function unique(spans: readonly AgentSpan[]): readonly AgentSpan[] {
  return [...new Map(spans.map((span) => [span.spanId, span])).values()];
}

/** The spans of the datagrams of {@link send}. */
export function told(spans: readonly AgentSpan[]): readonly AgentSpan[] {
  const datagrams = withTransport(spans, "udp").filter(
    ({ attributes }) => attributes["destination.port"] === PORT,
  );
  return unique(datagrams);
}

/** What is wrong with the spans of one conversation of `sent` datagrams: trace ids, totals that rise by the deltas, sums. */
export function problemsOf(spans: readonly AgentSpan[], sent: number): readonly string[] {
  const traces = new Set(spans.map(({ traceId }) => traceId)).size;
  const problems = traces === 1 ? [] : [`${traces} traces`];
  let packets = 0;
  let bytes = 0;
  for (const { spanId, attributes } of spans) {
    packets += attributes["flow.packets.delta"];
    bytes += attributes["flow.bytes.delta"];
    const { "flow.packets.total": packetsTotal, "flow.bytes.total": bytesTotal } = attributes;
    if (packetsTotal !== packets || bytesTotal !== bytes)
      problems.push(
        `span ${spanId}: totals ${packetsTotal}, ${bytesTotal}, deltas so far ${packets}, ${bytes}`,
      );
  }
  if (packets !== sent || bytes !== sent * DATAGRAM_BYTES)
    problems.push(`${packets} packets, ${bytes} bytes told of ${sent} datagrams`);
  return problems;
}

/** Packets in all spans, both ways. */
export function countPackets(spans: readonly AgentSpan[]): number {
  return spans.reduce(
    (sum, { attributes }) =>
      sum + attributes["flow.packets.delta"] + (attributes["flow.reverse.packets.delta"] ?? 0),
    0,
  );
}

/** Packets that the device itself has sent and received. */
export function countPassed({ namespace, device }: Host): number {
  const read = (name: string): number =>
    Number(namespace.run("cat", `/sys/class/net/${device}/statistics/${name}`));
  return read("tx_packets") + read("rx_packets");
}

/** No more ARP between the two: every packet that passes is IP. */
export function fixNeighbours({ hosts }: Pair): void {
  const addressOf = ({ namespace, device }: Host): string =>
    namespace.run("cat", `/sys/class/net/${device}/address`).trim();
  const [left, right] = hosts;
  for (const [host, other] of [
    [left, right],
    [right, left],
  ] as const) {
    const words = [other.ipv4.address, "lladdr", addressOf(other), "dev", host.device, "nud", "permanent"];
    host.namespace.ip("neigh", "replace", ...words);
  }
}

/** Paths in the BPF file system of a mount namespace. */
export function pinsOf(mounts: TestProcess): readonly string[] {
  return inMounts(mounts, "find", "/sys/fs/bpf", "-mindepth", "1").split("\n").filter(Boolean);
}

/** Runs a command with the mounts of a process. */
export function inMounts(mounts: TestProcess, ...words: readonly string[]): string {
  return runCommand(["nsenter", `--mount=/proc/${mounts.pid}/ns/mnt`, ...words]);
}

/** Lines of `mermin bpf list` about the hooks of a device. */
export async function hooksOf(
  { namespace, device }: Pick<Host, "namespace" | "device">,
  mounts: TestProcess,
): Promise<readonly string[]> {
  const { stdout } = await runMermin(namespace, mounts, "bpf", "list");
  return stdout.split("\n").filter((line) => line.includes(` of ${device}, `));
}
