// What the kernel translates: events of ctnetlink, and listings of all there is. Comes in: the shim.
// Goes out: TranslationBatch over buffers that are reused at the next call. Never waits, never decodes.

import type { Probe } from "./probe.ts";
import { TRANSLATION_BYTES, type TranslationBatch } from "./translation.ts";

/** About 6,000 events wait in it: what 600,000 new translated connections a second bring in 10 ms. */
const RECEIVE_BYTES = 8 << 20;
/** Of a turn: 200,000 a second. */
const ROWS = 2048;
const ENODATA = -61;
const EINTR = -4;
const ACTION = "Cannot follow conntrack";

/** What came of a step of a listing; `interrupted`: at its end, and entries may be missing. */
export type ListingStatus = "listing" | "complete" | "interrupted";

/** The subscription of one probe, in the watched network namespace. */
export class Conntrack {
  readonly #probe: Probe;
  readonly #events = new Uint32Array(new ArrayBuffer(ROWS * TRANSLATION_BYTES));
  readonly #listed = new Uint32Array(new ArrayBuffer(ROWS * TRANSLATION_BYTES));

  /**
   * @param receiveBytes what the kernel keeps of events that were not read
   * @throws ShimError where the kernel has no conntrack
   */
  constructor(probe: Probe, receiveBytes: number = RECEIVE_BYTES) {
    this.#probe = probe;
    probe.check(probe.library.merminbpf_conntrack_open(probe.handle, receiveBytes), ACTION);
  }

  /** Takes the events that wait, in slices. @throws ShimError */
  read(): TranslationBatch {
    const { library, handle } = this.#probe;
    const count = library.merminbpf_conntrack_read(handle, this.#events, ROWS);
    return { count: this.#probe.check(count, ACTION), words: this.#events };
  }

  /**
   * Whether events were lost since the last call: only a listing tells what they said. Said once all that waited is
   * read, as the kernel loses more until then.
   */
  hasOverrun(): boolean {
    return this.#probe.library.merminbpf_conntrack_overrun(this.#probe.handle) !== 0;
  }

  /** Begins a listing; the one before must be at its end. @throws ShimError where there is no ctnetlink */
  list(): void {
    const { library, handle } = this.#probe;
    this.#probe.check(library.merminbpf_conntrack_list(handle), ACTION);
  }

  /** Goes on with it by at most 32 KiB of the kernel's. @throws ShimError */
  listed(): TranslationBatch & { readonly status: ListingStatus } {
    const { library, handle } = this.#probe;
    const count = library.merminbpf_conntrack_listed(handle, this.#listed, ROWS);
    if (count === ENODATA) return { count: 0, words: this.#listed, status: "complete" };
    if (count === EINTR) return { count: 0, words: this.#listed, status: "interrupted" };
    return { count: this.#probe.check(count, ACTION), words: this.#listed, status: "listing" };
  }
  /** Ends the subscription, and a listing on its way. */
  close(): void {
    this.#probe.library.merminbpf_conntrack_close(this.#probe.handle);
  }
}
