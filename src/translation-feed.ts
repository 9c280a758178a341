// What conntrack tells, brought to the table in the order that it happened in: events are read before the ring and
// applied after it, so that a connection's packets are known before its translation is. Everything there is is listed
// at the start, after lost events, and now and then. What fails is tried again, for ever; until it succeeds nothing is
// known to live. Comes in: Conntrack. Goes out: calls of the table's translator.

import { Conntrack } from "./capture/conntrack.ts";
import type { Probe } from "./capture/probe.ts";
import type { CaptureClock } from "./capture/record.ts";
import type { ConntrackStats } from "./capture/stats.ts";
import type { TranslationBatch } from "./capture/translation.ts";
import { readInNamespace } from "./capture/watched-namespace.ts";
import type { Translator } from "./flow/translator.ts";
import { type BackoffRange, backoffAfter } from "./lib/backoff.ts";
import type { Logger } from "./lib/log.ts";

/** Entries made before there was a listener end without an event: listings find out. */
const LISTING_INTERVAL_NS = 60e9;
const RETRY_NS = 1e9;
/** A listing that tells nothing for so long has no end. */
const LONGEST_SILENCE_NS = 60e9;
/** Between attempts to follow conntrack; one a minute is cheap enough where there is none. In ms. */
const ATTEMPTS: BackoffRange = { first: 1000, longest: 60_000 };
const NS_PER_MS = 1e6;
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

/** Follows conntrack whenever it can be followed. Times are CLOCK_MONOTONIC in ns. */
export class TranslationFeed {
  readonly #parts: FeedParts;
  #conntrack: Conntrack | undefined;
  /** What reading the events failed by. */
  #failure: unknown;
  #events: TranslationBatch = NOTHING;
  #isListing = false;
  #listingDueNs = 0;
  /** When the listing told something last. */
  #listedNs = 0;
  /** Attempts that failed since a listing was complete, and when the next one is due. */
  #failures = 0;
  #attemptDueNs = 0;
  /** As the log has it, which says nothing of what was followed from the start. */
  #state: "begun" | "followed" | "unfollowed" = "begun";
  #resyncs = 0;
  #interruptions = 0;

  constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  stats(): ConntrackStats {
    const isFollowed = this.#state === "followed";
    return { isFollowed, resyncs: this.#resyncs, interruptions: this.#interruptions };
  }

  /** Subscribes, then lists what there is. Where that fails, translated conversations are told twice: said once. */
  start(nowNs: number): void {
    this.#try(nowNs, () => {
      const conntrack = this.#open(nowNs);
      for (let step = 0; this.#isListing && step < MOST_STEPS; step++) this.#list(conntrack, nowNs);
    });
  }

  /** Takes the events that wait; to be called before the ring is drained. */
  read(): void {
    try {
      this.#events = this.#conntrack?.read() ?? NOTHING;
    } catch (error) {
      this.#failure = error;
    }
  }

  /** Applies what was read, and goes on with a listing; to be called after. */
  apply(nowNs: number): void {
    const conntrack = this.#conntrack;
    if (conntrack !== undefined) this.#try(nowNs, () => this.#follow(conntrack, nowNs));
    else if (nowNs >= this.#attemptDueNs) this.#try(nowNs, () => this.#open(nowNs));
    this.#parts.translator.expire(nowNs);
  }

  /** A listing's slice is older than the events that come with it: they have the last word. */
  #follow(conntrack: Conntrack, nowNs: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isListing) this.#list(conntrack, nowNs);
    else if (nowNs >= this.#listingDueNs) this.#beginListing(conntrack, nowNs);
    this.#parts.translator.add(this.#events, nowNs);
    this.#events = NOTHING;
    if (!conntrack.hasOverrun()) return;
    this.#resyncs++;
    this.#listingDueNs = nowNs;
  }

  #open(nowNs: number): Conntrack {
    const conntrack = new Conntrack(this.#parts.probe, this.#parts.receiveBytes);
    this.#conntrack = conntrack;
    this.#beginListing(conntrack, nowNs);
    return conntrack;
  }

  #beginListing(conntrack: Conntrack, nowNs: number): void {
    if (readSetting() === "0") throw new Error(`${EVENTS_SETTING} is 0`);
    conntrack.list();
    this.#isListing = true;
    this.#listingDueNs = nowNs + LISTING_INTERVAL_NS;
    this.#listedNs = nowNs;
    this.#parts.translator.beginListing();
  }

  #list(conntrack: Conntrack, nowNs: number): void {
    const batch = conntrack.listed();
    this.#parts.translator.add(batch, nowNs);
    if (batch.status === "listing") {
      if (batch.count > 0) this.#listedNs = nowNs;
      if (nowNs - this.#listedNs >= LONGEST_SILENCE_NS) throw new Error("the kernel ends no listing");
      return;
    }
    this.#isListing = false;
    if (batch.status === "interrupted") {
      this.#listingDueNs = nowNs + RETRY_NS;
      return;
    }
    this.#parts.translator.endListing(nowNs);
    this.#failures = 0;
    if (this.#state === "unfollowed")
      this.#parts.log.info("conntrack is followed: translated conversations are told once");
    this.#state = "followed";
  }

  #try(nowNs: number, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#end(nowNs, error instanceof Error ? error.message : String(error));
    }
  }

  /** Without events nobody tells what ends: nothing is taken to live, lest it be taken for a later connection. */
  #end(nowNs: number, reason: string): void {
    this.#conntrack?.close();
    this.#conntrack = undefined;
    this.#failure = undefined;
    this.#events = NOTHING;
    this.#isListing = false;
    this.#parts.translator.endAll(nowNs);
    this.#attemptDueNs = nowNs + backoffAfter(++this.#failures, ATTEMPTS) * NS_PER_MS;
    if (this.#state === "followed") this.#interruptions++;
    if (this.#state === "unfollowed") return;
    this.#state = "unfollowed";
    this.#parts.log.info("conntrack is not followed: translated conversations are told as two", { reason });
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
