// Which interfaces are watched, and keeping it so as they come and go. Comes in: a probe and the patterns. Goes out:
// attached hooks, their names, roles and counters. Never touches another's program or qdisc.

import type { Logger } from "../lib/log.ts";
import type { WatchConfig } from "./config.ts";
import { readDefaultRoutes } from "./host.ts";
import { describeSplitLevels, findSplitLevels, type KeyPart } from "./key-levels.ts";
import { type Link, linkLayerOf, listLinks, type Relations, type Role, relationsOf } from "./links.ts";
import type { AttachMode, AttachOptions, Probe, Side } from "./probe.ts";
import { number64 } from "./record.ts";
import { Roles } from "./roles.ts";
import { compileSelection } from "./selection.ts";
import type { InterfaceStats } from "./stats.ts";

interface Watched {
  link: Link;
  relations: Relations;
  mode: AttachMode | undefined;
}

const STATS_WORDS = 10;
/** How long a failed attachment waits for its next try, in ms. */
const RETRY_MS = 5000;
/** Hooks are looked at this often, whatever the kernel tells: somebody may have taken a qdisc away. */
const VERIFY_MS = 30_000;
/** Least time between two looks, for each interface: a look takes about 30 µs. */
const VERIFY_GAP_MS = 5;
/** What a refresh takes for attaching, and a detaching between turns: TCX waits for the kernel, 15 to 50 ms each. */
const TURN_MS = 50;
const ALONE: Relations = { sameSide: [], oppositeSide: 0 };
const LINK_LAYERS = { ethernet: 0, none: 1 } as const;
const SIDES = ["ingress", "egress"] as const;

/** The watched interfaces of one probe. */
export class Interfaces {
  readonly #probe: Probe;
  readonly #log: Logger;
  readonly #isWanted: (link: Link) => boolean;
  readonly #attach: AttachOptions;
  readonly #watched: Map<number, Watched> = new Map();
  readonly #unread: Set<number> = new Set();
  readonly #roles: Roles = new Roles();
  readonly #figures: Uint32Array = new Uint32Array(new ArrayBuffer(STATS_WORDS * 4));
  /** Parts of the key of whose split levels was not warned yet. */
  #unwarnedParts: readonly KeyPart[];
  #lastTry = 0;
  #mustRetry = false;
  #lastVerified: number = performance.now();
  #mustVerify = false;
  #isUnfinished = false;
  #lastFailure = "";

  constructor(probe: Probe, config: WatchConfig, log: Logger) {
    this.#probe = probe;
    this.#log = log;
    this.#unwarnedParts = config.key_includes ?? [];
    this.#isWanted = compileSelection(config);
    this.#attach = { mode: config.attach_mode, order: config.tcx_order, tcPriority: config.tc_priority };
  }

