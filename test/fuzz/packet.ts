// A packet of the fuzzer, and its line in a corpus file.

/** What one test run is given. */
export interface FuzzPacket {
  readonly bytes: Uint8Array;
  /** On the wire; at least the bytes given. */
  readonly wireLength: number;
  /** After the packet before it. */
  readonly delayNs: number;
  readonly gsoSegments: number;
  readonly gsoSize: number;
}

/** `wire length, delay in ns, segments, segment size, bytes in hex`. */
export function formatPacket(packet: FuzzPacket): string {
  const { wireLength, delayNs, gsoSegments, gsoSize, bytes } = packet;
  return `${wireLength} ${delayNs} ${gsoSegments} ${gsoSize} ${Buffer.from(bytes).toString("hex")}`;
}

/** The packets of a corpus file: one a line, `#` begins a comment. @throws Error at a line that is none */
export function parsePackets(text: string): FuzzPacket[] {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => {
    const match = /^(\d+) (\d+) (\d+) (\d+) ((?:[0-9a-f]{2})*)$/.exec(line);
    if (match === null) throw new Error(`Not a packet: ${line.slice(0, 80)}`);
    const [, wireLength, delayNs, gsoSegments, gsoSize, hex] = match;
    return {
      wireLength: Number(wireLength),
      delayNs: Number(delayNs),
      gsoSegments: Number(gsoSegments),
      gsoSize: Number(gsoSize),
      bytes: Uint8Array.from(Buffer.from(hex ?? "", "hex")),
    };
  });
}
