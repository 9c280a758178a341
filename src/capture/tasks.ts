// What the library's own thread does, because the kernel makes it wait: listing, attaching, detaching, looking. Comes
// in: what is to be done. Goes out: what was done. Never waits.

import { decodeLinks, LINK_BYTES, type Link } from "./links.ts";
import type { AttachMode, AttachOptions, Probe } from "./probe.ts";
import { ShimError } from "./shim-error.ts";

/** What is asked of the thread: for an interface, or (`list`) for all, and then index 0. */
export interface Task {
  readonly kind: "list" | "attach" | "detach" | "look";
  readonly ifindex: number;
}

/** A task that is done. */
export type Done =
  | { readonly kind: "list"; readonly links: readonly Link[] }
  | { readonly kind: "attach"; readonly ifindex: number; readonly mode: AttachMode }
  | { readonly kind: "detach"; readonly ifindex: number }
  | {
      readonly kind: "look";
      readonly ifindex: number;
      /** Whether our program is at ingress and at egress. */
      readonly isHooked: boolean;
      /** Ids of programs that run before ours at ingress and at egress. */
      readonly before: readonly [readonly number[], readonly number[]];
    }
  | {
      readonly kind: "failed";
      readonly task: Task["kind"];
      readonly ifindex: number;
      readonly error: ShimError;
    };

/** What the kernel said of link changes since it was last asked. */
export interface LinkNotices {
  readonly hasChanged: boolean;
  /** More than there was room for: everything may have changed. */
  readonly areLost: boolean;
  /** Indexes whose device went; another may have them now. */
  readonly gone: readonly number[];
}

/** Offsets in 32-bit words of `struct merminbpf_task`. */
const WORD = { kind: 0, ifindex: 1, mode: 2, order: 3, priority: 4, result: 5, ours: 6, before: 8, ids: 10 };
const BEFORE_MAX = 8;
const TEXT_AT = 104;
const TASK_BYTES = 264;
/** Tasks that may be under way at once (MERMINBPF_TASKS_MAX). */
const TASKS_MAX = 32;
const NOTICE_GONE_AT = 3;
const NOTICE_WORDS = NOTICE_GONE_AT + 1024;
/** In the order of enum merminbpf_task_kind, which begins with 1. */
const KINDS = [undefined, "list", "attach", "detach", "look"] as const;
const ACTIONS = {
  attach: "Cannot attach to interface ",
  detach: "Cannot detach from interface ",
  look: "Cannot look at interface ",
} as const;
const MODES = { auto: 0, tcx: 1, clsact: 2 } as const;
const ORDERS = { first: 0, last: 1 } as const;

/** The tasks of one probe. */
export class Tasks {
  readonly #probe: Probe;
  readonly #options: AttachOptions;
  readonly #words: Uint32Array = new Uint32Array(new ArrayBuffer(TASK_BYTES));
  readonly #notices: Uint32Array = new Uint32Array(new ArrayBuffer(NOTICE_WORDS * 4));
  #links: Uint8Array = new Uint8Array(new ArrayBuffer(256 * LINK_BYTES));
  #underWay = 0;

  constructor(probe: Probe, options: AttachOptions) {
    this.#probe = probe;
    this.#options = options;
  }

  /** Whether {@link ask} may be called. */
  get hasRoom(): boolean {
    return this.#underWay < TASKS_MAX;
  }

  /** Has a task done after those asked before. @throws ShimError where the thread cannot be started. */
  ask(task: Task): void {
    this.#words.fill(0);
    this.#words[WORD.kind] = KINDS.indexOf(task.kind);
    this.#words[WORD.ifindex] = task.ifindex;
    const { mode, order, tcPriority } = this.#options;
    this.#words.set([MODES[mode], ORDERS[order], tcPriority], WORD.mode);
    const { library, handle } = this.#probe;
    this.#probe.check(library.merminbpf_task_add(handle, this.#words), `Cannot ${task.kind}`);
    this.#underWay++;
  }

  /** The next task that is done; undefined where none is. */
  next(): Done | undefined {
    const { library, handle } = this.#probe;
    if (library.merminbpf_task_next(handle, this.#words) === 0) return undefined;
    this.#underWay--;
    const result = this.#word(WORD.result) | 0;
    const kind = KINDS[this.#word(WORD.kind)] ?? "list";
    const ifindex = this.#word(WORD.ifindex);
    if (result < 0)
      return { kind: "failed", task: kind, ifindex, error: this.#failure(kind, ifindex, result) };
    if (kind === "list") return { kind, links: this.#readLinks(result) };
    if (kind === "attach") return { kind, ifindex, mode: result === MODES.tcx ? "tcx" : "clsact" };
    if (kind === "detach") return { kind, ifindex };
    const isHooked = this.#word(WORD.ours) === 1 && this.#word(WORD.ours + 1) === 1;
    return { kind, ifindex, isHooked, before: [this.#before(0), this.#before(1)] };
  }

  /** What the kernel told since the last call; the first call begins to listen. @throws ShimError */
  notices(): LinkNotices {
    const { library, handle } = this.#probe;
    const result = library.merminbpf_links_changed(handle, this.#notices);
    this.#probe.check(result, "Cannot follow interface changes");
    const [changed = 0, lost = 0, count = 0] = this.#notices;
    const gone = count === 0 ? [] : [...this.#notices.subarray(NOTICE_GONE_AT, NOTICE_GONE_AT + count)];
    return { hasChanged: changed === 1, areLost: lost === 1, gone };
  }

  #word(at: number): number {
    return this.#words[at] ?? 0;
  }

  #before(side: number): readonly number[] {
    const first = WORD.ids + side * BEFORE_MAX;
    return [...this.#words.subarray(first, first + this.#word(WORD.before + side))];
  }

  #failure(kind: Task["kind"], ifindex: number, errno: number): ShimError {
    const bytes = new Uint8Array(this.#words.buffer, TEXT_AT);
    const text = new TextDecoder().decode(bytes.subarray(0, Math.max(0, bytes.indexOf(0))));
    const action = kind === "list" ? "Cannot list the interfaces" : ACTIONS[kind] + ifindex;
    return new ShimError(action, errno, text);
  }

  #readLinks(count: number): readonly Link[] {
    if (count * LINK_BYTES > this.#links.byteLength) {
      this.#links = new Uint8Array(new ArrayBuffer(2 * count * LINK_BYTES));
    }
    const { library, handle } = this.#probe;
    const result = library.merminbpf_links_listed(handle, this.#links, this.#links.byteLength / LINK_BYTES);
    return decodeLinks(this.#links, this.#probe.check(result, "Cannot read the interfaces"));
  }
}
