// What the watched interfaces face and are called, remembered beyond their end: their flows are told after it.

import { type Link, type Role, roleOf } from "./links.ts";

/** Interfaces remembered that have gone. */
const GONE = 1024;

interface Remembered {
  readonly name: string;
  readonly role: Role;
}

/** Role and name by index, of what is watched and of what was not long ago. */
export class Roles {
  readonly #interfaces: Map<number, Remembered> = new Map();

  /** Takes note of what is watched now; of what has gone, the oldest are forgotten. */
  remember(watched: readonly Link[], defaultRoutes: ReadonlySet<string>): void {
    for (const link of watched) {
      this.#interfaces.delete(link.ifindex);
      this.#interfaces.set(link.ifindex, { name: link.name, role: roleOf(link, defaultRoutes) });
    }
    for (const ifindex of this.#interfaces.keys()) {
      if (this.#interfaces.size <= watched.length + GONE) break;
      this.#interfaces.delete(ifindex);
    }
  }

  /** Outward where it is not known. */
  roleOf(ifindex: number): Role {
    return this.#interfaces.get(ifindex)?.role ?? "outward";
  }

  /** undefined where it is not known. */
  nameOf(ifindex: number): string | undefined {
    return this.#interfaces.get(ifindex)?.name;
  }
}
