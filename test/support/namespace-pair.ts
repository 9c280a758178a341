// Two namespaces and one veth pair: the smallest network. Silent until it is given its IPv6 addresses.

import { join } from "node:path";
import { connect, Namespace } from "./namespace.ts";
import { runCommand } from "./namespace-process.ts";
import type { Speaker } from "./namespace-traffic.ts";

/** One of the two. */
export interface Host {
  readonly namespace: Namespace;
  readonly device: string;
  readonly ipv4: Speaker;
  readonly ipv6: Speaker;
  /** Every address that it sends from. */
  readonly addresses: readonly string[];
}

export interface Pair extends AsyncDisposable {
  readonly hosts: readonly [Host, Host];
}

/** Makes the pair. Devices are `left0` and `right0`; IPv4 addresses are there. */
export function makePair(): Pair {
  const hosts = [makeHost("left", 1), makeHost("right", 2)] as const;
  const [left, right] = hosts;
  connect(left, right);
  for (const { namespace, device, ipv4 } of hosts) {
    namespace.ip("address", "add", `${ipv4.address}/24`, "dev", device);
  }
  return {
    hosts: [left, right],
    [Symbol.asyncDispose]: async () => {
      for (const { namespace } of hosts) await namespace[Symbol.asyncDispose]();
    },
  };
}

/**
 * Adds the IPv6 addresses, usable at once. From here on both ends send reports of their multicast groups: from the
 * link-local address, which is why it comes first; without it they come from the unspecified one, which both share.
 */
export function addIpv6(pair: Pair): void {
  for (const { namespace, device, addresses } of pair.hosts) {
    const ipv6 = addresses.filter((address) => address.includes(":")).toReversed();
    for (const address of ipv6) namespace.ip("address", "add", `${address}/64`, "dev", device, "nodad");
  }
}

/** `ethtool -K` on both ends. */
export function setFeatures(pair: Pair, words: readonly string[]): void {
  for (const { namespace, device } of pair.hosts) namespace.run("ethtool", "-K", device, ...words);
}

/** Lets both ends send and receive super-packets of up to `bytes` in both families (BIG TCP beyond 64 KiB). */
export function setSuperPacketBytes(pair: Pair, bytes: number): void {
  const source = new URL("./namespace-super-packets.c", import.meta.url).pathname;
  for (const { namespace, device } of pair.hosts) {
    const program = join(namespace.folder, "super-packets");
    runCommand(["clang-19", "-Wall", "-o", program, source]);
    namespace.run(program, device, String(bytes));
  }
}

function makeHost(label: string, number: number): Host {
  const namespace = new Namespace(label);
  const addresses = [`10.77.0.${number}`, `fd77::${number}`, `fe80::77:${number}`] as const;
  return {
    namespace,
    device: `${label}0`,
    addresses,
    ipv4: { namespace, address: addresses[0] },
    ipv6: { namespace, address: addresses[1] },
  };
}
