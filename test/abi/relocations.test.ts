// What the code of build/mermin.bpf.o may call, read from the ELF file, and how much work it gives the verifier.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { openProbe } from "../../src/capture/probe.ts";
import { requireRoot } from "../bpf/bench.ts";
import { mostInstructions } from "../support/verified-instructions.ts";

/** Helpers by their numbers in linux/bpf.h. None of them can change a packet, redirect it or wait. */
const ALLOWED = new Map([
  [1, "map_lookup_elem"],
  [2, "map_update_elem"],
  [3, "map_delete_elem"],
  [5, "ktime_get_ns"],
  [26, "skb_load_bytes"],
  [118, "jiffies64"],
  [131, "ringbuf_reserve"],
  [132, "ringbuf_submit"],
  [133, "ringbuf_discard"],
  [181, "loop"],
]);

const SHF_EXECINSTR = 0x4;
const INSTRUCTION_BYTES = 8;
const OPCODE_LOAD_IMMEDIATE_64 = 0x18;
const OPCODE_CALL = 0x85;
const CALL_FUNCTION_OF_OURS = 1;

interface Call {
  /** Bits 4 to 7 of the second byte: 0 a helper, 1 a function of the object, 2 a function of the kernel. */
  readonly kind: number;
  readonly target: number;
}

const OBJECT = join(import.meta.dir, "..", "..", "build", "mermin.bpf.o");
const object = readFileSync(OBJECT);

/** Every section of the object with code. ELF-64, little-endian. */
function* codeSections(elf: Buffer): Generator<Buffer> {
  const headers = Number(elf.readBigUInt64LE(0x28));
  const headerBytes = elf.readUInt16LE(0x3a);
  const count = elf.readUInt16LE(0x3c);
  for (let index = 0; index < count; index++) {
    const header = elf.subarray(headers + index * headerBytes);
    if ((header.readUInt32LE(8) & SHF_EXECINSTR) === 0) continue;
    const offset = Number(header.readBigUInt64LE(0x18));
    yield elf.subarray(offset, offset + Number(header.readBigUInt64LE(0x20)));
  }
}

function* calls(code: Buffer): Generator<Call> {
  for (let at = 0; at < code.length; at += INSTRUCTION_BYTES) {
    const opcode = code.readUInt8(at);
    if (opcode === OPCODE_LOAD_IMMEDIATE_64) at += INSTRUCTION_BYTES;
    if (opcode === OPCODE_CALL) yield { kind: code.readUInt8(at + 1) >> 4, target: code.readInt32LE(at + 4) };
  }
}

describe("mermin.bpf.o", () => {
  test("calls no helper that could change a packet, and no function of the kernel", () => {
    const found = [...codeSections(object)].flatMap((code) => [...calls(code)]);
    const helpers = found.filter(({ kind }) => kind !== CALL_FUNCTION_OF_OURS);
    const foreign = helpers.filter(({ kind, target }) => kind !== 0 || !ALLOWED.has(target));
    expect(foreign).toEqual([]);
    const names = new Set(helpers.map(({ target }) => ALLOWED.get(target)));
    // A walk that finds no code finds no fault either.
    expect([...names]).toEqual(
      expect.arrayContaining(["map_lookup_elem", "map_update_elem", "skb_load_bytes", "ktime_get_ns"]),
    );
    const words = [...codeSections(object)].reduce((sum, code) => sum + code.length / INSTRUCTION_BYTES, 0);
    expect(words).toBeGreaterThan(1000);
  });

  test("walks the instructions as llvm-objdump does", () => {
    const { stdout, exitCode } = Bun.spawnSync(["llvm-objdump-19", "-d", "--no-show-raw-insn", OBJECT]);
    expect(exitCode).toBe(0);
    const listed = [...stdout.toString().matchAll(/\bcall (-?0x[0-9a-f]+)/g)].length;
    expect([...codeSections(object)].flatMap((code) => [...calls(code)]).length).toBe(listed);
  });

  test.each(["ingress", "egress"] as const)("gives the verifier not a tenth more work at %s", (side) => {
    requireRoot();
    using probe = openProbe({ tableCapacity: 64, ringBufferBytes: 4096, isReplay: false });
    const instructions = probe.verifiedInstructions(side);
    console.log(`mermin_${side}: ${instructions} instructions verified`);
    expect(instructions).toBeGreaterThan(0);
    expect(instructions).toBeLessThanOrEqual(mostInstructions(release(), side));
  });
});
