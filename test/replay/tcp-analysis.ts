// What tshark's analysis of TCP sequence numbers says of a file, and what we say: by direction between two ports.

import type { Told } from "./replayed.ts";

/** Packets of one direction. */
export interface Analysis {
  /** Sent again: retransmissions, fast and spurious ones included. */
  retransmits: number;
  outOfOrder: number;
}

/** By `source port > destination port`; directions without any are absent. */
export type Analyses = Readonly<Record<string, Analysis>>;

const FIELDS = [
  "tcp.srcport",
  "tcp.dstport",
  "tcp.len",
  "tcp.analysis.retransmission",
  "tcp.analysis.fast_retransmission",
  "tcp.analysis.spurious_retransmission",
  "tcp.analysis.out_of_order",
];

/** Runs tshark over a file; of several packets in a frame the innermost one counts, and only what has payload. */
export async function analyseByTshark(file: string): Promise<Analyses> {
  const fields = FIELDS.flatMap((field) => ["-e", field]);
  const command = ["tshark", "-n", "-r", file, "-Y", "tcp", "-T", "fields", "-E", "occurrence=l", ...fields];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`tshark failed on ${file}: ${errors}`);
  const analyses: Record<string, Analysis> = {};
  for (const line of output.split("\n").filter(Boolean)) {
    const [source = "", destination = "", payload, again, fast, spurious, late] = line.split("\t");
    if (Number(payload) === 0) continue;
    const isAgain = [again, fast, spurious].some((flag) => flag !== undefined && flag !== "");
    add(analyses, `${source} > ${destination}`, {
      retransmits: isAgain ? 1 : 0,
      outOfOrder: late !== undefined && late !== "" ? 1 : 0,
    });
  }
  return analyses;
}

/** The same of records. */
export function analyseRecords(records: readonly Told[]): Analyses {
  const analyses: Record<string, Analysis> = {};
  for (const { protocol, sourcePort, destinationPort, forward, reverse } of records) {
    if (protocol !== 6) continue;
    add(analyses, `${sourcePort} > ${destinationPort}`, forward);
    add(analyses, `${destinationPort} > ${sourcePort}`, reverse);
  }
  return analyses;
}

function add(analyses: Record<string, Analysis>, way: string, { retransmits, outOfOrder }: Analysis): void {
  if (retransmits + outOfOrder === 0) return;
  analyses[way] ??= { retransmits: 0, outOfOrder: 0 };
  analyses[way].retransmits += retransmits;
  analyses[way].outOfOrder += outOfOrder;
}
