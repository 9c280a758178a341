// Whether a collector is sent requests side by side, none, or one to see whether it is back. Says when; sends nothing.

import type { BreakerState } from "./exporter-stats.ts";
import type { RetryConfig } from "./otlp-config.ts";

/** Failures in a row after which a collector is thought to be down. */
const THRESHOLD = 5;

/** Pauses differ by up to this part of them, so that a fleet does not come back as one. */
const JITTER = 0.2;

export class Breaker {
  readonly #retry: RetryConfig;
  #failures = 0;
  #resumeAt = 0;

  constructor(retry: RetryConfig) {
    this.#retry = retry;
  }

  /** No attempt before this, `performance.now()`. */
  get resumeAt(): number {
    return this.#resumeAt;
  }

  /** Whether the last attempt failed. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  state(now: number): BreakerState {
    if (this.#failures < THRESHOLD) return "closed";
    return now < this.#resumeAt ? "open" : "half_open";
  }

  /** Attempts that may be under way at once, of `most` in good times. */
  limit(most: number): number {
    return this.#failures < THRESHOLD ? most : 1;
  }

  /** The pause after so many failures (1 or more), in ms. */
  pauseMs(failures: number): number {
    const { initial, factor, maximum } = this.#retry;
    return Math.min(initial * factor ** (failures - 1), maximum) * (1 + JITTER * (Math.random() * 2 - 1));
  }

  /** @param retryAfterMs what the collector asked for, which holds for every request up to the longest pause */
  fail(now: number, retryAfterMs: number | undefined): void {
    this.#failures++;
    // Requests that fail side by side lengthen the pause once.
    if (this.#failures >= THRESHOLD && now >= this.#resumeAt) {
      this.#resumeAt = now + this.pauseMs(this.#failures - THRESHOLD + 1);
    }
    const asked = Math.min(retryAfterMs ?? 0, this.#retry.maximum);
    this.#resumeAt = Math.max(this.#resumeAt, now + asked);
  }

  succeed(): void {
    this.#failures = 0;
    this.#resumeAt = 0;
  }

  /** Ends the pause; the failures stand. */
  hasten(): void {
    this.#resumeAt = 0;
  }
}
