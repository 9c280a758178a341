// Failures of the shim as Error: what failed, the kernel's reason, and the remedy where there is one to name.

/** Negative errno values the agent tells apart (asm-generic/errno-base.h). */
export const ERRNO = {
  perm: -1,
  noent: -2,
  again: -11,
  acces: -13,
  busy: -16,
  exist: -17,
  nodev: -19,
  inval: -22,
  nosys: -38,
} as const;

const PRIVILEGE_REMEDY = "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";

/** A call into the shim that failed. `errno` is negative. */
export class ShimError extends Error {
  readonly errno: number;

  constructor(action: string, errno: number, detail: string) {
    super(`${action}: ${describe(errno, detail)}`);
    this.name = "ShimError";
    this.errno = errno;
  }
}

function describe(errno: number, detail: string): string {
  const reason = detail.trim() === "" ? `error ${-errno}` : detail.trim();
  // EPERM is always a lack of privilege, whatever libbpf makes of it; EACCES may be the verifier's refusal.
  if (errno === ERRNO.perm) return `permission denied; ${PRIVILEGE_REMEDY}`;
  if (errno === ERRNO.acces) return `${reason}; ${PRIVILEGE_REMEDY}`;
  if (errno === ERRNO.nosys)
    return `${reason}; the kernel has no BPF: it needs Linux 6.1 with CONFIG_BPF_SYSCALL`;
  return reason;
}
