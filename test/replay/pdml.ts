// tshark's dissection of a file: the headers of each frame in their order, with every field it named. Its PDML is read,
// because a list of a field's values (-T fields) does not say which of several headers each belongs to.

/** One header. */
export interface Layer {
  /** tshark's name of the protocol. */
  readonly name: string;
  /** Offset in the frame, bytes. */
  readonly start: number;
  /** Values in tshark's notation, of every occurrence. */
  readonly fields: Map<string, string[]>;
}

/** One frame. */
export interface Frame {
  readonly number: number;
  /** UnixNanos. */
  readonly time: bigint;
  /** Bytes on the wire, and of them captured. */
  readonly bytes: number;
  readonly capturedBytes: number;
  /** Outermost first. Extension headers of IPv6 stand behind it; what an ICMP message quotes is left out. */
  readonly layers: readonly Layer[];
  /** By tshark's own dissector; empty where there is none. */
  readonly communityId: string;
}

const PREFERENCES = [
  // Every frame stands for itself.
  "ip.defragment:FALSE",
  "ipv6.defragment:FALSE",
  "tcp.desegment_tcp_streams:FALSE",
];
/** tshark knows VXLAN by its own port alone; Linux' default is another. */
const DECODE_AS = ["udp.port==8472,vxlan"];

/** Runs tshark over a file. @throws Error where tshark is missing or fails on a file that is whole */
export async function dissect(file: string, seed: number): Promise<readonly Frame[]> {
  const preferences = [...PREFERENCES, `communityid.seed:${seed}`];
  const command = [
    ...["tshark", "-n", "-r", file, "--enable-protocol", "communityid", "-T", "pdml"],
    ...preferences.flatMap((preference) => ["-o", preference]),
    ...DECODE_AS.flatMap((rule) => ["-d", rule]),
  ];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`tshark failed on ${file}: ${errors}`);
  return output
    .split("<packet>")
    .slice(1)
    .map((text) => readFrame(text.split("\n")));
}

/** Every element stands on a line of its own: tshark writes line ends in values as escapes. */
function readFrame(lines: readonly string[]): Frame {
  const layers: Layer[] = [];
  const open: Layer[] = [];
  for (const line of lines) {
    const text = line.trimStart();
    if (text.startsWith("</proto>")) open.pop();
    else if (text.startsWith("<proto ")) {
      const layer = {
        name: attribute(text, "name"),
        start: Number(attribute(text, "pos")),
        fields: new Map(),
      };
      if (!layer.name.startsWith("_ws.") && open.every(({ name }) => name === "ipv6")) layers.push(layer);
      if (!text.endsWith("/>")) open.push(layer);
    } else if (text.startsWith("<field ")) addField(open.at(-1), text);
  }
  const described = layers.find(({ name }) => name === "frame");
  if (described === undefined) throw new Error("tshark described a packet without its frame");
  return {
    number: numberOf(described, "frame.number"),
    time: nanoseconds(textOf(described, "frame.time_epoch")),
    bytes: numberOf(described, "frame.len"),
    capturedBytes: numberOf(described, "frame.cap_len"),
    layers: layers.filter(({ name }) => !["geninfo", "frame", "fake-field-wrapper"].includes(name)),
    communityId: layers.map((layer) => textOf(layer, "communityid")).find((id) => id !== "") ?? "",
  };
}

function addField(layer: Layer | undefined, text: string): void {
  if (layer === undefined) return;
  const name = attribute(text, "name");
  const values = layer.fields.get(name);
  if (values === undefined) layer.fields.set(name, [attribute(text, "show")]);
  else values.push(attribute(text, "show"));
}

/** Value of an XML attribute, empty where there is none. */
function attribute(text: string, name: string): string {
  const start = text.indexOf(` ${name}="`);
  if (start < 0) return "";
  const value = start + name.length + 3;
  return text.slice(value, text.indexOf('"', value));
}

/** A field's first value; empty where tshark names none. */
export function textOf(layer: Layer | undefined, field: string): string {
  return layer?.fields.get(field)?.[0] ?? "";
}

/** A field's first value, decimal or 0x; 0 where tshark names none. */
export function numberOf(layer: Layer | undefined, field: string): number {
  const text = textOf(layer, field);
  return text === "True" ? 1 : Number(text === "False" ? 0 : text);
}

/** "1258544215.161354000" in nanoseconds. */
function nanoseconds(epoch: string): bigint {
  const [seconds = "0", fraction = ""] = epoch.split(".");
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
}
