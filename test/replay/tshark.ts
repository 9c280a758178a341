// tshark as witness: each frame by its own dissectors, the outermost IP layer of each. Reassembly is off, so that every
// frame stands for itself.

import { addSighting, type Conversations } from "./tally.ts";

const FIELDS = [
  "frame.time_epoch",
  "frame.len",
  "communityid",
  "ip.src",
  "ip.dst",
  "ip.proto",
  "ip.len",
  "ipv6.src",
  "ipv6.dst",
  "ipv6.nxt",
  "ipv6.plen",
  "ipv6.hopopts.nxt",
  "ipv6.routing.nxt",
  "ipv6.fraghdr.nxt",
  "ipv6.dstopts.nxt",
  "tcp.srcport",
  "tcp.dstport",
  "tcp.flags",
  "udp.srcport",
  "udp.dstport",
  "sctp.srcport",
  "sctp.dstport",
  "dccp.srcport",
  "dccp.dstport",
  "icmp.ident",
  "icmpv6.echo.identifier",
] as const;

type Field = (typeof FIELDS)[number];

/** Values of a frame: every occurrence of a field, outermost first. */
type Frame = Readonly<Record<Field, readonly string[]>>;

/** What tshark says of a file. */
export interface Witnessed {
  readonly frames: number;
  readonly conversations: Conversations;
  /** Frames without an IP layer. */
  readonly notIp: number;
  /** Pairs of addresses with an echo identifier. */
  readonly echoes: ReadonlySet<string>;
}

const EXTENSIONS: Readonly<Record<number, Field>> = {
  0: "ipv6.hopopts.nxt",
  43: "ipv6.routing.nxt",
  44: "ipv6.fraghdr.nxt",
  60: "ipv6.dstopts.nxt",
};
const PORTS: Readonly<Record<number, readonly [Field, Field]>> = {
  6: ["tcp.srcport", "tcp.dstport"],
  17: ["udp.srcport", "udp.dstport"],
  33: ["dccp.srcport", "dccp.dstport"],
  132: ["sctp.srcport", "sctp.dstport"],
  136: ["udp.srcport", "udp.dstport"],
};

/** Runs tshark over a file. @throws Error where tshark is missing or fails on a file that is whole */
export async function askTshark(file: string, seed = 0): Promise<Witnessed> {
  const frames = await readFrames(file, seed);
  const conversations: Conversations = {};
  const echoes = new Set<string>();
  let notIp = 0;
  for (const frame of frames) {
    const isIpv4 = frame["ip.src"].length > 0;
    if (!isIpv4 && frame["ipv6.src"].length === 0) {
      notIp++;
      continue;
    }
    const protocol = isIpv4 ? number(frame, "ip.proto") : upperProtocol(frame);
    const ports = PORTS[protocol];
    const sighting = {
      protocol,
      source: text(frame, isIpv4 ? "ip.src" : "ipv6.src"),
      destination: text(frame, isIpv4 ? "ip.dst" : "ipv6.dst"),
      sourcePort: ports === undefined ? 0 : number(frame, ports[0]),
      destinationPort: ports === undefined ? 0 : number(frame, ports[1]),
      packets: 1,
      bytes: isIpv4 ? number(frame, "ip.len") : number(frame, "ipv6.plen") + 40,
      tcpFlags: protocol === 6 ? number(frame, "tcp.flags") & 0xff : 0,
    };
    const time = nanoseconds(text(frame, "frame.time_epoch"));
    addSighting(conversations, sighting, text(frame, "communityid"), [time, time]);
    const identifier = frame[isIpv4 ? "icmp.ident" : "icmpv6.echo.identifier"][0];
    if (identifier !== undefined) {
      echoes.add([...[sighting.source, sighting.destination].toSorted(), Number(identifier)].join(" "));
    }
  }
  return { frames: frames.length, conversations, notIp, echoes };
}

async function readFrames(file: string, seed: number): Promise<readonly Frame[]> {
  const preferences = [
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
    `communityid.seed:${seed}`,
  ];
  const command = [
    ...["tshark", "-n", "-r", file, "--enable-protocol", "communityid", "-T", "fields"],
    ...["-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=,"],
    ...preferences.flatMap((preference) => ["-o", preference]),
    ...FIELDS.flatMap((field) => ["-e", field]),
  ];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`tshark failed on ${file}: ${errors}`);
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const values = line.split("\t").map((value) => (value === "" ? [] : value.split(",")));
      return Object.fromEntries(FIELDS.map((field, index) => [field, values[index] ?? []])) as Record<
        Field,
        string[]
      >;
    });
}

/** The protocol behind the extension headers. */
function upperProtocol(frame: Frame): number {
  const used: Partial<Record<Field, number>> = {};
  let next = number(frame, "ipv6.nxt");
  for (let field = EXTENSIONS[next]; field !== undefined; field = EXTENSIONS[next]) {
    const index = used[field] ?? 0;
    used[field] = index + 1;
    const value = frame[field][index];
    if (value === undefined) return next;
    next = Number(value);
  }
  return next;
}

function text(frame: Frame, field: Field): string {
  return frame[field][0] ?? "";
}

/** Decimal or 0x; 0 where tshark says nothing. */
function number(frame: Frame, field: Field): number {
  return Number(frame[field][0] ?? 0);
}

/** "1258544215.161354000" in nanoseconds. */
function nanoseconds(epoch: string): bigint {
  const [seconds = "0", fraction = ""] = epoch.split(".");
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
}
