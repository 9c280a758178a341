// One record as a line for people, in columns that grow with what they have held. Not for programs: ndjson is.

import { RECORD } from "../flow/flow.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { formatTunnel } from "./attributes-tunnel.ts";
import { formatNames } from "./pretty-names.ts";
import { PROTOCOL, type RecordRow } from "./row.ts";
import { formatEndpoint } from "./span.ts";

const RESET = "\x1b[0m";
const COLOUR = { dim: "\x1b[2m", cyan: "\x1b[36m", green: "\x1b[32m", yellow: "\x1b[33m" } as const;

/** FIN, SYN, RST, PSH, ACK, URG, ECE, CWR in bit order, as packet sniffers abbreviate them. */
const FLAG_LETTERS = ["F", "S", "R", "P", "A", "U", "E", "W"] as const;

const STRING_ATTRIBUTES = new Map(
  ATTRIBUTES.filter((attribute) => attribute.kind === "string").map((attribute) => [
    attribute.name,
    attribute,
  ]),
);

/** One column of one line. */
interface Cell {
  readonly text: string;
  /** Least width; what a column has held before may have made it wider. */
  readonly width: number;
  readonly colour?: keyof typeof COLOUR;
  readonly isRight?: boolean;
}

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;

/**
 * A formatter of lines without their newline: time of the last packet (UTC), source → destination, transport,
 * direction, packets and bytes of this record both ways, TCP flags both ways, end reason, duration, interface, tunnel, and whose
 * the addresses are in the cluster.
 */
export function createPrettyFormatter(options: { readonly isColoured: boolean }): (row: RecordRow) => string {
  const widths: number[] = [];
  return (row) => {
    const columns = recordCells(row).map((cell, index) => {
      const width = Math.max(widths[index] ?? cell.width, cell.text.length);
      widths[index] = width;
      const padded = cell.isRight === true ? cell.text.padStart(width) : cell.text.padEnd(width);
      return options.isColoured && cell.colour !== undefined ? COLOUR[cell.colour] + padded + RESET : padded;
    });
    return columns.join(" ").trimEnd();
  };
}

function recordCells(row: RecordRow): readonly Cell[] {
  const start = row.bigint64(RECORD.startNs);
  const end = row.bigint64(RECORD.endNs);
  return [
    { text: formatTime(end), width: 24, colour: "dim" },
    { text: formatEndpoint(row, "source"), width: 21, colour: "cyan", isRight: true },
    { text: "→", width: 1, colour: "dim" },
    { text: formatEndpoint(row, "destination"), width: 21, colour: "cyan" },
    { text: readText(row, "network.transport"), width: 6 },
    { text: readText(row, "flow.direction"), width: 7, colour: "dim" },
    { text: `→ ${row.bigint64(RECORD.packetsDelta)}`, width: 5, isRight: true },
    { text: formatBytes(row.number64(RECORD.bytesDelta)), width: 8, isRight: true },
    { text: `← ${row.bigint64(RECORD.reversePacketsDelta)}`, width: 5, isRight: true },
    { text: formatBytes(row.number64(RECORD.reverseBytesDelta)), width: 8, isRight: true },
    { text: formatFlags(row), width: 11, colour: "green" },
    { text: readText(row, "flow.end_reason"), width: 14, colour: "yellow" },
    { text: formatDuration(Number(end - start)), width: 8, isRight: true },
    { text: withoutControls(readText(row, "network.interface.name")), width: 0, colour: "dim" },
    { text: formatTunnel(row), width: 0, colour: "dim" },
    { text: withoutControls(formatNames(row)), width: 0, colour: "cyan" },
  ];
}

/** The text of a string attribute of the table, empty where it is absent. */
function readText(row: RecordRow, name: string): string {
  const attribute = STRING_ATTRIBUTES.get(name);
  return attribute?.read(row) ?? "";
}

/** Names are anybody's choice: what would steer a terminal is `?`. */
function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?");
}

function formatTime(unixNanos: bigint): string {
  return new Date(Number(unixNanos / 1_000_000n)).toISOString();
}

/** TCP flags seen so far, forward and reverse, by letter in bit order: `SPA/SA`. */
function formatFlags(row: RecordRow): string {
  if (row.protocol !== PROTOCOL.tcp) return "";
  return `${formatFlagBits(row.octet(RECORD.octets, 0))}/${formatFlagBits(row.octet(RECORD.octets, 1))}`;
}

function formatFlagBits(bits: number): string {
  let text = "";
  for (let bit = 0; bit < FLAG_LETTERS.length; bit++)
    if ((bits & (1 << bit)) !== 0) text += FLAG_LETTERS[bit];
  return text === "" ? "-" : text;
}

function formatBytes(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  while (amount >= 1024 && unit < BYTE_UNITS.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)}${BYTE_UNITS[unit]}`;
}

function formatDuration(nanoseconds: number): string {
  if (nanoseconds >= 1e9) return `${(nanoseconds / 1e9).toFixed(2)}s`;
  return nanoseconds >= 1e6 ? `${(nanoseconds / 1e6).toFixed(1)}ms` : `${Math.round(nanoseconds / 1e3)}µs`;
}
