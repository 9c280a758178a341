// A network namespace for the calling thread. It has no name: when left, the kernel removes it with its interfaces.

import { dlopen } from "bun:ffi";
import { closeSync, openSync } from "node:fs";
import { requireRoot } from "./bench.ts";

const CLONE_NEWNET = 0x40000000;

/** Being in a namespace of one's own, until disposed. */
export class ThreadNamespace implements Disposable {
  readonly #home: number;

  constructor() {
    requireRoot();
    this.#home = openSync("/proc/thread-self/ns/net", "r");
    if (libc().unshare(CLONE_NEWNET) !== 0) throw new Error("Cannot make a network namespace");
  }

  /** Makes pairs of veth interfaces with these indices, down and without addresses. */
  addPairs(...indices: readonly (readonly [number, number])[]): void {
    for (const [one, other] of indices) {
      ip(
        "link",
        "add",
        `v${one}`,
        "index",
        `${one}`,
        "type",
        "veth",
        "peer",
        "name",
        `v${other}`,
        "index",
        `${other}`,
      );
    }
  }

  /** Makes an interface of a kind and sets it up. */
  addLink(name: string, kind: string, ...options: readonly string[]): void {
    ip("link", "add", name, "type", kind, ...options);
    ip("link", "set", name, "up");
  }

  [Symbol.dispose](): void {
    if (libc().setns(this.#home, CLONE_NEWNET) !== 0) throw new Error("Cannot leave the network namespace");
    closeSync(this.#home);
  }
}

function libc(): { unshare: (flags: number) => number; setns: (fd: number, flags: number) => number } {
  return dlopen("libc.so.6", {
    unshare: { args: ["i32"], returns: "i32" },
    setns: { args: ["i32", "i32"], returns: "i32" },
  }).symbols;
}

function ip(...args: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["ip", ...args]);
  if (exitCode !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr.toString().trim()}`);
}
