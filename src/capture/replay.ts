// Runs the packets of a capture file through the programs by BPF_PROG_TEST_RUN. Comes in: a probe with the knob
// `replay` set, packets. Goes out: what the maps then hold. Knows no flow. Every packet is counted once: by the
// programs in COUNTERS, or here where the kernel takes none so short.

import type { Library, LibraryHandle } from "./library.ts";
import { ethertypeOf, LINK_HEADER_BYTES } from "./link-type.ts";
import type { CapturedPacket } from "./packet.ts";
import type { Probe } from "./probe.ts";

/** No header that is read stands behind this (bpf/packet.bpf.h); the kernel takes up to about 3,700 bytes. */
const MOST_BYTES = 2048;
const ETHERNET_BYTES = 14;
const ETHERTYPE = { at: 12, ipv4: 0x0800, ipv6: 0x86dd } as const;
/**
 * Shorter frames are refused by BPF_PROG_TEST_RUN (seen with 6.18), and hold no whole IP header. So it is only where the
 * header follows at once: behind tags, labels and PPPoE the program judges.
 */
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
    const length = this.#writeFrame(packet);
    if (this.#isShort(length)) {
      this.#shortPackets++;
      return;
    }
    const test = this.#test;
    test[TEST.wireLength] = packet.originalLength + addedBytes(packet);
    test[TEST.timeLow] = timeNs % WORD;
    test[TEST.timeHigh] = timeNs / WORD;
    const result = this.#library.merminbpf_test_run(this.#handle, this.#frame, length, test);
    if (result < 0) this.#probe.check(result, `Cannot run packet ${this.#packets}`);
  }

  /** The packet as an Ethernet frame; returns its length, as far as it is read, 0 where the link header is cut short. */
  #writeFrame(packet: CapturedPacket): number {
    const { bytes, start, framing } = packet;
    const length = Math.min(packet.length + addedBytes(packet), MOST_BYTES);
    if (framing === "ethernet") {
      bytes.copy(this.#frame, 0, start, start + length);
      return length;
    }
    if (length < ETHERNET_BYTES) return 0;
    const from = start + LINK_HEADER_BYTES[framing];
    bytes.copy(this.#frame, ETHERNET_BYTES, from, from + length - ETHERNET_BYTES);
    // No addresses: what the capture has of them is no frame's.
    this.#frame.fill(0, 0, ETHERTYPE.at);
    this.#frame.writeUInt16BE(ethertypeOf(framing, bytes, start, packet.length), ETHERTYPE.at);
    return length;
  }

  #isShort(length: number): boolean {
    if (length < ETHERNET_BYTES) return true;
    const ethertype = this.#frame.readUInt16BE(ETHERTYPE.at);
    if (ethertype === ETHERTYPE.ipv4) return length < LEAST_BYTES.ipv4;
    return ethertype === ETHERTYPE.ipv6 && length < LEAST_BYTES.ipv6;
  }
}

/** How much longer than the packet its Ethernet frame is; negative where its own link header is the longer. */
function addedBytes({ framing }: CapturedPacket): number {
  return framing === "ethernet" ? 0 : ETHERNET_BYTES - LINK_HEADER_BYTES[framing];
}
