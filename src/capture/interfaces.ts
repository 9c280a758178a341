// Which interfaces are watched, and keeping it so as they come and go. Comes in: a probe and the patterns. Goes out:
// attached hooks, their names, roles and counters. Never waits for the kernel, which may take tens of milliseconds for
// a hook: the library's thread does. Never touches another's program or qdisc.

import type { Logger } from "../lib/log.ts";
import { Attachments } from "./attachments.ts";
import type { WatchConfig } from "./config.ts";
import { readDefaultRoutes } from "./host.ts";
import { describeSplitLevels, findSplitLevels, type KeyPart } from "./key-levels.ts";
import { type Link, linkLayerOf, type Role, relationsAmong } from "./links.ts";
import type { Probe } from "./probe.ts";
import { Roles } from "./roles.ts";
import { compileSelection } from "./selection.ts";
import type { ShimError } from "./shim-error.ts";
import type { InterfaceStats } from "./stats.ts";
import { type Done, Tasks } from "./tasks.ts";

/** Least and most time between two lists of interfaces, in ms; the least where the kernel tells of a change. */
const LIST_GAP_MS = 100;
const LIST_MS = 5000;
/** Hooks are looked at this often, whatever the kernel tells: somebody may have taken a qdisc away. */
const LOOK_MS = 30_000;
/** Between two turns at the end, when nothing else is to be done. */
const END_TURN_MS = 5;

/** The watched interfaces of one probe. */
export class Interfaces {
  readonly #log: Logger;
  readonly #tasks: Tasks;
  readonly #hooks: Attachments;
  readonly #isSelected: (link: Link) => boolean;
  readonly #unread: Set<number> = new Set();
  readonly #roles: Roles = new Roles();
  /** Names that are watched, where later ones are not; undefined: all that match. */
  readonly #firstNames: Set<string> | undefined;
  /** Parts of the key of whose split levels was not warned yet. */
  #unwarnedParts: readonly KeyPart[];
  #isListing = false;
  #hasListed = false;
  #mustList = true;
  #lastList = Number.NEGATIVE_INFINITY;
  #lastObserved = Number.NEGATIVE_INFINITY;
  #lastLook = Number.NEGATIVE_INFINITY;
  /** Whether the last attempt to follow changes failed: an episode is logged once. */
  #isDeaf = false;
  #isEnding = false;
  #hasChanged = false;
  #resyncs = 0;

  constructor(probe: Probe, config: WatchConfig, log: Logger) {
    const { attach_mode: mode, tcx_order: order, tc_priority: tcPriority } = config;
    this.#log = log;
    this.#tasks = new Tasks(probe, { mode, order, tcPriority });
    this.#hooks = new Attachments(probe, this.#tasks, log);
    this.#isSelected = compileSelection(config);
    this.#firstNames = config.auto_discover ? undefined : new Set();
    this.#unwarnedParts = config.key_includes ?? [];
  }

