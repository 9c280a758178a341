// nfpcapd and nfdump as second witness for packets and layer-3 bytes, each way. nfpcapd reads ports of TCP and UDP only,
// and files an IPv6 packet with extension headers under the first of them, where RFC 8200 (section 4.1) has the upper
// layer behind the chain: for such packets the sums between the addresses are compared.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sighting } from "./sighting.ts";
import { addWay, type WaySum } from "./tally.ts";
import { NO_OVERHEADS } from "./told-details.ts";

/** Sums by way, TCP flags left out. */
export type Sums = Record<string, WaySum>;

/** What nfdump says of a file. */
export interface Dumped {
  readonly sums: Sums;
  /** Packets that nfpcapd says it left out, because less than it wants of them was captured. */
  readonly leftOut: number;
  /** True where packets are filed under extension headers. */
  readonly hasExtensions: boolean;
}

interface Flow {
  readonly protocol: number;
  readonly sighting: Sighting;
}

const FORMAT = "fmt:%pr|%sa|%sp|%da|%dp|%pkt|%byt";
const PROTOCOLS_WITH_PORTS: ReadonlySet<number> = new Set([6, 17]);
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 44, 60]);

/** Asks about a file. @throws Error where the tools are missing or fail */
export async function askNfdump(file: string): Promise<Dumped> {
  const folder = await mkdtemp(join(tmpdir(), "mermin-nfdump-"));
  try {
    const { errors } = await run(["nfpcapd", "-r", file, "-w", folder, "-e", "3600,3600"]);
    const { output } = await run(["nfdump", "-R", folder, "-N", "-6", "-q", "-o", FORMAT]);
    const flows = output
      .split("\n")
      .filter((line) => line.includes("|"))
      .map(readFlow);
    const hasExtensions = flows.some(({ protocol }) => EXTENSIONS.has(protocol));
    const leftOut = Number(/Total: .*short caplen: (\d+)/.exec(errors)?.[1]);
    return {
      sums: sumUp(
        flows.map(({ sighting }) => sighting),
        hasExtensions,
      ),
      leftOut,
      hasExtensions,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Sums sightings as nfdump tells them apart. */
export function sumUp(sightings: readonly Sighting[], hasExtensions: boolean): Sums {
  const sums: Sums = {};
  for (const sighting of sightings) {
    const hasPorts = PROTOCOLS_WITH_PORTS.has(sighting.protocol) && !hasExtensions;
    addWay(sums, {
      ...sighting,
      protocol: hasExtensions ? 0 : sighting.protocol,
      sourcePort: hasPorts ? sighting.sourcePort : 0,
      destinationPort: hasPorts ? sighting.destinationPort : 0,
      tcpFlags: 0,
      overheads: NO_OVERHEADS,
    });
  }
  return sums;
}

function readFlow(line: string): Flow {
  const [protocol, source = "", sourcePort, destination = "", destinationPort, packets, bytes] = line
    .split("|")
    .map((value) => value.trim());
  const number = Number(protocol);
  // nfdump writes type and code of ICMP in the place of the destination port.
  const hasPorts = PROTOCOLS_WITH_PORTS.has(number);
  const sighting = {
    protocol: number,
    source,
    destination,
    sourcePort: hasPorts ? Number(sourcePort) : 0,
    destinationPort: hasPorts ? Number(destinationPort) : 0,
    packets: Number(packets),
    bytes: Number(bytes),
    tcpFlags: 0,
    overheads: NO_OVERHEADS,
    fragments: 0,
    mirror: "",
  };
  return { protocol: number, sighting };
}

async function run(
  command: readonly string[],
): Promise<{ readonly output: string; readonly errors: string }> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "pipe" });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`${command[0]} failed: ${errors}`);
  return { output, errors };
}
