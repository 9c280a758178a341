// The shipped BPF object under BPF_PROG_TEST_RUN: frames go in, counters, flows and events are read out of the maps.
// Every run checks what holds for every packet: no verdict, not a byte changed.

import { openProbe, type Probe, type ProbeOptions } from "../../src/capture/probe.ts";
import { Reader } from "../../src/capture/reader.ts";
import { COUNTER_NAMES } from "../../src/capture/stats.ts";
import { decodeEvents, decodeFlow, type Flow, type FlowEvent } from "./decode.ts";

/** As the agent's, with small maps by default. */
export type BenchOptions = Partial<Omit<ProbeOptions, "object">>;

export interface RunOptions {
  readonly egress?: boolean;
  /** Time of the packet; used with `isReplay`. */
  readonly atNs?: number;
  /** Length on the wire; used with `isReplay`. */
  readonly wireLength?: number;
  readonly ifindex?: number;
  readonly ingressIfindex?: number;
  readonly gsoSegments?: number;
  readonly gsoSize?: number;
}

/** Packets and bytes by reason; reasons that did not change are absent. */
export type Counts = Readonly<Partial<Record<(typeof COUNTER_NAMES)[number], readonly [number, number]>>>;

const NO_VERDICT = 0xffffffff;
const EINVAL = -22;
const FRAME_BYTES = 4096;
const TEST_WORDS = 12;
const TWO_32 = 4294967296;

/** A loaded object with a small table. @throws Error without root. */
export class Bench implements Disposable {
  readonly probe: Probe;
  readonly reader: Reader;
  readonly #frame: Uint8Array = new Uint8Array(new ArrayBuffer(FRAME_BYTES));
  readonly #test: Uint32Array = new Uint32Array(new ArrayBuffer(TEST_WORDS * 4));
  readonly #interface: Uint32Array = new Uint32Array(new ArrayBuffer(40));
  readonly #sameSide: Uint32Array = new Uint32Array(new ArrayBuffer(32));

  constructor(options: BenchOptions = {}) {
    requireRoot();
    this.probe = openProbe({ tableCapacity: 2048, ringBufferBytes: 1 << 20, isReplay: false, ...options });
    this.reader = new Reader(this.probe);
    this.reader.beginScan();
  }

  /** Runs a program over a frame and returns what it counted. @throws Error on a verdict or a changed packet. */
  run(bytes: Uint8Array, options: RunOptions = {}): Counts {
    const before = this.#counters();
    if (!this.runOrRefuse(bytes, options))
      throw new Error(`The kernel refuses a test run of ${bytes.length} bytes`);
    return difference(before, this.#counters());
  }

  /** As {@link run} without reading the counters; false where the kernel refuses the frame's length. */
  runOrRefuse(bytes: Uint8Array, options: RunOptions = {}): boolean {
    const { library, handle } = this.probe;
    const at = options.atNs ?? 0;
    this.#frame.set(bytes);
    this.#test.set([
      options.wireLength ?? 0,
      at % TWO_32,
      Math.floor(at / TWO_32),
      options.ifindex ?? 0,
      options.ingressIfindex ?? 0,
      options.gsoSegments ?? 0,
      options.gsoSize ?? 0,
      options.egress ? 1 : 0,
      1,
    ]);
    const result = library.merminbpf_test_run(handle, this.#frame, bytes.length, this.#test);
    if (result === EINVAL) return false;
    this.probe.check(result, "Cannot run the program");
    if (this.#test[9] !== NO_VERDICT) throw new Error(`The program gave the verdict ${this.#test[9]}`);
    if (this.#test[11] !== 0) throw new Error("The program changed the packet");
    return true;
  }

  /** Counts of everything that `action` does. */
  counting(action: () => void): Counts {
    const before = this.#counters();
    action();
    return difference(before, this.#counters());
  }

  /** Every flow in the table. Begins a new scan generation. */
  flows(): Flow[] {
    const flows: Flow[] = [];
    this.reader.beginScan();
    for (let slice = this.reader.nextSlice(); slice !== undefined; slice = this.reader.nextSlice()) {
      for (let index = 0; index < slice.count; index++) flows.push(decodeFlow(slice, index));
    }
    return flows;
  }

  /** The only flow in the table. Begins a new scan generation. */
  flow(): Flow {
    const flows = this.flows();
    const [flow] = flows;
    if (flow === undefined || flows.length !== 1) throw new Error(`Expected one flow, found ${flows.length}`);
    return flow;
  }

  /** Takes what the ring holds. */
  events(): FlowEvent[] {
    return decodeEvents(this.reader.drain());
  }

  /** Empties the table and the ring. */
  reset(): void {
    this.reader.beginScan();
    for (let slice = this.reader.nextSlice(); slice !== undefined; slice = this.reader.nextSlice()) {
      const keys = slice.keys.slice();
      this.reader.take(keys, 0, slice.count);
    }
    this.reader.drain();
  }

  addInterface(ifindex: number, linkLayer: "ethernet" | "none"): void {
    const { library, handle } = this.probe;
    const result = library.merminbpf_interface_add(handle, ifindex, linkLayer === "none" ? 1 : 0);
    this.probe.check(result, "Cannot add the interface");
  }

  removeInterface(ifindex: number): void {
    const result = this.probe.library.merminbpf_interface_remove(this.probe.handle, ifindex);
    this.probe.check(result, "Cannot remove the interface");
  }

  /** Packets and bytes of an interface: ingress, then egress. */
  interfaceCounts(ifindex: number): {
    readonly packets: readonly number[];
    readonly bytes: readonly number[];
  } {
    const result = this.probe.library.merminbpf_interface_read(this.probe.handle, ifindex, this.#interface);
    this.probe.check(result, "Cannot read the interface");
    const [ingress = 0, , egress = 0, , ingressBytes = 0, , egressBytes = 0] = this.#interface;
    return { packets: [ingress, egress], bytes: [ingressBytes, egressBytes] };
  }

  /** Says through which other interfaces a packet seen at `ifindex` also passes. */
  relate(ifindex: number, sameSide: readonly number[], oppositeSide: number): void {
    const { library, handle } = this.probe;
    this.#sameSide.fill(0);
    this.#sameSide.set(sameSide);
    const result = library.merminbpf_interface_relate(handle, ifindex, this.#sameSide, oppositeSide);
    this.probe.check(result, "Cannot relate the interface");
  }

  [Symbol.dispose](): void {
    this.probe[Symbol.dispose]();
  }

  #counters(): readonly { readonly packets: number; readonly bytes: number }[] {
    return this.reader.counters();
  }
}

/** Fails with a clear message where the tests cannot run. */
export function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new Error("Tests of the BPF programs load them: run as root");
}

function difference(
  before: readonly { readonly packets: number; readonly bytes: number }[],
  after: readonly { readonly packets: number; readonly bytes: number }[],
): Counts {
  const counts: { [reason: string]: readonly [number, number] } = {};
  COUNTER_NAMES.forEach((name, index) => {
    const packets = (after[index]?.packets ?? 0) - (before[index]?.packets ?? 0);
    const bytes = (after[index]?.bytes ?? 0) - (before[index]?.bytes ?? 0);
    if (packets !== 0 || bytes !== 0) counts[name] = [packets, bytes];
  });
  return counts;
}
