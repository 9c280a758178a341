// The network namespace that is watched, where it is not the agent's own. Comes in: its path. Goes out: what files say
// in it. The calling thread never stays there.

import { loadLibrary, nulTerminated } from "./library.ts";
import { ERRNO, ShimError } from "./shim-error.ts";

/** Routes and addresses of a node with thousands of pods. */
const MOST_BYTES = 16 << 20;
const FIRST_BYTES = 64 << 10;

/**
 * Watches the interfaces of another network namespace: of every probe and every list from here on. Empty: of the
 * process' own.
 * @throws Error where there is none at the path, or it may not be entered.
 */
export function watchNamespace(path: string): void {
  const library = loadLibrary();
  const result = library.merminbpf_namespace_watch(nulTerminated(path));
  if (result >= 0) return;
  const remedy =
    result === ERRNO.perm || result === ERRNO.acces
      ? "run with CAP_SYS_ADMIN, and with CAP_SYS_PTRACE for a file of /proc, or leave capture.host_netns empty"
      : "set capture.host_netns to the file of a network namespace";
  throw new Error(`${library.merminbpf_error(null)}; ${remedy}`);
}

/**
 * Reads a file below /proc as it is seen from the watched namespace; `/proc/thread-self` is the way to its own files.
 * @throws ShimError where it cannot be read.
 */
export function readInNamespace(path: string): string {
  const library = loadLibrary();
  for (let size = FIRST_BYTES; ; size *= 4) {
    const buffer = new Uint8Array(new ArrayBuffer(size));
    const length = library.merminbpf_namespace_read(nulTerminated(path), buffer, size);
    if (length < 0) throw new ShimError(`Cannot read ${path}`, length, String(library.merminbpf_error(null)));
    if (length < size || size >= MOST_BYTES) return new TextDecoder().decode(buffer.subarray(0, length));
  }
}
