// Runs the packets of a capture file through the programs by BPF_PROG_TEST_RUN. Comes in: a probe with the knob
// `replay` set, packets. Goes out: what the maps then hold. Knows no flow. Every packet is counted once: by the
// programs in COUNTERS, or here where the kernel takes none so short.

import type { Library, LibraryHandle } from "./library.ts";
import type { Framing } from "./link-type.ts";
import type { CapturedPacket } from "./packet.ts";
import type { Probe } from "./probe.ts";

/** No header that is read stands behind this (bpf/packet.bpf.h); the kernel takes up to about 3,700 bytes. */
const MOST_BYTES = 2048;
const ETHERNET_BYTES = 14;
const ETHERTYPE = { at: 12, ipv4: 0x0800, ipv6: 0x86dd } as const;
/** Shorter frames are refused by BPF_PROG_TEST_RUN (seen with 6.18), and hold no whole IP header. */
const LEAST_BYTES = { ipv4: ETHERNET_BYTES + 20, ipv6: ETHERNET_BYTES + 40 } as const;
const WORD = 4294967296;

/** Words of `struct merminbpf_test_packet`. */
const TEST = { wireLength: 0, timeLow: 1, timeHigh: 2, words: 12 } as const;

/** Feeds packets to the ingress program. */
export class PacketRunner {
  readonly #probe: Probe;
  readonly #library: Library;
  readonly #handle: LibraryHandle;
  readonly #frame: Buffer = Buffer.from(new ArrayBuffer(MOST_BYTES));
  readonly #test: Uint32Array = new Uint32Array(new ArrayBuffer(TEST.words * 4));
  #packets = 0;
  #shortPackets = 0;

  constructor(probe: Probe) {
    this.#probe = probe;
    this.#library = probe.library;
    this.#handle = probe.handle;
  }

  /** Packets run, short ones among them. */
  get packets(): number {
    return this.#packets;
  }

  /** Packets that end before the link or IP header does: malformed, and not seen by the programs. */
  get shortPackets(): number {
    return this.#shortPackets;
  }

  /**
   * Runs one packet.
   * @param timeNs the packet's time on the clock that stands for CLOCK_MONOTONIC; not negative
   * @throws ShimError where the kernel refuses the run
   */
  run(packet: CapturedPacket, timeNs: number): void {
    this.#packets++;
    const headerBytes = packet.framing === "ethernet" ? 0 : ETHERNET_BYTES;
    const frame = this.#frame;
    const length = Math.min(headerBytes + packet.length, MOST_BYTES);
    packet.bytes.copy(frame, headerBytes, packet.start, packet.start + length - headerBytes);
    if (headerBytes > 0) this.#writeHeader(packet.framing);
    if (this.#isShort(length)) {
      this.#shortPackets++;
      return;
    }
    const test = this.#test;
    test[TEST.wireLength] = headerBytes + packet.originalLength;
    test[TEST.timeLow] = timeNs % WORD;
    test[TEST.timeHigh] = timeNs / WORD;
    const result = this.#library.merminbpf_test_run(this.#handle, frame, length, test);
    if (result < 0) this.#probe.check(result, `Cannot run packet ${this.#packets}`);
  }

  /** The Ethernet header that a raw IP packet lacks: no addresses, and the type by its version. */
  #writeHeader(framing: Framing): void {
    const frame = this.#frame;
    frame.fill(0, 0, ETHERNET_BYTES);
    const version = (frame[ETHERNET_BYTES] as number) >>> 4;
    let ethertype = 0;
    if (framing === "ipv4" || (framing === "ip" && version === 4)) ethertype = ETHERTYPE.ipv4;
    if (framing === "ipv6" || (framing === "ip" && version === 6)) ethertype = ETHERTYPE.ipv6;
    frame.writeUInt16BE(ethertype, ETHERTYPE.at);
  }

  #isShort(length: number): boolean {
    if (length < ETHERNET_BYTES) return true;
    const ethertype = this.#frame.readUInt16BE(ETHERTYPE.at);
    if (ethertype === ETHERTYPE.ipv4) return length < LEAST_BYTES.ipv4;
    return ethertype === ETHERTYPE.ipv6 && length < LEAST_BYTES.ipv6;
  }
}
