// The hooks of the watched interfaces: attached, tried again, looked after, let go. Comes in: which interfaces are
// wanted. Goes out: tasks for the library's thread, and what they came to. Never waits.

import type { Logger } from "../lib/log.ts";
import { type Link, linkLayerOf, type Relations } from "./links.ts";
import type { AttachMode, Probe } from "./probe.ts";
import { number64 } from "./record.ts";
import { type BothSides, Shadow } from "./shadow.ts";
import { ERRNO, type ShimError } from "./shim-error.ts";
import type { InterfaceStats } from "./stats.ts";
import type { Done, Tasks } from "./tasks.ts";
import { Watched } from "./watched.ts";

const STATS_WORDS = 10;
const ALONE: Relations = { sameSide: [], oppositeSide: 0 };
const LINK_LAYERS = { ethernet: 0, none: 1 } as const;

/** What of {@link Done} is about one interface. */
export type HookDone = Exclude<Done, { readonly kind: "list" }>;

/** The hooks of one probe. */
export class Attachments {
  readonly #probe: Probe;
  readonly #tasks: Tasks;
  readonly #log: Logger;
  readonly #watched: Map<number, Watched> = new Map();
  /** Those of them with something to do, now or later. */
  readonly #pending: Set<Watched> = new Set();
  readonly #figures: Uint32Array = new Uint32Array(new ArrayBuffer(STATS_WORDS * 4));
  #lastFailure = "";

  constructor(probe: Probe, tasks: Tasks, log: Logger) {
    this.#probe = probe;
    this.#tasks = tasks;
    this.#log = log;
  }

