// Rule 2 of attribution, as far as listening sockets tell: the pod whose process answers at a port of this node. Comes in:
// readings. Goes out: one answer for one end of a flow.

import type { AddressQuery } from "./directory-resolve.ts";
import { isPod, type Known, type KnownPod } from "./known.ts";
import type { HostPod } from "./objects-workload.ts";
import { type SocketAnswer, SocketReadings } from "./socket-readings.ts";

/** What sockets say of one end. Reused, so mutable. */
export interface ListeningEnd {
  /** silent: nothing for certain; pod: `pod` has it; other: somebody has it who is not told. */
  kind: "silent" | "pod" | "other";
  pod: KnownPod | undefined;
  /** Index of the pod's container; -1: not known which. */
  container: number;
  /** What comes later may say more. */
  isPending: boolean;
}

const NO_CONTAINER = -1;

/** Asks readings, and the directory for pods. */
export class ListeningPods {
  readonly readings: SocketReadings;
  readonly #findPod: (uid: string) => Known | undefined;
  readonly #answer: SocketAnswer = { holder: undefined, isSeen: false, isPending: false };
  readonly #end: ListeningEnd = {
    kind: "silent",
    pod: undefined,
    container: NO_CONTAINER,
    isPending: false,
  };

  /**
   * @param keptMs as for {@link SocketReadings}
   * @param findPod a pod by the uid that the kubelet knows it by
   */
  constructor(keptMs: number, findPod: (uid: string) => Known | undefined) {
    this.readings = new SocketReadings(keptMs);
    this.#findPod = findPod;
  }

  /** @returns what is known of the end, until the next call */
  find(query: AddressQuery): Readonly<ListeningEnd> {
    const end = this.#end;
    const answer = this.#answer;
    end.pod = undefined;
    end.container = NO_CONTAINER;
    end.kind = "silent";
    end.isPending = false;
    if (query.port === 0 || query.isCaller) return end;
    this.readings.find(query, query.startMs, answer);
    const { holder } = answer;
    end.isPending = answer.isPending;
    if (holder?.kind === "host" || holder?.kind === "several") end.kind = "other";
    if (holder?.kind === "pod") this.#addPod(holder.uid, holder.containerId, query.startMs);
    return end;
  }

  #addPod(uid: string, containerId: string, startMs: number): void {
    const end = this.#end;
    const known = this.#findPod(uid);
    if (known === undefined || !isPod(known)) {
      end.kind = "other";
      // It may be on its way.
      end.isPending = true;
      return;
    }
    const { host } = known.told.object;
    if (host === undefined) {
      end.kind = "other";
    } else if (this.#answer.isSeen || isRunning(known, host, startMs)) {
      end.kind = "pod";
      end.pod = known;
      end.container = findContainer(known, host, containerId);
    }
  }
}

/** As far as the API server says: of a pod that is gone it does not say when it ended. */
function isRunning({ isGone }: KnownPod, { startMs, endMs }: HostPod, atMs: number): boolean {
  return !isGone && startMs <= atMs && atMs < endMs;
}

function findContainer({ told }: KnownPod, { containerIds }: HostPod, containerId: string): number {
  const found = containerIds.find(({ id }) => containerId.startsWith(id));
  if (found === undefined) return NO_CONTAINER;
  return told.object.containers.findIndex(({ name }) => name === found.name);
}
