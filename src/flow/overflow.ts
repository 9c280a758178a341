// Flows that found no room in the kernel's table: their packets come one by one, as events.
// Comes in: overflow events. Goes out: records, by way of lives of their own, from values laid out as the kernel's.
// One 5-tuple may be here and in the table too: then it is two flows, each with its own packets.

import {
  type CaptureClock,
  EVENT,
  FLOW_FLAG,
  KEY,
  KEY_WORDS,
  number64,
  SHARED,
  VALUE_WORDS,
  WAY,
  WAY_FLAG,
  WAY_WORDS,
} from "../capture/record.ts";
import { copy64, write64 } from "./clock.ts";
import { END_REASON } from "./flow.ts";
import type { Lives } from "./lives.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WORDS, TOLD } from "./slot-layout.ts";

/** Flows kept at most, about 420 bytes each. */
export const MOST_OVERFLOW_FLOWS = 16_384;

/** As OWNER_SILENT_NS in bpf/owner.bpf.h: a hook that was silent so long has lost the path to the next one. */
const OWNER_SILENT_NS = 1e9;
/** Shortest turn that a scan ends: scans may follow one another at once. */
const TURN_NS = 1e9;
const TCP = 6;
const SYN = 2;
const ACK = 16;
const NO_DETAILS: Uint32Array = new Uint32Array(0);

/** Word of a key whose lowest byte is the protocol. */
const PROTOCOL = KEY.protocol / 4;
/** Words of an overflow event. */
const WORD = {
  time: EVENT.timeNs / 4,
  octets: EVENT.kind / 4,
  packets: EVENT.overflowPackets / 4,
  bytes: EVENT.overflowBytes / 4,
  hook: EVENT.overflowHook / 4,
  flowLabel: EVENT.overflowFlowLabel / 4,
  /** Low half VLAN id, then traffic class and TTL. */
  vlan: EVENT.overflowVlanId / 4,
  /** Bytes: ICMP type, code, whether it had entered this node before. */
  icmp: EVENT.overflowIcmpType / 4,
  sourceMac: EVENT.overflowSourceMac / 4,
} as const;

/**
 * Adds up packets by flow. The first hook that sees a way owns it; what another one sees is a copy. A flow stays for a
 * whole turn without a packet, so that copies are known, and is told then. A turn lasts at least a second, unless half
 * of the flows that there is room for had packets in it.
 */
export class OverflowFlows {
  /** Packets taken in, copies left out. */
  packets = 0;
  /** Copies: in no flow. */
  packetsDuplicate = 0;
  readonly #lives: Lives;
  /** A value for each slot of the lives. */
  #values = new Uint32Array(0);
  /** Of the present turn; in the values, that of each way's last packet. */
  #turn = 1;
  #turnedNs = 0;
  /** Flows with a packet in the present turn. */
  #touched = 0;

  /** @param lives used by nobody else, but to read its counters and take its records */
  constructor(lives: Lives) {
    this.#lives = lives;
  }

  /** Flows kept now. */
  get size(): number {
    return this.#lives.slots.size;
  }

  /** Packets taken in and neither told nor filtered yet. */
  get packetsPending(): number {
    const { packetsTold, packetsFiltered, packetsTranslated } = this.#lives.teller;
    return this.packets - packetsTold - packetsFiltered - packetsTranslated;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#values.byteLength + this.#lives.slots.bytes;
  }

  /** Sets the moment at which what comes next was read. */
  setClock(clock: CaptureClock): void {
    this.#lives.clock.set(clock);
  }