  /**
   * Attaches to what matches now and was not, forgets what is gone. An interface that cannot be attached is logged
   * once and tried again later. Hooks that are gone are put back: an interface may have been made anew under its index.
   * @returns whether anything changed
   */
  refresh(): boolean {
    const links = listLinks(this.#probe.library);
    const wanted = links.filter((link) => this.#isWanted(link) && this.#isRead(link));
    const routes = readDefaultRoutes();
    this.#roles.remember(wanted, routes);
    this.#warnOfLevels(wanted, links, routes);
    let hasChanged = this.#forget(wanted);
    this.#mustVerify = !this.#isVerifyDue();
    if (!this.#mustVerify) this.#verify();
    const deadline = performance.now() + TURN_MS;
    this.#isUnfinished = false;
    for (const link of wanted) {
      if (performance.now() > deadline && !this.#watched.has(link.ifindex)) this.#isUnfinished = true;
      else hasChanged = this.#watch(link, relationsOf(link, links)) || hasChanged;
    }
    this.#lastTry = performance.now();
    this.#mustRetry = false;
    return hasChanged;
  }

  /** Whether the last refresh left some for the next, which is due at once: what else there is to do is not delayed. */
  get isUnfinished(): boolean {
    return this.#isUnfinished;
  }

  /** Whether a refresh is due: the kernel told of a change, or a failed attachment has waited long enough. */
  isRefreshDue(): boolean {
    const { library, handle } = this.#probe;
    const changed = this.#probe.check(
      library.merminbpf_links_changed(handle),
      "Cannot follow interface changes",
    );
    const now = performance.now();
    const isRetry = this.failed > 0 || this.#mustRetry;
    if (changed > 0 || this.#isUnfinished || (isRetry && now - this.#lastTry >= RETRY_MS)) return true;
    return this.#mustVerify ? this.#isVerifyDue() : now - this.#lastVerified >= VERIFY_MS;
  }

  /** A refresh failed half-way: it is due again after a while, whatever the kernel tells. */
  retryLater(): void {
    this.#mustRetry = true;
    this.#lastTry = performance.now();
  }

  /** Interfaces that match. */
  get count(): number {
    return this.#watched.size;
  }

  /** Interfaces that match and could not be attached. */
  get failed(): number {
    let failed = 0;
    for (const { mode } of this.#watched.values()) if (mode === undefined) failed++;
    return failed;
  }

  /** Why the last attachment failed; empty where none did. */
  get lastFailure(): string {
    return this.#lastFailure;
  }

  /** What an interface faces, or faced before it left: its flows are told after it. Outward where it is not known. */
  roleOf(ifindex: number): Role {
    return this.#roles.roleOf(ifindex);
  }

  /** What an interface is called, or was before it left; undefined where it is not known. */
  nameOf(ifindex: number): string | undefined {
    return this.#roles.nameOf(ifindex);
  }

  /** Name by index of every watched interface. */
  names(): readonly (readonly [ifindex: number, name: string])[] {
    return [...this.#watched.values()].map(({ link }) => [link.ifindex, link.name] as const);
  }

  /** Every watched interface, as rtnetlink told it last. */
  get links(): readonly Link[] {
    return [...this.#watched.values()].map(({ link }) => link);
  }

  /** Counters of the attached interfaces. */
  stats(): readonly InterfaceStats[] {
    const stats: InterfaceStats[] = [];
    for (const { link, mode } of this.#watched.values()) {
      if (mode === undefined) continue;
      const { library, handle } = this.#probe;
      const read = library.merminbpf_interface_read(handle, link.ifindex, this.#figures);
      this.#probe.check(read, `Cannot read the counters of interface "${link.name}"`);
      const at = (word: number): number => number64(this.#figures, word);
      stats.push({
        ifindex: link.ifindex,
        name: link.name,
        mode,
        packets: [at(0), at(2)],
        bytes: [at(4), at(6)],
      });
    }
    return stats;
  }

  /** Detaches everything, signals heard in between. Failures are logged: the rest must still go. */
  async detachAll(): Promise<void> {
    let turned = performance.now();
    for (const { link, mode } of this.#watched.values()) {
      if (mode === undefined) continue;
      for (const side of SIDES) this.#attempt(link, () => this.#probe.detach(link.ifindex, side));
      if (performance.now() - turned < TURN_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turned = performance.now();
    }
    this.#watched.clear();
  }

  #isRead(link: Link): boolean {
    if (linkLayerOf(link) !== undefined) return true;
    if (!this.#unread.has(link.ifindex)) {
      this.#unread.add(link.ifindex);
      this.#log.warn("interface left out: its link type is not read", {
        interface: link.name,
        type: link.type,
      });
    }
    return false;
  }

  #forget(wanted: readonly Link[]): boolean {
    const kept = new Set(wanted.map(({ ifindex }) => ifindex));
    let hasChanged = false;
    for (const [ifindex, { link, mode }] of this.#watched) {
      if (kept.has(ifindex)) continue;
      if (mode !== undefined) {
        for (const side of SIDES) this.#attempt(link, () => this.#probe.detach(ifindex, side));
      }
      this.#probe.library.merminbpf_interface_remove(this.#probe.handle, ifindex);
      this.#watched.delete(ifindex);
      this.#log.info("interface left", { interface: link.name });
      hasChanged = true;
    }
    return hasChanged;
  }

  #warnOfLevels(watched: readonly Link[], links: readonly Link[], defaultRoutes: ReadonlySet<string>): void {
    for (const levels of findSplitLevels(this.#unwarnedParts, { watched, links, defaultRoutes })) {
      this.#unwarnedParts = this.#unwarnedParts.filter((part) => part !== levels.part);
      this.#log.warn(describeSplitLevels(levels));
    }
  }

  #isVerifyDue(): boolean {
    return performance.now() - this.#lastVerified >= this.#watched.size * VERIFY_GAP_MS;
  }

  /** Lets go of interfaces that lost a hook, so that they are attached anew. */
  #verify(): void {
    for (const watched of this.#watched.values()) {
      const { link, mode } = watched;
      if (mode === undefined || SIDES.every((side) => this.#isHooked(link, side))) continue;
      this.#log.warn("interface lost its hooks", { interface: link.name });
      for (const side of SIDES) this.#attempt(link, () => this.#probe.detach(link.ifindex, side));
      watched.mode = undefined;
    }
    this.#lastVerified = performance.now();
  }

  #isHooked({ ifindex }: Link, side: Side): boolean {
    try {
      return this.#probe.programsAt(ifindex, side).includes(this.#probe.programId(side));
    } catch {
      // It went since the interfaces were listed: the next refresh forgets it.
      return true;
    }
  }

  #watch(link: Link, relations: Relations): boolean {
    const known = this.#watched.get(link.ifindex);
    const watched: Watched = known ?? { link, relations, mode: undefined };
    const isRenamed = watched.link.name !== link.name;
    // Most devices of a node stand alone: they take no place in the kernel's list.
    const isMoved = JSON.stringify(known?.relations ?? ALONE) !== JSON.stringify(relations);
    Object.assign(watched, { link, relations });
    if (isMoved) this.#relate(watched);
    if (watched.mode !== undefined) return isRenamed;
    this.#watched.set(link.ifindex, watched);
    watched.mode = this.#attachBoth(link, known === undefined);
    return true;
  }

  /** Where the kernel's list is full, copies are told by their timing instead: no reason to watch nothing. */
  #relate({ link, relations }: Watched): void {
    const list = new Uint32Array(new ArrayBuffer(32));
    list.set(relations.sameSide);
    const { library, handle } = this.#probe;
    const result = library.merminbpf_interface_relate(handle, link.ifindex, list, relations.oppositeSide);
    if (result >= 0) return;
    const reason = this.#probe.errorText();
    this.#log.warn("interface not related to those it is stacked on", { interface: link.name, reason });
  }

  #attachBoth(link: Link, isFirstTry: boolean): AttachMode | undefined {
    const { library, handle } = this.#probe;
    try {
      const layer = LINK_LAYERS[linkLayerOf(link) ?? "ethernet"];
      this.#probe.check(
        library.merminbpf_interface_add(handle, link.ifindex, layer),
        "Cannot add to INTERFACES",
      );
      const mode = this.#probe.attach(link.ifindex, "ingress", this.#attach);
      try {
        this.#probe.attach(link.ifindex, "egress", this.#attach);
      } catch (error) {
        this.#attempt(link, () => this.#probe.detach(link.ifindex, "ingress"));
        throw error;
      }
      this.#log.info("interface attached", { interface: link.name, ifindex: link.ifindex, mode });
      return mode;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#lastFailure = reason;
      if (isFirstTry) this.#log.warn("interface not attached", { interface: link.name, reason });
      return undefined;
    }
  }

  #attempt(link: Link, action: () => void): void {
    try {
      action();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.warn("interface not detached", { interface: link.name, reason });
    }
  }
}
