// An exporter's books: what it accepted and what became of it, and who waits until nothing is left.

import type { DropReason, ExporterStats } from "./exporter-stats.ts";

type RequestOutcome = keyof ExporterStats["requests"];

/** Counts spans and requests; the counters only grow. */
export class Ledger {
  #accepted = 0;
  #sent = 0;
  #droppedTotal = 0;
  readonly #dropped: Partial<Record<DropReason, number>> = {};
  readonly #requests: Record<RequestOutcome, number> = { success: 0, failure: 0 };
  #waiting: (() => void)[] = [];

  accept(spans: number): void {
    this.#accepted += spans;
  }

  send(spans: number): void {
    this.#sent += spans;
    this.#wake();
  }

  drop(reason: DropReason, spans: number): void {
    if (spans === 0) return;
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + spans;
    this.#droppedTotal += spans;
    this.#wake();
  }

  request(outcome: RequestOutcome): void {
    this.#requests[outcome]++;
  }

  /**
   * Waits until every accepted span is sent or dropped.
   * @returns whether none was dropped since the call; false at once when `signal` aborts
   */
  async settle(signal: AbortSignal): Promise<boolean> {
    const before = this.#droppedTotal;
    while (!this.#isSettled() && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      this.#waiting.push(wake);
      signal.addEventListener("abort", wake, { once: true });
      await promise;
      signal.removeEventListener("abort", wake);
    }
    return this.#isSettled() && this.#droppedTotal === before;
  }

  /** Waits while `isFull`, which is asked again after every span sent or dropped, but not beyond `limitMs`. */
  async room(isFull: () => boolean, limitMs: number): Promise<void> {
    let isPatient = true;
    let wake = (): void => {};
    const timer = setTimeout(() => {
      isPatient = false;
      wake();
    }, limitMs);
    while (isPatient && isFull()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      this.#waiting.push(resolve);
      await promise;
    }
    clearTimeout(timer);
  }

  /** @param queue spans held now, and the most the queue holds */
  stats(queue: { readonly spans: number; readonly capacity: number }): ExporterStats {
    return {
      accepted: this.#accepted,
      sent: this.#sent,
      dropped: { ...this.#dropped },
      queueSpans: queue.spans,
      queueCapacity: queue.capacity,
      requests: { ...this.#requests },
    };
  }

  #isSettled(): boolean {
    return this.#accepted === this.#sent + this.#droppedTotal;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
