// What outlives the agent in the BPF file system: maps and links that the next agent takes over, and what was told of
// flows. Comes in: a Probe. Goes out: entries of FLOW_EXPORTED and FLOW_TAKEN, as words.

import { EXPORTED_BYTES, EXPORTED_ENTRY_WORDS, TAKEN_BYTES } from "./exported.ts";
import { nulTerminated } from "./library.ts";
import type { Probe } from "./probe.ts";
import { DETAILS_BYTES, type FlowSampleBatch, KEY_BYTES, number64, VALUE_WORDS } from "./record.ts";
import { ERRNO } from "./shim-error.ts";

/** Entries that cross at a time: about 2 ms of system calls. */
const SLICE_ENTRIES = 1024;
const EXPORTED_WORDS = EXPORTED_BYTES / 4;
const TAKEN_WORDS = TAKEN_BYTES / 4;

/** How pins are used. */
export interface PinOptions {
  readonly directory: string;
  /** Whether what is attached and pinned stays when the probe is closed. */
  readonly isKept: boolean;
}

/** What an earlier agent left: whether its maps go on, or why they cannot. */
export interface PinUse {
  readonly hasEarlier: boolean;
  readonly refusal: string | undefined;
}

/** Keys and values of FLOW_EXPORTED (see exported.ts); valid until the next call. */
export interface ExportedBatch {
  readonly count: number;
  readonly keys: Uint32Array;
  readonly values: Uint32Array;
}

/** Flows that were taken: keys, last values, and what was told of each, as {@link ExportedBatch.values}; all zero: nothing. */
export interface TakenBatch extends FlowSampleBatch {
  readonly present: Uint8Array;
  readonly told: Uint32Array;
}

/** The pins of one probe. */
export class Pins {
  readonly #probe: Probe;
  readonly #entries: Uint32Array = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * EXPORTED_ENTRY_WORDS * 4));

  constructor(probe: Probe) {
    this.#probe = probe;
  }

  /**
   * To be called before the probe is loaded, and with the host's lock held.
   * @throws ShimError where the directory cannot be read
   */
  use({ directory, isKept }: PinOptions): PinUse {
    const { library, handle } = this.#probe;
    const found = library.merminbpf_pins_use(handle, nulTerminated(directory), isKept ? 1 : 0);
    if (found === ERRNO.exist) return { hasEarlier: false, refusal: this.#probe.errorText() };
    return {
      hasEarlier: this.#probe.check(found, `Cannot use the pins in ${directory}`) > 0,
      refusal: undefined,
    };
  }

  /** Detaches the links that earlier agents left, of whatever version, and that are not this one's now. */
  prune(): void {
    const { library, handle } = this.#probe;
    this.#probe.check(library.merminbpf_pins_prune(handle), "Cannot remove pinned links");
  }

  /** Removes the pins of every map that is used. */
  remove(): void {
    const { library, handle } = this.#probe;
    this.#probe.check(library.merminbpf_pins_remove(handle), "Cannot remove pinned maps");
  }

  /** Packets accounted in the maps that are used, and told by agents before this one: to be asked once. */
  resume(): number {
    const { library, handle } = this.#probe;
    const words = new Uint32Array(new ArrayBuffer(8));
    this.#probe.check(library.merminbpf_account_resume(handle, words), "Cannot take over the account");
    return number64(words, 0);
  }

  /** What was told and acknowledged of flows, by the agent before. */
  *exported(): Generator<ExportedBatch, void, void> {
    const keys = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * KEY_BYTES));
    const values = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * EXPORTED_BYTES));
    for (let count = this.#next(0, keys, values); count > 0; count = this.#next(0, keys, values))
      yield { count, keys, values };
  }

  /** Flows that the agent before took out of the table, and whose last record was not acknowledged. */
  *taken(): Generator<TakenBatch, void, void> {
    const keys = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * KEY_BYTES));
    const entries = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * TAKEN_BYTES));
    const values = new Uint32Array(SLICE_ENTRIES * VALUE_WORDS);
    const told = new Uint32Array(SLICE_ENTRIES * EXPORTED_WORDS);
    const details = new Uint32Array(SLICE_ENTRIES * (DETAILS_BYTES / 4));
    const present = new Uint8Array(SLICE_ENTRIES).fill(1);
    for (let count = this.#next(1, keys, entries); count > 0; count = this.#next(1, keys, entries)) {
      for (let i = 0; i < count; i++) {
        const entry = entries.subarray(i * TAKEN_WORDS, (i + 1) * TAKEN_WORDS);
        values.set(entry.subarray(0, VALUE_WORDS), i * VALUE_WORDS);
        told.set(entry.subarray(VALUE_WORDS), i * EXPORTED_WORDS);
      }
      yield { count, keys, values, details, present, told };
    }
  }

  /** Writes entries of {@link EXPORTED_ENTRY_WORDS}, `count` of them from entry `first` on. */
  write(entries: Uint32Array, first: number, count: number): void {
    const { library, handle } = this.#probe;
    for (let done = 0; done < count; done += SLICE_ENTRIES) {
      const slice = Math.min(SLICE_ENTRIES, count - done);
      const from = (first + done) * EXPORTED_ENTRY_WORDS;
      this.#entries.set(entries.subarray(from, from + slice * EXPORTED_ENTRY_WORDS));
      const result = library.merminbpf_exported_write(handle, this.#entries, slice);
      this.#probe.check(result, "Cannot write what was told");
    }
  }

  #next(taken: 0 | 1, keys: Uint32Array, values: Uint32Array): number {
    const { library, handle } = this.#probe;
    const count = library.merminbpf_kept_next(handle, taken, keys, values, SLICE_ENTRIES);
    return this.#probe.check(count, "Cannot read what was told");
  }
}
