// Readings of the host's listening sockets, brought to the directory once it is known whose cgroups they are of. Comes in:
// messages of the capture thread. Goes out: SocketReadings. One at a time: of those that come meanwhile the last is kept.

import { decodeListeners } from "./capture/listener-record.ts";
import type { SocketHolders } from "./kubernetes/socket-holders.ts";
import { UNSURE } from "./kubernetes/socket-holders.ts";
import type { HeldSocket } from "./kubernetes/socket-index.ts";
import type { SocketReadings } from "./kubernetes/socket-readings.ts";
import type { ListenersMessage } from "./messages.ts";

type Changed = NonNullable<ListenersMessage["changed"]>;

/** Takes messages in the order of their times. */
export class SocketFeed {
  readonly #readings: SocketReadings;
  readonly #holders: SocketHolders;
  #waiting: ListenersMessage | undefined;
  /** The sockets as they were read last. */
  #sockets: ListenersMessage["changed"];
  #isBusy = false;

  constructor(readings: SocketReadings, holders: SocketHolders) {
    this.#readings = readings;
    this.#holders = holders;
  }

  accept(message: ListenersMessage): void {
    // What the one that waits has changed is still so.
    this.#waiting = { ...message, changed: message.changed ?? this.#waiting?.changed };
    if (!this.#isBusy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let next = this.#waiting; next !== undefined; next = this.#waiting) {
      this.#waiting = undefined;
      await this.#take(next);
    }
    this.#isBusy = false;
  }

  async #take({ atMs, changed }: ListenersMessage): Promise<void> {
    this.#sockets = changed ?? this.#sockets;
    if (this.#sockets === undefined) return;
    if (changed === undefined && !this.#holders.haveGone) this.#readings.confirm(atMs);
    else await this.#add(atMs, this.#sockets);
  }

  async #add(atMs: number, { addresses, listeners }: Changed): Promise<void> {
    const listening = decodeListeners(listeners);
    const holders = await this.#holders.locate(new Set(listening.map(({ cgroupId }) => cgroupId)));
    const sockets = listening.map(({ cgroupId, ifindex, ...socket }): HeldSocket => {
      // One that is bound to an interface answers at that alone.
      const holder = ifindex === 0 ? holders.get(cgroupId) : undefined;
      return { ...socket, holder: holder ?? UNSURE };
    });
    this.#readings.add({ atMs, addresses, sockets });
  }
}
