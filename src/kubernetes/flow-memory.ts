// What was found out about flows that are told more than once, so that news never change it. Bounded: flows that end
// without a last record are pushed out by others.

import { AddressMap } from "./directory-addresses.ts";
import type { Resolution } from "./directory-resolve.ts";

/** Who a flow is between. */
export interface RememberedFlow {
  readonly source: Resolution;
  readonly destination: Resolution;
}

/** Resolutions of flows, the least used of which go once there are too many. */
export class FlowMemory {
  readonly #capacity: number;
  #young: AddressMap<RememberedFlow> = new AddressMap();
  #old: AddressMap<RememberedFlow> = new AddressMap();

  /** @param capacity flows that are surely remembered; at most twice as many are */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** @param id five words that no other flow has */
  get(id: Uint32Array): RememberedFlow | undefined {
    const last = id[4] as number;
    const young = this.#young.get(id, 0, last);
    if (young !== undefined) return young;
    const old = this.#old.get(id, 0, last);
    if (old === undefined) return undefined;
    this.#old.delete(id, 0, last);
    this.set(id, old);
    return old;
  }

  set(id: Uint32Array, flow: RememberedFlow): void {
    if (this.#young.size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new AddressMap();
    }
    this.#young.set(id, 0, id[4] as number, flow);
  }

  delete(id: Uint32Array): void {
    const last = id[4] as number;
    this.#young.delete(id, 0, last);
    this.#old.delete(id, 0, last);
  }
}
