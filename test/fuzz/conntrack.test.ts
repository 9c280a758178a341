// The parser of ctnetlink's messages, built with sanitizers: what the kernel sends is read rightly, and whatever else
// is sent ends without a byte read that is not there. FUZZ_DATAGRAMS and FUZZ_SEED make it long or another one.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KEY } from "../../src/capture/record.ts";
import { TRANSLATION, TRANSLATION_BYTE, TRANSLATION_BYTES } from "../../src/capture/translation.ts";
import { encodeEntry, encodeMessage, type WireEntry, type WireTuple } from "./ctnetlink.ts";
import { Random } from "./random.ts";

const ROOT = join(import.meta.dir, "../..");
const DATAGRAMS = Number(process.env["FUZZ_DATAGRAMS"] ?? 30_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_261_121);
const MOST_ROWS = 4;
const INTERESTING = [0, 1, 3, 4, 15, 16, 17, 19, 20, 33, 0x7fff, 0x8000, 0xffff] as const;

const TCP_ENTRY: WireEntry = {
  original: { source: v4(10, 0, 0, 9), destination: v4(10, 96, 0, 1), protocol: 6, numbers: [40_000, 80] },
  reply: { source: v4(10, 0, 0, 2), destination: v4(10, 0, 0, 9), protocol: 6, numbers: [7000, 40_000] },
};
const ECHO_ENTRY: WireEntry = {
  original: { source: v4(10, 0, 0, 9), destination: v4(10, 96, 0, 1), protocol: 1, numbers: [77, 8] },
  reply: { source: v4(10, 0, 0, 2), destination: v4(10, 0, 0, 9), protocol: 1, numbers: [78, 0] },
};
const V6_ENTRY: WireEntry = {
  original: { source: v6(9), destination: v6(1), protocol: 17, numbers: [4000, 53] },
  reply: { source: v6(2), destination: v6(9), protocol: 17, numbers: [53, 4000] },
};

let folder: string;
let program: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mermin-fuzz-"));
  program = join(folder, "conntrack");
  const sources = ["test/fuzz/conntrack.c", "libmerminbpf/conntrack_entry.c", "libmerminbpf/netlink.c"];
  const checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
  const flags = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Ilibmerminbpf", "-Ibpf"];
  const built = Bun.spawnSync(["gcc", ...flags, ...checks, "-o", program, ...sources], { cwd: ROOT });
  if (!built.success) throw new Error(`the parser does not compile: ${built.stderr}`);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function v4(...octets: number[]): Uint8Array {
  return Uint8Array.from(octets);
}

function v6(last: number): Uint8Array {
  return Uint8Array.of(0xfd, ...new Array<number>(14).fill(0), last);
}

/** The rows of each datagram. @throws Error with the sanitizers' report */
function parse(datagrams: readonly Uint8Array[]): readonly (readonly DataView[])[] {
  const input = datagrams.flatMap((each) => [new Uint8Array(Uint32Array.of(each.length).buffer), each]);
  const { success, stdout, stderr } = Bun.spawnSync([program], { stdin: Buffer.concat(input) });
  if (!success) throw new Error(String(stderr));
  const view = new DataView(stdout.buffer, stdout.byteOffset, stdout.length);
  let at = 0;
  const found = datagrams.map(() => {
    const count = view.getUint32(at, true);
    const first = at + 4;
    at = first + count * TRANSLATION_BYTES;
    expect(count).toBeLessThanOrEqual(MOST_ROWS);
    return Array.from(
      { length: count },
      (_, i) => new DataView(stdout.buffer, stdout.byteOffset + first + i * TRANSLATION_BYTES),
    );
  });
  expect(at).toBe(stdout.length);
  return found;
}

function parseOne(...messages: readonly Uint8Array[]): readonly DataView[] {
  return parse([Buffer.concat(messages)])[0] ?? [];
}

/** `source port → destination port`, along the way that the row has for the key. */
function tellKey(row: DataView, word: number, wayByte: number): string {
  const at = word * 4;
  const end = (address: number, port: number): string => {
    const bytes = new Uint8Array(row.buffer, row.byteOffset + at + address, 16);
    return `${Buffer.from(bytes).toString("hex")} ${row.getUint16(at + port, false)}`;
  };
  const ends = [end(KEY.lowAddress, KEY.lowPort), end(KEY.highAddress, KEY.highPort)];
  return row.getUint8(TRANSLATION.octets * 4 + wayByte) === 0 ? ends.join(" → ") : ends.reverse().join(" → ");
}

function tell(row: DataView): unknown {
  const octets = TRANSLATION.octets * 4;
  return {
    original: tellKey(row, TRANSLATION.original, TRANSLATION_BYTE.originalWay),
    translated: tellKey(row, TRANSLATION.translated, TRANSLATION_BYTE.translatedWay),
    isGone: row.getUint8(octets + TRANSLATION_BYTE.isGone) === 1,
    zones: [row.getUint16(TRANSLATION.zones * 4, true), row.getUint16(TRANSLATION.zones * 4 + 2, true)],
    protocol: row.getUint8(KEY.protocol),
  };
}