  /** Interfaces that are wanted. */
  wanted(): readonly Watched[] {
    return [...this.#watched.values()].filter(({ isWanted }) => isWanted);
  }

  /** Whether there is nothing left, of those that are not wanted either. */
  get isEmpty(): boolean {
    return this.#watched.size === 0;
  }

  /** Why the last attachment failed; empty where none did. */
  get lastFailure(): string {
    return this.#lastFailure;
  }

  /** The interface of an index, where it is wanted. */
  find(ifindex: number): Watched | undefined {
    const watched = this.#watched.get(ifindex);
    return watched?.isWanted === true ? watched : undefined;
  }

  /** Wants an interface, or takes note of what is new of it. Returns whether its index, name or other end is. */
  want(link: Link, relations: Relations): boolean {
    const known = this.#watched.get(link.ifindex);
    const isNew = known?.isWanted !== true || !isSameDevice(known.link, link);
    const watched = known ?? new Watched(link, relations);
    // Most devices of a node stand alone: they take no place in the kernel's list.
    const isMoved = !areSame(known?.relations ?? ALONE, relations);
    Object.assign(watched, { link, relations, isWanted: true });
    if (isMoved) this.#relate(watched);
    this.#watched.set(link.ifindex, watched);
    if (watched.mode === undefined) this.#pending.add(watched);
    return isNew;
  }

  /** Wants an interface no longer. */
  letGo(watched: Watched): void {
    watched.isWanted = false;
    this.#pending.add(watched);
  }

  /** Has the hooks of an interface looked at, or of all. */
  look(ifindex?: number): void {
    for (const watched of ifindex === undefined ? this.#watched.values() : [this.#watched.get(ifindex)]) {
      if (watched === undefined) continue;
      watched.mustLook = true;
      this.#pending.add(watched);
    }
  }

  /** Holds each device's counters against its hooks'. */
  observe(): void {
    for (const watched of this.#watched.values()) {
      const { link, shadow, mode, isBusy } = watched;
      if (mode === undefined || isBusy) continue;
      const seen = this.#readPackets(watched);
      watched.shadow ??= new Shadow(link.packets, seen);
      if (shadow === undefined) continue;
      const known = shadow.programs;
      shadow.observe(link.packets, seen);
      this.#noteShadow(watched, known);
      if (shadow.isSuspect) this.look(link.ifindex);
    }
  }

  /** Counters of the attached interfaces. */
  stats(): readonly InterfaceStats[] {
    return this.wanted().flatMap((watched) => {
      const { link, mode } = watched;
      if (mode === undefined) return [];
      const packets = this.#readPackets(watched);
      const bytes = [number64(this.#figures, 4), number64(this.#figures, 6)] as const;
      return [{ ifindex: link.ifindex, name: link.name, mode, packets, bytes }];
    });
  }

  /** Takes what a task came to. */
  take(done: HookDone, now: number): void {
    const watched = this.#watched.get(done.ifindex);
    if (watched === undefined) return;
    watched.isBusy = false;
    this.#pending.add(watched);
    switch (done.kind) {
      case "attach":
        this.#noteAttached(watched, done.mode);
        break;
      case "detach":
        watched.forgetHooks();
        break;
      case "look":
        this.#noteLook(watched, done);
        break;
      case "failed":
        this.#fail(watched, done, now);
        break;
      default:
        done satisfies never;
    }
  }

  /** Asks for what is to be done at `now`, as far as there is room. */
  ask(now: number): void {
    for (const watched of this.#pending) {
      if (!this.#tasks.hasRoom) return;
      const kind = watched.nextTask(now);
      if (kind === undefined) {
        if (watched.isGone) this.#remove(watched);
        // One that failed waits here for its time.
        else if (watched.mode !== undefined || watched.isBusy) this.#pending.delete(watched);
        continue;
      }
      if (kind === "attach") this.#addToMap(watched);
      Object.assign(watched, { mustLook: false, isBusy: true });
      this.#pending.delete(watched);
      this.#tasks.ask({ kind, ifindex: watched.link.ifindex });
    }
  }

  #noteAttached(watched: Watched, mode: AttachMode): void {
    const { name, ifindex } = watched.link;
    Object.assign(watched, { mode, failures: 0 });
    this.#log.info("interface attached", { interface: name, ifindex, mode });
  }

  #noteLook(watched: Watched, { isHooked, before }: HookDone & { readonly kind: "look" }): void {
    const { link, shadow, mode } = watched;
    if (mode === undefined) return;
    if (!isHooked) {
      watched.hasLostHooks = true;
      if (watched.isWanted) this.#log.warn("interface lost its hooks", { interface: link.name });
      return;
    }
    const known = shadow?.programs ?? [];
    shadow?.judge(before);
    this.#noteShadow(watched, known);
  }

  #noteShadow({ link, shadow }: Watched, known: readonly number[]): void {
    const programs = shadow?.programs ?? [];
    if (known.length === 0 && programs.length > 0) {
      this.#log.warn("interface shadowed: packets end in a program before ours", {
        interface: link.name,
        programs: programs.join(","),
      });
    } else if (known.length > 0 && programs.length === 0) {
      this.#log.info("interface no longer shadowed", { interface: link.name });
    }
  }

  #fail(watched: Watched, { task, error }: HookDone & { readonly kind: "failed" }, now: number): void {
    if (task === "detach") {
      this.#log.warn("interface not detached", { interface: watched.link.name, reason: error.message });
      watched.forgetHooks();
    } else if (task === "attach") this.#noteNotAttached(watched, error, now);
  }

  /** Once an episode: the next attempt that succeeds ends it. */
  #noteNotAttached(watched: Watched, error: ShimError, now: number): void {
    watched.fail(now);
    this.#lastFailure = error.message;
    // It went since the interfaces were listed, which the next list will say: no fault.
    if (error.errno === ERRNO.nodev || watched.failures > 1) return;
    this.#log.warn("interface not attached", { interface: watched.link.name, reason: error.message });
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

  #readPackets({ link }: Watched): BothSides {
    const { library, handle } = this.#probe;
    const read = library.merminbpf_interface_read(handle, link.ifindex, this.#figures);
    this.#probe.check(read, `Cannot read the counters of interface "${link.name}"`);
    return [number64(this.#figures, 0), number64(this.#figures, 2)];
  }

  /** Before its first packet is seen: how its frames begin, and counters that are 0. */
  #addToMap({ link }: Watched): void {
    const { library, handle } = this.#probe;
    const layer = LINK_LAYERS[linkLayerOf(link) ?? "ethernet"];
    const result = library.merminbpf_interface_add(handle, link.ifindex, layer);
    this.#probe.check(result, `Cannot add interface "${link.name}" to INTERFACES`);
  }

  #remove(watched: Watched): void {
    const { ifindex } = watched.link;
    this.#pending.delete(watched);
    this.#watched.delete(ifindex);
    this.#probe.library.merminbpf_interface_remove(this.#probe.handle, ifindex);
  }
}

function isSameDevice(one: Link, other: Link): boolean {
  const { name, parent, parentNamespace } = other;
  return one.name === name && one.parent === parent && one.parentNamespace === parentNamespace;
}

function areSame(one: Relations, other: Relations): boolean {
  return one.oppositeSide === other.oppositeSide && String(one.sameSide) === String(other.sameSide);
}
