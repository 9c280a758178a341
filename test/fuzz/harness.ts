// Runs packets through the programs and through the reference, and makes a failing batch small.

import type { Side } from "../../src/capture/probe.ts";
import { Bench } from "../bpf/bench.ts";
import { type ReferenceOptions, ReferenceParser } from "../support/reference-packet.ts";
import { findDifferences } from "./compare.ts";
import { Expected } from "./expected.ts";
import { type FuzzPacket, formatPacket } from "./packet.ts";

const BEGIN_NS = 1e12;
/** Between batches: what the programs know of fragments is too old by then. */
const PAUSE_NS = 100e9;

/** A loaded object beside the reference. Times go on from batch to batch. */
export class Harness implements Disposable {
  readonly #options: ReferenceOptions;
  readonly #bench: Bench;
  #nowNs = BEGIN_NS;

  constructor(options: ReferenceOptions) {
    this.#options = options;
    const keyIncludes = [
      ...(options.keyIncludesVlan ? (["vlan"] as const) : []),
      ...(options.keyIncludesTunnelId ? (["tunnel_id"] as const) : []),
    ];
    this.#bench = new Bench({ isReplay: options.isReplay, parser: options.ports, keyIncludes });
  }

  /** Runs a batch on both. Returns what differs, empty where they agree. */
  run(packets: readonly FuzzPacket[], side: Side): string[] {
    const reference = new ReferenceParser(this.#options);
    const expected = new Expected();
    this.#nowNs += PAUSE_NS;
    this.#bench.reset();
    const counts = this.#bench.counting(() => {
      for (const packet of packets) {
        this.#nowNs += packet.delayNs;
        const { bytes, wireLength, gsoSegments, gsoSize } = packet;
        const given = { wireLength, gsoSegments, gsoSize, atNs: this.#nowNs };
        if (this.#bench.runOrRefuse(bytes, { ...given, egress: side === "egress" }))
          expected.add(reference.parse({ bytes, ...given }));
      }
    });
    return findDifferences(expected, counts, this.#bench.flows());
  }

  /** The report of a batch that differs, made as small as leaving packets and bytes out makes it. */
  report(packets: readonly FuzzPacket[], side: Side): string {
    const fewer = this.#shrink(packets, side);
    const differences = this.run(fewer, side);
    return [...differences, ...fewer.map(formatPacket)].join("\n");
  }

  #shrink(packets: readonly FuzzPacket[], side: Side): readonly FuzzPacket[] {
    let kept = packets;
    for (let size = Math.ceil(packets.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let first = 0; first < kept.length; ) {
        const fewer = kept.toSpliced(first, size);
        if (fewer.length > 0 && this.run(fewer, side).length > 0) kept = fewer;
        else first += size;
      }
    }
    return kept;
  }

  [Symbol.dispose](): void {
    this.#bench[Symbol.dispose]();
  }
}
