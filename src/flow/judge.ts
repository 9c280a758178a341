// Decides what becomes of each flow at a scan: it goes on, is told, or ends. Comes in: slots, those met right after they were
// looked at. Goes out: records by way of the lives, keys of flows that end. Times are CLOCK_MONOTONIC in ns.

import { KEY_WORDS, type ScanReach } from "../capture/record.ts";
import { dueTick, findDue } from "./due.ts";
import { Eviction } from "./eviction.ts";
import { END_REASON } from "./flow.ts";
import { KeyList } from "./key-list.ts";
import { endReason, endsAfterNs, type FlowTimeouts, isClosed, recordIntervalNs } from "./lifecycle.ts";
import type { Lives } from "./lives.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WAY, SLOT_WORDS, STATE, TOLD } from "./slot-layout.ts";

/** Flows looked at by their keys at the end of one scan: 3 ms. */
const MOST_LOOKS = 4096;

/** Judges the flows of one table, scan by scan. */
export class Judge {
  /** Flows found to end, since whoever takes them cleared it. */
  readonly ended: KeyList = new KeyList();
  /** When the first of the flows met has something to do without a further packet; infinite where none was met. */
  nextDueNs = 0;
  readonly #lives: Lives;
  readonly #mayEvict: boolean;
  readonly #eviction = new Eviction();
  #timeouts: FlowTimeouts;
  #nowNs = 0;
  #reach: ScanReach = "all";
  #looks = 0;

  /** @param mayEvict whether {@link Judge.evict} will ever be asked */
  constructor(lives: Lives, timeouts: FlowTimeouts, mayEvict: boolean) {
    this.#lives = lives;
    this.#timeouts = timeouts;
    this.#mayEvict = mayEvict;
  }

  /** Begins a scan. */
  begin(timeouts: FlowTimeouts, nowNs: number, reach: ScanReach): void {
    this.#timeouts = timeouts;
    this.#nowNs = nowNs;
    this.#reach = reach;
    this.#looks = 0;
    this.nextDueNs = Number.POSITIVE_INFINITY;
    this.ended.clear();
    this.#eviction.begin();
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#eviction.bytes + this.ended.words.byteLength;
  }

  /** Decides about a flow of which the lives' reading has the value. */
  decide(slot: number): void {
    const { reading, slots } = this.#lives;
    const protocol = this.#protocolOf(slot);
    const { tcpFlags, lastSeenNs } = reading;
    const reason = endReason(this.#timeouts, protocol, tcpFlags, this.#nowNs - lastSeenNs);
    if (reason !== 0) {
      this.#end(slot, reason);
      return;
    }
    if (this.#mayEvict && this.#reach === "all") this.#eviction.note(slot, reading, this.#nowNs);
    const endNs = lastSeenNs + endsAfterNs(this.#timeouts, protocol, tcpFlags);
    const recordNs = this.#recordDueNs(slot, isClosed(protocol, tcpFlags & 0xff, tcpFlags >>> 8));
    const isDue = this.#nowNs >= recordNs;
    if (isDue) this.#lives.tell(slot, END_REASON.activeTimeout, this.#nowNs);
    const dueNs = isDue ? endNs : Math.min(endNs, recordNs);
    slots.due[slot] = dueTick(dueNs);
    if (dueNs < this.nextDueNs) this.nextDueNs = dueNs;
  }

  /**
   * Decides about the flows that a scan for news left out and for which it is time.
   * @returns false where there were more to look at than one turn takes: the next scan has to read everything
   */
  decideLeftOut(): boolean {
    const { due, end } = this.#lives.slots;
    findDue(due, end, this.#nowNs, (slot) => this.#decideUnseen(slot));
    return this.#looks <= MOST_LOOKS;
  }

  /** Tells a flow for the last time, at shutdown, and frees it. */
  force(slot: number): void {
    const { tcpFlags } = this.#lives.reading;
    const isOver = isClosed(this.#protocolOf(slot), tcpFlags & 0xff, tcpFlags >>> 8);
    this.#lives.tell(slot, isOver ? END_REASON.endOfFlowDetected : END_REASON.forcedEnd, this.#nowNs);
    this.#lives.release(slot);
  }

  /** Ends so many of the flows that go on, after a scan of everything, for want of room. */
  evict(wanted: number): void {
    this.#eviction.choose(wanted, (slot) => this.#end(slot, END_REASON.lackOfResources));
  }

  /** Why a flow is ending, 0 where it is not. */
  reasonOf(slot: number): number {
    const state = this.#lives.slots.words[slot * SLOT_WORDS + SLOT.state] as number;
    return (state & STATE.reasonMask) >>> STATE.reasonShift;
  }

  #protocolOf(slot: number): number {
    return (this.#lives.slots.keys[slot * KEY_WORDS + 9] as number) & 0xff;
  }

  /** When a flow that goes on has to be told; infinite where nothing of it is pending. */
  #recordDueNs(slot: number, isOver: boolean): number {
    if (this.#lives.pendingOf(slot) === 0) return Number.POSITIVE_INFINITY;
    const toldNs = this.#lives.slots.numbers[slot * SLOT_NUMBERS + TOLD.timeNs] as number;
    return toldNs + recordIntervalNs(this.#timeouts, isOver);
  }

  /** What was due when a scan met the flow last is there, and it had no packet since: it is told, or it ends. */
  #decideUnseen(slot: number): void {
    const { words } = this.#lives.slots;
    const ways = slot * SLOT_WORDS + SLOT.ways;
    const low = ((words[ways] as number) & SLOT_WAY.flagsMask) >>> SLOT_WAY.flagsShift;
    const high = ((words[ways + 1] as number) & SLOT_WAY.flagsMask) >>> SLOT_WAY.flagsShift;
    const isOver = isClosed(this.#protocolOf(slot), low, high);
    if (this.#nowNs < this.#recordDueNs(slot, isOver))
      this.#end(slot, isOver ? END_REASON.endOfFlowDetected : END_REASON.idleTimeout);
    else if (this.#looks++ < MOST_LOOKS) this.#lookAt(slot);
  }

  #lookAt(slot: number): void {
    const found = this.#lives.lookAt(slot, this.#nowNs);
    if (found >= 0) this.decide(found);
    // Gone: the next scan of everything sees to it.
    else this.#lives.slots.due[slot] = 0;
  }

  #end(slot: number, reason: number): void {
    const { words, keys, due } = this.#lives.slots;
    const state = slot * SLOT_WORDS + SLOT.state;
    words[state] = (words[state] as number) | (reason << STATE.reasonShift);
    due[slot] = 0;
    this.ended.push(keys, slot * KEY_WORDS);
  }
}
