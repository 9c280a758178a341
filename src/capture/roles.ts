// What the watched interfaces face, remembered beyond their end: their flows are told after it.

import { type Link, type Role, roleOf } from "./links.ts";

/** Roles kept of interfaces that have gone. */
const GONE_ROLES = 1024;

/** Role by index, of what is watched and of what was not long ago. */
export class Roles {
  readonly #roles: Map<number, Role> = new Map();

  /** Takes note of what is watched now; of what has gone, the oldest are forgotten. */
  remember(watched: readonly Link[], defaultRoutes: ReadonlySet<string>): void {
    for (const link of watched) {
      this.#roles.delete(link.ifindex);
      this.#roles.set(link.ifindex, roleOf(link, defaultRoutes));
    }
    for (const ifindex of this.#roles.keys()) {
      if (this.#roles.size <= watched.length + GONE_ROLES) break;
      this.#roles.delete(ifindex);
    }
  }

  /** Outward where it is not known. */
  roleOf(ifindex: number): Role {
    return this.#roles.get(ifindex) ?? "outward";
  }
}