  /**
   * Takes in what the library's thread has done and asks for what is to be done next: attaching to what matches, letting
   * go of what left, looking after the rest. To be called every few milliseconds.
   * @param now in ms, never going back
   * @returns whether {@link names} changed
   * @throws ShimError where the kernel refuses what an attached interface needs
   */
  turn(now: number): boolean {
    this.#hasChanged = false;
    for (let done = this.#tasks.next(); done !== undefined; done = this.#tasks.next()) this.#take(done, now);
    if (!this.#isEnding) {
      this.#listen();
      this.#lookAfter(now);
    }
    this.#hooks.ask(now);
    return this.#hasChanged;
  }

  /** Whether every interface that matches is attached or was tried. */
  get isSettled(): boolean {
    return this.#hasListed && this.#hooks.wanted().every(({ isSettled }) => isSettled);
  }

  /** Interfaces that match. */
  get count(): number {
    return this.#hooks.wanted().length;
  }

  /** Interfaces that are attached. */
  get attached(): number {
    return this.#hooks.wanted().filter(({ mode }) => mode !== undefined).length;
  }

  /** Interfaces that match and could not be attached. */
  get failed(): number {
    return this.#hooks.wanted().filter(({ hasFailed }) => hasFailed).length;
  }

  /** Attached interfaces at which another program keeps packets from ours. */
  get shadowed(): number {
    return this.#hooks.wanted().filter(({ shadow }) => (shadow?.programs.length ?? 0) > 0).length;
  }

  /** How often the kernel dropped notices of changes, so that everything was looked at anew. */
  get resyncs(): number {
    return this.#resyncs;
  }

  /** Why the last attachment failed; empty where none did. */
  get lastFailure(): string {
    return this.#hooks.lastFailure;
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
    return this.#hooks.wanted().map(({ link }) => [link.ifindex, link.name] as const);
  }

  /** Every watched interface, as rtnetlink told it last. */
  get links(): readonly Link[] {
    return this.#hooks.wanted().map(({ link }) => link);
  }

  /** Counters of the attached interfaces. */
  stats(): readonly InterfaceStats[] {
    return this.#hooks.stats();
  }

  /** Detaches everything, other work going on in between. Failures are logged: the rest must still go. */
  async detachAll(): Promise<void> {
    this.#isEnding = true;
    for (const watched of this.#hooks.wanted()) this.#hooks.letGo(watched);
    while (!this.#hooks.isEmpty) {
      this.turn(performance.now());
      if (!this.#hooks.isEmpty) await new Promise((resolve) => setTimeout(resolve, END_TURN_MS));
    }
  }

  #take(done: Done, now: number): void {
    if (done.kind === "list") this.#takeList(done.links, now);
    else if (done.kind === "failed" && done.task === "list") this.#failList(done.error);
    else this.#hooks.take(done, now);
  }

  #failList(error: ShimError): void {
    this.#isListing = false;
    this.#noteDeafness(error);
  }

  #takeList(links: readonly Link[], now: number): void {
    this.#isListing = false;
    this.#isDeaf = false;
    if (this.#isEnding) return;
    const wanted = links.filter((link) => this.#isWanted(link));
    const routes = readDefaultRoutes();
    this.#roles.remember(wanted, routes);
    this.#warnOfLevels(wanted, links, routes);
    this.#forget(wanted);
    const relationsOf = relationsAmong(links);
    for (const link of wanted)
      this.#hasChanged = this.#hooks.want(link, relationsOf(link)) || this.#hasChanged;
    this.#hasListed = true;
    if (now - this.#lastObserved < LIST_MS) return;
    this.#lastObserved = now;
    this.#hooks.observe();
  }

  #isWanted(link: Link): boolean {
    if (!this.#isSelected(link) || !this.#isRead(link)) return false;
    if (this.#firstNames === undefined || this.#hooks.find(link.ifindex) !== undefined) return true;
    if (!this.#hasListed) this.#firstNames.add(link.name);
    return this.#firstNames.has(link.name);
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

  #forget(wanted: readonly Link[]): void {
    const kept = new Set(wanted.map(({ ifindex }) => ifindex));
    for (const watched of this.#hooks.wanted()) {
      if (kept.has(watched.link.ifindex)) continue;
      this.#hooks.letGo(watched);
      this.#log.info("interface left", { interface: watched.link.name });
      this.#hasChanged = true;
    }
  }

  #warnOfLevels(watched: readonly Link[], links: readonly Link[], defaultRoutes: ReadonlySet<string>): void {
    for (const levels of findSplitLevels(this.#unwarnedParts, { watched, links, defaultRoutes })) {
      this.#unwarnedParts = this.#unwarnedParts.filter((part) => part !== levels.part);
      this.#log.warn(describeSplitLevels(levels));
    }
  }

  /** Takes the kernel's notices. A device that went may have been made anew under its index: its hooks went with it. */
  #listen(): void {
    try {
      const { hasChanged, areLost, gone } = this.#tasks.notices();
      if (hasChanged) this.#mustList = true;
      for (const ifindex of gone) this.#hooks.look(ifindex);
      if (!areLost) return;
      this.#resyncs++;
      this.#hooks.look();
    } catch (error) {
      this.#noteDeafness(error);
    }
  }

  /** What is attached goes on being counted where rtnetlink fails: that is no end. The next list tries again. */
  #noteDeafness(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (!this.#isDeaf) this.#log.warn("interfaces not read", { reason });
    this.#isDeaf = true;
  }

  #lookAfter(now: number): void {
    if (now - this.#lastLook >= LOOK_MS) {
      this.#lastLook = now;
      this.#hooks.look();
    }
    const isDue = now - this.#lastList >= (this.#mustList ? LIST_GAP_MS : LIST_MS);
    if (this.#isListing || !isDue || !this.#tasks.hasRoom) return;
    this.#mustList = false;
    this.#isListing = true;
    this.#lastList = now;
    this.#tasks.ask({ kind: "list", ifindex: 0 });
  }
}
