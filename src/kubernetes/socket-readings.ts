// Who listened on the host's network, and when: what is known between readings of its sockets. A socket tells of no change,
// so that a flow that began between two readings is somebody's only if both readings know of nobody else.

import type { SocketHolder } from "./socket-holders.ts";
import { type HeldSocket, merge, type SocketEnd, SocketIndex } from "./socket-index.ts";

/** The host's sockets, all of them, at one time. */
export interface SocketReading {
  /** ms since 1970. */
  readonly atMs: number;
  /** Four words each. */
  readonly addresses: Uint32Array;
  readonly sockets: readonly HeldSocket[];
}

/** Readings of which all say the same. */
interface Period {
  readonly index: SocketIndex;
  /** The first of them, and the last. */
  readonly fromMs: number;
  toMs: number;
}

/** What the readings say of an end at one time. Reused, so mutable. */
export interface SocketAnswer {
  /** undefined: nobody, as far as is known. */
  holder: SocketHolder | undefined;
  /** A reading before the time and one after it saw that holder, and none in between saw another. */
  isSeen: boolean;
  /** The next reading may say something else. */
  isPending: boolean;
}

/** The first reading is taken as if there had been one before that saw nobody: the time from one to the next, in ms. */
const INTERVAL_MS = 30_000;
/** What was longer ago says nothing of now: sockets cannot be read, or are too many, or the machine was asleep. */
const STALE_MS = 4 * INTERVAL_MS;
/** Sockets and addresses of all periods that are kept, about 10 MB: four times those of the longest reading. */
const MOST_KEPT = 131_072;

/** Readings in the order of their times. */
export class SocketReadings {
  readonly #keptMs: number;
  #periods: readonly Period[] = [];
  /** Of what was before nothing is known. */
  #fromMs = 0;

  /** @param keptMs how long ago a flow may have begun that is asked about */
  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  /** Sockets and addresses kept, of all periods. */
  get size(): number {
    return this.#periods.reduce((sum, { index }) => sum + index.size, 0);
  }

  add({ atMs, addresses, sockets }: SocketReading): void {
    const index = new SocketIndex(addresses, sockets);
    const last = this.#periods.at(-1);
    if (last === undefined || !isNext(last, atMs)) this.#begin(index, atMs);
    else this.#periods = [...this.#periods, { index, fromMs: atMs, toMs: atMs }];
    while (this.#isOver(atMs)) {
      this.#periods = this.#periods.slice(1);
      this.#fromMs = this.#periods[0]?.fromMs ?? atMs;
    }
  }

  /** The last reading was made again, and says the same. */
  confirm(atMs: number): void {
    const last = this.#periods.at(-1);
    if (last === undefined) return;
    if (isNext(last, atMs)) last.toMs = atMs;
    else this.#begin(last.index, atMs);
  }

  /** Writes into `answer` who was at that end at `startMs`. */
  find(end: SocketEnd, startMs: number, answer: SocketAnswer): void {
    answer.holder = undefined;
    answer.isSeen = false;
    answer.isPending = false;
    if (startMs < this.#fromMs) return;
    let before: Period | undefined;
    let after: Period | undefined;
    for (const period of this.#periods) {
      if (period.fromMs <= startMs) before = period;
      else after ??= period;
    }
    const isStale = before !== undefined && startMs > before.toMs + STALE_MS;
    const first = isStale ? undefined : before?.index.find(end);
    if (before !== undefined && startMs <= before.toMs) {
      answer.holder = first;
      answer.isSeen = first !== undefined;
      return;
    }
    const second = after?.index.find(end);
    answer.holder = first !== undefined && second !== undefined ? merge(first, second) : (first ?? second);
    answer.isSeen = first !== undefined && second !== undefined;
    answer.isPending = after === undefined && before?.index.hasAddress(end) === true;
  }

  #begin(index: SocketIndex, atMs: number): void {
    this.#fromMs = atMs - INTERVAL_MS;
    this.#periods = [{ index, fromMs: atMs, toMs: atMs }];
  }

  /** Whether the first period is not asked about any more, or there are too many sockets. */
  #isOver(atMs: number): boolean {
    const [, second] = this.#periods;
    if (second === undefined) return false;
    return second.fromMs < atMs - this.#keptMs || this.size > MOST_KEPT;
  }
}

/** Whether it is of the time after the last one: else the clock was set back, or nobody read for long. */
function isNext({ toMs }: Period, atMs: number): boolean {
  return toMs <= atMs && atMs <= toMs + STALE_MS;
}
