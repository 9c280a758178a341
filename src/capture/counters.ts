// COUNTERS over agents: what the programs counted, what of it agents have shown, what is this one's to show.
// Comes in: a Probe. Goes out: counters, and a note of what is shown for the agent that comes after.

import type { Probe } from "./probe.ts";
import { number64 } from "./record.ts";
import { COUNTER_NAMES, type KernelCounter } from "./stats.ts";

/** struct counter: two 64-bit numbers. */
const COUNTER_WORDS = 4;

/** Room for all counters, to be shared with the library. */
export function counterWords(): Uint32Array {
  return new Uint32Array(new ArrayBuffer(COUNTER_NAMES.length * COUNTER_WORDS * 4));
}

/** What the library wrote, in the order of {@link COUNTER_NAMES}. */
export function decodeCounters(words: Uint32Array): readonly KernelCounter[] {
  return COUNTER_NAMES.map((_, index) => ({
    packets: number64(words, index * COUNTER_WORDS),
    bytes: number64(words, index * COUNTER_WORDS + 2),
  }));
}

/** The part of COUNTERS that is one agent's to show. */
export class OwnCounters {
  readonly #probe: Probe;
  readonly #words: Uint32Array = counterWords();
  /** What is not. */
  #others: readonly KernelCounter[] = [];

  constructor(probe: Probe) {
    this.#probe = probe;
  }

  /** What of `counted`, all that there is, is this agent's. */
  of(counted: readonly KernelCounter[]): readonly KernelCounter[] {
    return counted.map((counter, index) => difference(counter, this.#others[index]));
  }

  /**
   * Leaves out what agents before have shown; of what was accounted, `settled` packets, as others are this agent's to
   * tell.
   */
  leaveOutShown(settled: number): void {
    const { library, handle } = this.#probe;
    const result = library.merminbpf_shown_read(handle, this.#words, COUNTER_NAMES.length);
    this.#probe.check(result, "Cannot read what was shown");
    this.#others = decodeCounters(this.#words).map((counter, index) =>
      index === 0 ? { ...counter, packets: settled } : counter,
    );
  }

  /** So much of what is counted is shown: an agent after this one leaves it out. */
  noteShown(counted: readonly KernelCounter[]): void {
    const words = this.#words;
    for (const [index, { packets, bytes }] of counted.entries()) {
      writeNumber64(words, index * COUNTER_WORDS, packets);
      writeNumber64(words, index * COUNTER_WORDS + 2, bytes);
    }
    const { library, handle } = this.#probe;
    const result = library.merminbpf_shown_write(handle, words, counted.length);
    this.#probe.check(result, "Cannot write what was shown");
  }

  /**
   * Takes on what programs of another version, or with maps of another size, counted and nobody told or showed; once
   * they are gone. What they counted is in {@link of} from then on, but for packets that only their own maps tell.
   * @returns those: taken for flows, or sent as events
   */
  takeOnOthers(): number {
    const { library, handle } = this.#probe;
    const result = library.merminbpf_counters_set_off(handle, this.#words, COUNTER_NAMES.length);
    this.#probe.check(result, "Cannot set off what others counted");
    const counters = decodeCounters(this.#words);
    const untold = [COUNTER_NAMES.indexOf("accounted"), COUNTER_NAMES.indexOf("overflow")];
    this.#others = COUNTER_NAMES.map((_, index) =>
      difference(this.#others[index], untold.includes(index) ? undefined : counters[index]),
    );
    return untold.reduce((sum, index) => sum + (counters[index]?.packets ?? 0), 0);
  }
}

function difference(one: KernelCounter | undefined, other: KernelCounter | undefined): KernelCounter {
  const { packets = 0, bytes = 0 } = one ?? {};
  return { packets: packets - (other?.packets ?? 0), bytes: bytes - (other?.bytes ?? 0) };
}

/** Low word first. */
function writeNumber64(words: Uint32Array, at: number, value: number): void {
  words[at] = value;
  words[at + 1] = Math.floor(value / 0x1_0000_0000);
}
