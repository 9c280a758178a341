// Knobs and filters: what the agent says to the programs before anything is attached.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FILTER_RULES_BYTES } from "../../src/capture/kernel-filter.ts";
import { type LibraryHandle, loadLibrary, nulTerminated } from "../../src/capture/library.ts";
import { PARSER_DEFAULTS } from "../../src/capture/parser-config.ts";
import { encodeUdpTunnels } from "../../src/capture/udp-tunnels.ts";
import { words } from "../support/packets.ts";
import { Bench } from "./bench.ts";
import { KernelMap } from "./kernel-map.ts";

const ERROR = { noEntry: -2, busy: -16, invalid: -22, range: -34 } as const;
const PORT_BITMAP_BYTES = 8192;
const ZERO = new Uint8Array(4);

function rodata(): Buffer {
  return Buffer.from(KernelMap.named("mermin.rodata").lookup(ZERO) ?? []);
}

/** 16 bytes of an address given as eight groups. */
function address(...groups: readonly number[]): Uint8Array {
  return words(...groups);
}

function prefixKey(bits: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(bits, 0, 0, 0), bytes]);
}

describe("array knobs", () => {
  test("hold the parser's ports where the programs look them up", () => {
    const parser = { ...PARSER_DEFAULTS, fou_ports: [1, 65_535] };
    const { ports, tunnels } = encodeUdpTunnels(parser);
    using _ = new Bench({ parser });
    expect(rodata().indexOf(ports)).toBeGreaterThanOrEqual(0);
    expect(rodata().indexOf(tunnels)).toBeGreaterThanOrEqual(0);
  });

  test("are written whole, before load, and by their own function", () => {
    const library = loadLibrary();
    const object = new Uint8Array(readFileSync(join(import.meta.dir, "../../build/mermin.bpf.o")));
    const handle = library.merminbpf_object_open(object, object.byteLength);
    if (handle === null) throw new Error(String(library.merminbpf_error(null)));
    try {
      const write = (name: string, size: number): number => writeKnob(handle, name, size);
      expect(write("udp_tunnel_ports", PORT_BITMAP_BYTES)).toBe(0);
      expect(write("udp_tunnel_ports", PORT_BITMAP_BYTES - 8)).toBe(ERROR.range);
      expect(String(library.merminbpf_error(handle))).toContain("has 8192 bytes, not 8184");
      expect(write("udp_tunnels", 256)).toBe(0);
      expect(write("sampling", 4)).toBe(ERROR.invalid);
      expect(write("udp_tunnel_port", PORT_BITMAP_BYTES)).toBe(ERROR.noEntry);
      expect(library.merminbpf_knob_set(handle, nulTerminated("udp_tunnels"), 1, 0)).toBe(ERROR.invalid);
      expect(library.merminbpf_object_load(handle)).toBe(0);
      expect(write("udp_tunnels", 256)).toBe(ERROR.busy);
    } finally {
      library.merminbpf_object_close(handle);
    }
  });
});

function writeKnob(handle: LibraryHandle, name: string, size: number): number {
  const bytes = new Uint8Array(new ArrayBuffer(size)).fill(0xff);
  return loadLibrary().merminbpf_knob_write(handle, nulTerminated(name), bytes, size);
}

describe("a filter", () => {
  const wide = address(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
  const host = address(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
  const other = address(0x2001, 0xdb9, 0, 0, 0, 0, 0, 1);

  test("is in the kernel's maps, the longest prefix first", () => {
    const rules = Uint8Array.from({ length: FILTER_RULES_BYTES }, (_, index) => index % 251);
    const prefixes = [
      { address: wide, bits: 32, mask: 1 },
      { address: host, bits: 128, mask: 9 },
      { address: wide, bits: 32, mask: 5 },
    ];
    using _ = new Bench({ filter: { prefixes, rules } });
    const addresses = KernelMap.named("FILTER_ADDRESSES");
    const maskOf = (bytes: Uint8Array): number | undefined => addresses.lookup(prefixKey(128, bytes))?.[0];
    expect([maskOf(host), maskOf(wide), maskOf(other)]).toEqual([9, 5, undefined]);
    expect(KernelMap.named("FILTER_RULES").lookup(ZERO)).toEqual(rules);
  });

  test("of an impossible form is refused", () => {
    const rules = new Uint8Array(FILTER_RULES_BYTES);
    const long = { prefixes: [{ address: host, bits: 129, mask: 1 }], rules };
    expect(() => new Bench({ filter: long })).toThrow("A prefix has 128 bits at most, not 129");
    const short = { prefixes: [], rules: rules.subarray(1) };
    expect(() => new Bench({ filter: short })).toThrow(RangeError);
  });
});
