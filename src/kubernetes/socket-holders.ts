// Who listens on the host's network, as far as its sockets' cgroups tell. Comes in: ids. Goes out: pods by the uid that the
// kubelet knows them by. Looked up in the file system when an id is new, a few milliseconds at a time.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "../lib/log.ts";
import type { CgroupPlace } from "./cgroup-place.ts";
import { type CgroupSearch, type FoundCgroup, isThere, searchCgroups } from "./cgroup-search.ts";

/** Who has a listening socket. */
export type SocketHolder =
  /** `containerId` "": not known which, or several. */
  | { readonly kind: "pod"; readonly uid: string; readonly containerId: string }
  /** The node itself: a process in no pod. */
  | { readonly kind: "host" }
  /** Pods, or a pod and the node: nobody knows which of them. */
  | { readonly kind: "several" }
  /** Nobody knows. */
  | { readonly kind: "unsure" };

export const UNSURE: SocketHolder = { kind: "unsure" };
export const SEVERAL: SocketHolder = { kind: "several" };

const HOST: SocketHolder = { kind: "host" };

/** Between two turns of the event loop. */
const SLICE_MS = 2;
/** In every folder of cgroup v2, and in none of v1. */
const CONTROLLERS = "cgroup.controllers";

export interface SocketHoldersOptions {
  /** `kubernetes.cgroup_root`. */
  readonly root: string;
  readonly log: Logger;
}

/** Holders by cgroup id. One call at a time. */
export class SocketHolders {
  readonly #options: SocketHoldersOptions;
  /** undefined: not to be found. */
  #cgroups: Map<bigint, FoundCgroup | undefined> = new Map();
  /** undefined: the whole tree was not searched yet. */
  #hasPods: boolean | undefined;
  #isMissingTold = false;

  constructor(options: SocketHoldersOptions) {
    this.#options = options;
  }

  /** Holders of all of `ids`; 0 is no id, and of nobody known. Without cgroup v2 nobody is, which is said once. */
  async locate(ids: ReadonlySet<bigint>): Promise<ReadonlyMap<bigint, SocketHolder>> {
    const root = findRoot(this.#options.root);
    if (root === undefined) {
      this.#tellMissing("no cgroup v2");
      return new Map();
    }
    const known = new Map([...this.#cgroups].filter(([id, found]) => ids.has(id) && !hasGone(id, found)));
    const wanted = new Set([...ids].filter((id) => id !== 0n && !known.has(id)));
    if (wanted.size > 0) {
      const { places, hasPods } = await this.#search(root, wanted);
      for (const id of wanted) known.set(id, places.get(id));
      this.#hasPods = this.#hasPods === true || hasPods;
      if (!this.#hasPods) this.#tellMissing("no pods");
    }
    this.#cgroups = known;
    return new Map([...ids].map((id) => [id, this.#holderIn(known.get(id)?.place)]));
  }

  /** Whether a cgroup of the last call is not there any more. Who has its sockets by now is somebody else. */
  get haveGone(): boolean {
    return [...this.#cgroups].some(([id, found]) => hasGone(id, found));
  }

  async #search(root: string, wanted: ReadonlySet<bigint>): Promise<CgroupSearch> {
    const steps = searchCgroups(root, { wanted, isWhole: this.#hasPods !== true });
    for (let startMs = performance.now(); ; ) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (performance.now() - startMs < SLICE_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      startMs = performance.now();
    }
  }

  /** Where containers have no cgroup of their own, what is in none of theirs may be a pod's all the same. */
  #holderIn(place: CgroupPlace | undefined): SocketHolder {
    if (place?.kind === "pod") return place;
    const isNodes = place?.kind === "host" || place?.kind === "foreign";
    return isNodes && this.#hasPods === true ? HOST : UNSURE;
  }

  #tellMissing(what: string): void {
    if (this.#isMissingTold) return;
    this.#isMissingTold = true;
    this.#options.log.info(
      "kubernetes: pods on the host's network are told by the ports they declare alone",
      {
        reason: `${what} at ${this.#options.root}; mount the node's /sys/fs/cgroup and set kubernetes.cgroup_root`,
      },
    );
  }
}

function hasGone(id: bigint, found: FoundCgroup | undefined): boolean {
  return found !== undefined && !isThere(id, found);
}

/** The tree of cgroup v2: beside those of v1 it is in a folder of its own. */
function findRoot(root: string): string | undefined {
  return [root, join(root, "unified")].find((folder) => existsSync(join(folder, CONTROLLERS)));
}