/** As {@link tellKey}. */
function wire(from: readonly [Uint8Array, number], to: readonly [Uint8Array, number]): string {
  const end = ([address, port]: readonly [Uint8Array, number]): string => {
    const mapped = address.length === 4 ? `${"0".repeat(20)}ffff` : "";
    return `${mapped}${Buffer.from(address).toString("hex")} ${port}`;
  };
  return `${end(from)} → ${end(to)}`;
}

/** What a row must say of an entry with ports. */
function expected({ original, reply, isGone = false, zone }: WireEntry): unknown {
  const ports = ({ protocol, numbers: [first, second] }: WireTuple): readonly [number, number] =>
    protocol === 1 ? [first, first] : [first, second];
  const [originalPorts, replyPorts] = [ports(original), ports(reply)];
  return {
    original: wire([original.source, originalPorts[0]], [original.destination, originalPorts[1]]),
    translated: wire([reply.destination, replyPorts[1]], [reply.source, replyPorts[0]]),
    isGone,
    zones: [zone ?? original.zone ?? 0, zone ?? reply.zone ?? 0],
    protocol: original.protocol,
  };
}

/** Another order of magnitude of damage each time: an octet, a length, an end too early, a part twice. */
function damage(random: Random, whole: Uint8Array): Uint8Array {
  const bytes = Buffer.from(whole);
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(bytes.length - 1);
    if (random.oneIn(3)) bytes[at] = random.below(256);
    else bytes.writeUInt16LE(random.pick(INTERESTING), at & ~1);
  }
  const end = random.oneIn(2) ? bytes.length : random.below(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, end), ...(random.oneIn(4) ? [bytes] : [])]);
}

describe("messages of ctnetlink", () => {
  test.each([
    ["TCP", TCP_ENTRY],
    ["an echo", ECHO_ENTRY],
    ["IPv6", V6_ENTRY],
    ["an end", { ...TCP_ENTRY, isGone: true }],
    ["a zone", { ...TCP_ENTRY, zone: 513 }],
    ["a zone of the original direction", { ...TCP_ENTRY, original: { ...TCP_ENTRY.original, zone: 7 } }],
    ["a zone of the other direction", { ...TCP_ENTRY, reply: { ...TCP_ENTRY.reply, zone: 0xffff } }],
  ] as const)("become a row: %s", (_, entry: WireEntry) => {
    expect(parseOne(encodeEntry(entry)).map(tell)).toEqual([expected(entry)]);
  });

  test("become a row each, up to the room there is", () => {
    const zones = [1, 2, 3, 4, 5];
    const rows = parseOne(...zones.map((zone) => encodeEntry({ ...TCP_ENTRY, zone })));
    expect(rows.map(tell)).toEqual([1, 2, 3, 4].map((zone) => expected({ ...TCP_ENTRY, zone })));
  });

  test("are left out where nothing is translated, and where there is no key", () => {
    const { original } = TCP_ENTRY;
    const back = { ...original, source: original.destination, destination: original.source };
    const numbers = [original.numbers[1], original.numbers[0]] as const;
    const unreachable = { ...ECHO_ENTRY, original: { ...ECHO_ENTRY.original, numbers: [77, 3] as const } };
    const none = [{ original, reply: { ...back, numbers } }, unreachable];
    expect(parseOne(...none.map(encodeEntry), encodeEntry(V6_ENTRY)).map(tell)).toEqual([expected(V6_ENTRY)]);
  });

  test("end where a length leads beyond the datagram, or its padding does", () => {
    const entry = encodeEntry(TCP_ENTRY);
    // 17 bytes: the next message would begin 3 behind the end.
    const last = encodeMessage(0x100, Uint8Array.of(0));
    const tooLong = Buffer.from(entry);
    tooLong.writeUInt32LE(entry.length + 1, 0);
    const huge = Buffer.from(entry);
    huge.writeUInt32LE(0xffffffff, 0);
    for (const end of [last, tooLong, huge, entry.subarray(0, 15)])
      expect(parseOne(entry, end).map(tell)).toEqual([expected(TCP_ENTRY)]);
  });

  test(`that nobody would send are borne: ${DATAGRAMS} of seed ${SEED}`, () => {
    const random = new Random(SEED);
    const whole = [TCP_ENTRY, ECHO_ENTRY, V6_ENTRY, { ...TCP_ENTRY, zone: 3 }].map(encodeEntry);
    const datagrams = Array.from({ length: DATAGRAMS }, () =>
      random.oneIn(8) ? random.bytes(random.below(200)) : damage(random, random.pick(whole)),
    );
    const rows = parse(datagrams);
    // Damage that hits neither addresses nor lengths leaves a row: the parser was reached in its depth.
    expect(rows.filter(({ length }) => length > 0).length).toBeGreaterThan(DATAGRAMS / 20);
  }, 120_000);
});
