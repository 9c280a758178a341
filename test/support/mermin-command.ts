// `mermin` run to its end inside a namespace of a test.

import type { Namespace } from "./namespace.ts";
import type { Ended, TestProcess } from "./namespace-process.ts";

const BINARY: string = new URL("../../dist/mermin", import.meta.url).pathname;

/** Runs the built binary in a network namespace, with the mounts of a process. */
export function runMermin(namespace: Namespace, mounts: TestProcess, ...words: string[]): Promise<Ended> {
  return namespace.start(["nsenter", `--mount=/proc/${mounts.pid}/ns/mnt`, BINARY, ...words]).ended();
}
