// Devices as rtnetlink tells of them, for tests that name only what matters to them.

import type { Link } from "../../../src/capture/links.ts";

const ARPHRD_ETHER = 1;

/** An Ethernet device that is up, stacked on nothing; `more` says what is otherwise. */
export function makeLink(ifindex: number, more: Partial<Link> = {}): Link {
  return {
    ifindex,
    name: `d${ifindex}`,
    kind: "",
    parent: 0,
    isParentHere: true,
    parentNamespace: -1,
    master: 0,
    masterKind: "",
    isUp: true,
    isLoopback: false,
    type: ARPHRD_ETHER,
    packets: [0, 0],
    ...more,
  };
}
