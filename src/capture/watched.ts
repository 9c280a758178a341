// One interface: what is wanted of it, what it is, and what is to be done next. Decides; touches no kernel.

import { backoffAfter } from "../lib/backoff.ts";
import type { Link, Relations } from "./links.ts";
import type { AttachMode } from "./probe.ts";
import type { Shadow } from "./shadow.ts";

/** Waits between attempts to attach, in ms. */
const RETRY = { first: 1000, longest: 60_000 } as const;

/** The state of one interface that matches, or did until it was let go. */
export class Watched {
  link: Link;
  relations: Relations;
  /** How it is attached; undefined: it is not. */
  mode: AttachMode | undefined;
  shadow: Shadow | undefined;
  /** False once it is to be let go. */
  isWanted = true;
  /** A task for it is under way. */
  isBusy = false;
  /** Its hooks are gone, or those of another device under its index: what is left of them is to be let go. */
  hasLostHooks = false;
  /** Its hooks are to be looked at. */
  mustLook = false;
  /** Attempts to attach that failed since the last that did not. */
  failures = 0;
  #notBefore = 0;

  constructor(link: Link, relations: Relations) {
    this.link = link;
    this.relations = relations;
  }

  /** What is to be done at `now`, in ms; undefined: nothing, or it is being done. */
  nextTask(now: number): "attach" | "detach" | "look" | undefined {
    if (this.isBusy) return undefined;
    if (this.mode === undefined) return this.isWanted && now >= this.#notBefore ? "attach" : undefined;
    if (!this.isWanted || this.hasLostHooks) return "detach";
    return this.mustLook ? "look" : undefined;
  }

  /** Whether the last attempt to attach failed. */
  get hasFailed(): boolean {
    return this.mode === undefined && this.failures > 0;
  }

  /** Whether it is attached, or was tried. */
  get isSettled(): boolean {
    return !this.isBusy && (this.mode !== undefined || this.failures > 0);
  }

  /** Whether nothing of it is left to be done, and it may be forgotten. */
  get isGone(): boolean {
    return !this.isWanted && !this.isBusy && this.mode === undefined;
  }

  /** It has no hooks any more. */
  forgetHooks(): void {
    this.mode = undefined;
    this.shadow = undefined;
    this.hasLostHooks = false;
    this.mustLook = false;
  }

  /** Counts a failed attempt; the next waits. */
  fail(now: number): void {
    this.failures++;
    this.#notBefore = now + backoffAfter(this.failures, RETRY);
  }
}
