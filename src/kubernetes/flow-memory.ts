// What was found out about flows that are told more than once, so that news never change it. Bounded: flows that end
// without a last record are pushed out by others. A flow costs 28 bytes of a hash table, no object (bench/kubernetes.ts).

import { AddressMap } from "./directory-addresses.ts";
import { newResolution, type Resolution } from "./directory-resolve.ts";
import { FlowEnds } from "./flow-ends.ts";

/** Who a flow is between. */
export interface RememberedFlow {
  readonly source: Readonly<Resolution>;
  readonly destination: Readonly<Resolution>;
}

/** Resolutions of flows, the least used of which go once there are too many. */
export class FlowMemory {
  readonly #capacity: number;
  #young = new Generation();
  #old = new Generation();

  /** @param capacity flows that are surely remembered; at most twice as many are */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Different resolutions kept, about as many as flows' ends have. */
  get ends(): number {
    return this.#young.ends + this.#old.ends;
  }

  /**
   * What the ends of a flow were found to be. The same object each time, that holds until the next call.
   * @param id five words that no other flow has
   */
  get(id: Uint32Array): RememberedFlow | undefined {
    const young = this.#young.get(id);
    if (young !== undefined) return young;
    const old = this.#old.get(id);
    if (old === undefined) return undefined;
    this.set(id, old.source, old.destination);
    return this.#young.get(id);
  }

  set(id: Uint32Array, source: Readonly<Resolution>, destination: Readonly<Resolution>): void {
    if (this.#young.size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new Generation();
    }
    this.#old.delete(id);
    this.#young.set(id, source, destination);
  }

  delete(id: Uint32Array): void {
    this.#young.delete(id);
    this.#old.delete(id);
  }
}

/** Numbers of a flow's two ends are one number, which holds 53 bits. */
const SOURCE_UNIT = 2 ** 26;

const NOBODY: Readonly<Resolution> = newResolution();

/** Flows that came after the generation before was full. */
class Generation {
  readonly #flows: AddressMap<number> = new AddressMap();
  readonly #ends = new FlowEnds();
  readonly #found: { source: Readonly<Resolution>; destination: Readonly<Resolution> } = {
    source: NOBODY,
    destination: NOBODY,
  };

  get size(): number {
    return this.#flows.size;
  }

  get ends(): number {
    return this.#ends.size;
  }

  get(id: Uint32Array): RememberedFlow | undefined {
    const flow = this.#flows.get(id, 0, id[4] as number);
    if (flow === undefined) return undefined;
    const source = sourceOf(flow);
    this.#found.source = this.#ends.get(source);
    this.#found.destination = this.#ends.get(flow - source * SOURCE_UNIT);
    return this.#found;
  }

  set(id: Uint32Array, source: Readonly<Resolution>, destination: Readonly<Resolution>): void {
    const before = this.#flows.get(id, 0, id[4] as number);
    const flow = this.#ends.take(source) * SOURCE_UNIT + this.#ends.take(destination);
    this.#flows.set(id, 0, id[4] as number, flow);
    if (before !== undefined) this.#release(before);
  }

  delete(id: Uint32Array): void {
    const flow = this.#flows.get(id, 0, id[4] as number);
    if (flow === undefined) return;
    this.#flows.delete(id, 0, id[4] as number);
    this.#release(flow);
  }

  #release(flow: number): void {
    const source = sourceOf(flow);
    this.#ends.release(source);
    this.#ends.release(flow - source * SOURCE_UNIT);
  }
}

function sourceOf(flow: number): number {
  return Math.floor(flow / SOURCE_UNIT);
}