  /** Takes in the event at `at`, read at `nowNs`; `intervalNs` as for {@link endScan}, where there is no room. */
  add(words: Uint32Array, at: number, nowNs: number, intervalNs: number): void {
    if (this.#touched >= MOST_OVERFLOW_FLOWS / 2) this.#endTurn(nowNs, intervalNs);
    const found = this.#lives.slots.find(words, at);
    const slot = found < 0 ? this.#open(words, at) : found;
    const value = slot * VALUE_WORDS;
    const way = ((words[at + WORD.octets] as number) >>> 8) & 1;
    const start = value + way * WAY_WORDS;
    const packets = words[at + WORD.packets] as number;
    if (this.#isCopy(words, at, start)) {
      this.packetsDuplicate += packets;
      return;
    }
    this.packets += packets;
    if (!this.#isTouched(value)) this.#touched++;
    const values = this.#values;
    const told = this.#lives.slots.numbers[slot * SLOT_NUMBERS + TOLD.packets + way];
    if (number64(values, start + WAY.packets) === told) this.#restartFirst(words, at, value, way);
    values[start + WAY.generation] = this.#turn;
    if (values[start + WAY.ownerHook] !== words[at + WORD.hook]) this.#claimWay(words, at, start);
    write64(values, start + WAY.packets, number64(values, start + WAY.packets) + packets);
    const bytes = words[at + WORD.bytes] as number;
    write64(values, start + WAY.bytes, number64(values, start + WAY.bytes) + bytes);
    this.#addTime(words, at, start);
    if (((words[at + PROTOCOL] as number) & 0xff) === TCP) this.#addTcpFlags(words, at, value, way);
  }

  /**
   * At a scan's end: where the turn has lasted, tells the flows that had no packet in it as `lack_of_resources`, and lets
   * them go; of the others tells those that were not told for `intervalNs`.
   */
  endScan(nowNs: number, intervalNs: number): void {
    if (nowNs - this.#turnedNs >= TURN_NS) this.#endTurn(nowNs, intervalNs);
  }

  /** Tells every flow, and lets it go. */
  finish(nowNs: number): void {
    this.#tellEach((slot) => this.#end(slot, nowNs));
    this.#touched = 0;
  }

  #endTurn(nowNs: number, intervalNs: number): void {
    this.#tellEach((slot) => {
      if (!this.#isTouched(slot * VALUE_WORDS)) this.#end(slot, nowNs);
      else if (nowNs - (this.#lives.slots.numbers[slot * SLOT_NUMBERS + TOLD.timeNs] as number) >= intervalNs)
        this.#tell(slot, END_REASON.activeTimeout, nowNs);
    });
    this.#turn++;
    this.#turnedNs = nowNs;
    this.#touched = 0;
  }

  #open(words: Uint32Array, at: number): number {
    const { slots } = this.#lives;
    this.#lives.opened(words, at);
    const slot = slots.find(words, at);
    const value = slot * VALUE_WORDS;
    if (value >= this.#values.length) this.#grow(value + VALUE_WORDS);
    const values = this.#values;
    values.fill(0, value, value + VALUE_WORDS);
    const vlanId = (words[at + WORD.vlan] as number) & 0xffff;
    const macStart = words[at + WORD.sourceMac] as number;
    const macEnd = words[at + WORD.sourceMac + 1] as number;
    values[value + SHARED.vlanAndMac] = vlanId | (macStart << 16);
    values[value + SHARED.macRest] = (macStart >>> 16) | (macEnd << 16);
    const firstWay = ((words[at + WORD.octets] as number) >>> 8) & 1;
    values[value + SHARED.octets] = firstWay | (FLOW_FLAG.hasMac << 24);
    return slot;
  }

  #grow(length: number): void {
    const values = new Uint32Array(Math.max(length, this.#values.length * 2, 64 * VALUE_WORDS));
    values.set(this.#values);
    this.#values = values;
  }

  #isCopy(words: Uint32Array, at: number, start: number): boolean {
    const owner = this.#values[start + WAY.ownerHook] as number;
    if (owner === 0 || owner === words[at + WORD.hook]) return false;
    const lastSeenNs = number64(this.#values, start + WAY.lastSeenNs);
    return number64(words, at + WORD.time) - lastSeenNs < OWNER_SILENT_NS;
  }

  #isTouched(value: number): boolean {
    const low = this.#values[value + WAY.generation];
    return low === this.#turn || this.#values[value + WAY_WORDS + WAY.generation] === this.#turn;
  }

  /** What the first packet of a record carried. */
  #restartFirst(words: Uint32Array, at: number, value: number, way: number): void {
    const values = this.#values;
    const start = value + way * WAY_WORDS;
    copy64(values, start + WAY.firstSeenNs, words, at + WORD.time);
    values[start + WAY.firstFlowLabel] = words[at + WORD.flowLabel] as number;
    const kept = (values[start + WAY.octets] as number) & 0xff0000ff;
    const measured = ((words[at + WORD.vlan] as number) >>> 16) << 8;
    values[start + WAY.octets] = kept | measured;
    const icmp = words[at + WORD.icmp] as number;
    const shift = way * 8;
    const others = (values[value + SHARED.icmp] as number) & ~(0x00ff00ff << shift);
    const own = ((icmp & 0xff) | ((icmp & 0xff00) << 8)) << shift;
    values[value + SHARED.icmp] = others | own;
  }

  #claimWay(words: Uint32Array, at: number, start: number): void {
    const values = this.#values;
    values[start + WAY.ownerHook] = words[at + WORD.hook] as number;
    const entered = (((words[at + WORD.icmp] as number) >>> 16) & 1) * WAY_FLAG.entered;
    values[start + WAY.octets] = ((values[start + WAY.octets] as number) & 0xffffff) | (entered << 24);
  }

  /** Events of two processors may come out of their order. */
  #addTime(words: Uint32Array, at: number, start: number): void {
    const values = this.#values;
    const timeNs = number64(words, at + WORD.time);
    if (timeNs > number64(values, start + WAY.lastSeenNs))
      copy64(values, start + WAY.lastSeenNs, words, at + WORD.time);
    if (timeNs < number64(values, start + WAY.firstSeenNs))
      copy64(values, start + WAY.firstSeenNs, words, at + WORD.time);
  }

  #addTcpFlags(words: Uint32Array, at: number, value: number, way: number): void {
    const values = this.#values;
    const flags = ((words[at + WORD.octets] as number) >>> (16 + way * 8)) & 0xff;
    const octets = value + way * WAY_WORDS + WAY.octets;
    values[octets] = (values[octets] as number) | flags;
    if ((flags & SYN) === 0) return;
    const isAnswer = (flags & ACK) !== 0;
    const initiator = isAnswer ? 2 - way : way + 1;
    const shared = values[value + SHARED.octets] as number;
    if ((shared & 0xff00) === 0) values[value + SHARED.octets] = shared | (initiator << 8);
    else if (((shared >>> 8) & 0xff) !== initiator) return;
    if (isAnswer) this.#answerSyn(words, at, value);
    else this.#noteSyn(words, at, value);
  }

