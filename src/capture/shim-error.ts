// Failures of the shim as Error: what failed, the kernel's reason, and the remedy where there is one to name.

import { readFileSync } from "node:fs";

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

/** linux/capability.h */
const CAPABILITY = { sysAdmin: 21n, perfmon: 38n, bpf: 39n } as const;

const PRIVILEGE_REMEDY = "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";

/** A call into the shim that failed. `errno` is negative. */
export class ShimError extends Error {
  readonly errno: number;

  constructor(action: string, errno: number, detail: string) {
    // The shim's text may begin as ours does.
    const reason = describe(errno, detail);
    super(reason.startsWith(`${action}: `) ? reason : `${action}: ${reason}`);
    this.name = "ShimError";
    this.errno = errno;
  }
}

function describe(errno: number, detail: string): string {
  const reason = detail.trim() === "" ? `error ${-errno}` : detail.trim();
  // EPERM is always a lack of privilege, whatever libbpf makes of it; EACCES may be the verifier's refusal, which
  // without CAP_PERFMON comes of what it then does not allow.
  if (errno === ERRNO.perm || (errno === ERRNO.acces && lacksPrivilege()))
    return `permission denied; ${PRIVILEGE_REMEDY}`;
  if (errno === ERRNO.acces) return `${reason}; ${PRIVILEGE_REMEDY}`;
  if (errno === ERRNO.nosys)
    return `${reason}; the kernel has no BPF: it needs Linux 6.1 with CONFIG_BPF_SYSCALL`;
  return reason;
}

/** Whether one of the capabilities is missing that CAP_SYS_ADMIN stands for too. */
function lacksPrivilege(): boolean {
  const found = /^CapEff:\s*([0-9a-f]+)$/m.exec(readStatus());
  const effective = found === null ? -1n : BigInt(`0x${found[1]}`);
  const has = (capability: bigint): boolean => (effective & (1n << capability)) !== 0n;
  return !has(CAPABILITY.sysAdmin) && !(has(CAPABILITY.bpf) && has(CAPABILITY.perfmon));
}

/** Empty where there is no /proc. */
function readStatus(): string {
  try {
    return readFileSync("/proc/self/status", "utf8");
  } catch {
    return "";
  }
}
