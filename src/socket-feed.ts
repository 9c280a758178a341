// Readings of the host's listening sockets, brought to the directory once it is known whose cgroups they are of. Comes in:
// messages of the capture thread. Goes out: SocketReadings. One at a time: those that come meanwhile wait.

import { decodeListeners } from "./capture/listener-record.ts";
import type { SocketHolders } from "./kubernetes/socket-holders.ts";
import { UNSURE } from "./kubernetes/socket-holders.ts";
import type { HeldSocket } from "./kubernetes/socket-index.ts";
import type { SocketReadings } from "./kubernetes/socket-readings.ts";
import type { ListenersMessage } from "./messages.ts";

type Changed = NonNullable<ListenersMessage["changed"]>;

/** Readings come a second apart at least, and looking a whole tree through takes less: half a megabyte each at most. */
const MOST_WAITING = 8;

/** Takes messages in the order of their times. */
export class SocketFeed {
  readonly #readings: SocketReadings;
  readonly #holders: SocketHolders;
  readonly #waiting: ListenersMessage[] = [];
  /** The sockets as they were read last. */
  #sockets: ListenersMessage["changed"];
  #isBusy = false;

  constructor(readings: SocketReadings, holders: SocketHolders) {
    this.#readings = readings;
    this.#holders = holders;
  }

  accept(message: ListenersMessage): void {
    const waiting = this.#waiting;
    waiting.push(message);
    const [first, second] = waiting;
    if (waiting.length > MOST_WAITING && first !== undefined && second !== undefined) {
      // What the first has changed is still so.
      waiting.splice(0, 2, { ...second, changed: second.changed ?? first.changed });
    }
    if (!this.#isBusy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
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