  #noteSyn(words: Uint32Array, at: number, value: number): void {
    const values = this.#values;
    if (number64(values, value + SHARED.synNs) === 0)
      copy64(values, value + SHARED.synNs, words, at + WORD.time);
    else
      values[value + SHARED.octets] =
        (values[value + SHARED.octets] as number) | (FLOW_FLAG.synRepeated << 24);
  }

  #answerSyn(words: Uint32Array, at: number, value: number): void {
    const values = this.#values;
    const isRepeated = (((values[value + SHARED.octets] as number) >>> 24) & FLOW_FLAG.synRepeated) !== 0;
    const synNs = number64(values, value + SHARED.synNs);
    const latencyNs = number64(words, at + WORD.time) - synNs;
    if (synNs === 0 || isRepeated || values[value + SHARED.handshakeNs] !== 0 || latencyNs < 0) return;
    values[value + SHARED.handshakeNs] = Math.min(latencyNs, 0xffffffff);
  }

  #tellEach(tell: (slot: number) => void): void {
    const { slots } = this.#lives;
    if (slots.size === 0) return;
    for (let slot = 0; slot < slots.end; slot++)
      if (slots.words[slot * SLOT_WORDS + SLOT.state] !== 0) tell(slot);
  }

  #end(slot: number, nowNs: number): void {
    this.#tell(slot, END_REASON.lackOfResources, nowNs);
    this.#lives.release(slot);
  }

  #tell(slot: number, reason: number, nowNs: number): void {
    const { keys } = this.#lives.slots;
    this.#lives.observe(keys, slot * KEY_WORDS, this.#values, slot * VALUE_WORDS, NO_DETAILS, 0, nowNs);
    // Events have no sequence numbers.
    this.#lives.reading.hasTcp = false;
    this.#lives.tell(slot, reason, nowNs);
  }
}
