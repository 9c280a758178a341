// What conntrack tells, brought to the table in the order that it happened in: events are read before the ring and
// applied after it, so that a connection's packets are known before its translation is. Everything there is is listed
// at the start, after lost events, and now and then. Comes in: Conntrack. Goes out: calls of the table's translator.

import { Conntrack } from "./capture/conntrack.ts";
import type { Probe } from "./capture/probe.ts";
import type { CaptureClock } from "./capture/record.ts";
import type { ConntrackStats } from "./capture/stats.ts";
import type { TranslationBatch } from "./capture/translation.ts";
import { readInNamespace } from "./capture/watched-namespace.ts";
import type { Translator } from "./flow/translator.ts";
import type { Logger } from "./lib/log.ts";

/** Entries made before there was a listener end without an event: listings find out. */
const LISTING_INTERVAL_NS = 60e9;
const RETRY_NS = 1e9;
/** Steps of the first listing: 32 KiB each, of entries that may come twice. */
const MOST_STEPS = 10_000;
const EVENTS_SETTING = "/proc/sys/net/netfilter/nf_conntrack_events";
const NOTHING: TranslationBatch = { count: 0, words: new Uint32Array(0) };

/** Parts of a feed; all belong to the agent. */
export interface FeedParts {
  readonly probe: Probe;
  readonly translator: Translator;
  readonly log: Logger;
  /** As for {@link Conntrack}. */
  readonly receiveBytes?: number;
}

/** Follows conntrack as long as it can be followed. */
export class TranslationFeed {
  readonly #parts: FeedParts;
  #conntrack: Conntrack | undefined;
  #events: TranslationBatch = NOTHING;
  #isListing = false;
  #listingDueNs = 0;
  #resyncs = 0;

  constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  stats(): ConntrackStats {
    return { isFollowed: this.#conntrack !== undefined, resyncs: this.#resyncs };
  }

  /** Subscribes, then lists what there is. Without conntrack translated conversations are told twice: said once. */
  start(nowNs: number): void {
    this.#guard(() => {
      const { probe, receiveBytes } = this.#parts;
      if (readSetting() === "0") throw new Error(`${EVENTS_SETTING} is 0`);
      this.#conntrack = new Conntrack(probe, receiveBytes);
      this.#beginListing(this.#conntrack, nowNs);
      for (let step = 0; this.#isListing && step < MOST_STEPS; step++) this.#list(this.#conntrack, nowNs);
    });
  }

  /** Takes the events that wait; to be called before the ring is drained. */
  read(): void {
    const conntrack = this.#conntrack;
    if (conntrack === undefined) return;
    this.#guard(() => {
      this.#events = conntrack.read();
    });
  }

  /** Applies what was read, and goes on with a listing; to be called after. `nowNs` is CLOCK_MONOTONIC. */
  apply(nowNs: number): void {
    const conntrack = this.#conntrack;
    if (conntrack === undefined) return;
    this.#guard(() => {
      const { translator } = this.#parts;
      translator.add(this.#events, nowNs);
      this.#events = NOTHING;
      this.#noteOverrun(conntrack, nowNs);
      if (this.#isListing) this.#list(conntrack, nowNs);
      else if (nowNs >= this.#listingDueNs) this.#beginListing(conntrack, nowNs);
      translator.expire(nowNs);
    });
  }

  #noteOverrun(conntrack: Conntrack, nowNs: number): void {
    if (!conntrack.hasOverrun()) return;
    this.#resyncs++;
    this.#listingDueNs = nowNs;
  }

  #beginListing(conntrack: Conntrack, nowNs: number): void {
    conntrack.list();
    this.#isListing = true;
    this.#listingDueNs = nowNs + LISTING_INTERVAL_NS;
    this.#parts.translator.beginListing();
  }

  #list(conntrack: Conntrack, nowNs: number): void {
    const batch = conntrack.listed();
    this.#parts.translator.add(batch, nowNs);
    if (batch.status === "listing") return;
    this.#isListing = false;
    if (batch.status === "complete") this.#parts.translator.endListing(nowNs);
    else this.#listingDueNs = nowNs + RETRY_NS;
  }

  /** What fails is not tried again: the kernel has no conntrack, or the agent no privilege. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#conntrack = undefined;
      this.#parts.log.info("conntrack is not followed: translated conversations are told as two", {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }
}

/** The moment of a clock, in ns. */
export function monotonicNs({ monotonicLow, monotonicHigh }: CaptureClock): number {
  return monotonicLow + monotonicHigh * 0x1_0000_0000;
}

/** Of the watched namespace; "" where it has none. */
function readSetting(): string {
  try {
    return readInNamespace(EVENTS_SETTING).trim();
  } catch {
    return "";
  }
}
