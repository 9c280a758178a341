// Why a guest ended, in one line, from what it wrote on its console and what qemu said. Pure.

/** Last line of guest/init. */
const END_MARKER = "guest: end of suite";
/** 16 + 0 written to the debug port, as qemu turns it into its exit code. A panic gives 0. */
const PASS_CODE = 33;
const PANIC = /Kernel panic - not syncing: (.*)/;
/** What the kernel says first, before it says that it panics. */
const CAUSE = /\b(BUG: |Oops: |general protection fault|Unable to handle|sysrq: Trigger)(.*)/;

/** How a guest ended. */
export interface GuestEnd {
  readonly console: string;
  /** What qemu wrote to its standard error. */
  readonly complaints: string;
  readonly exitCode: number | null;
  /** The signal that ended qemu. */
  readonly signal: string | number | null;
  /** Why qemu was ended by this program, if it was. */
  readonly reason?: string;
}

/** Why this end is not that of a suite which ran through; undefined where it is. */
export function describeEnd(end: GuestEnd): string | undefined {
  const panic = PANIC.exec(end.console)?.[1];
  if (panic !== undefined) {
    const cause = CAUSE.exec(end.console)?.[0];
    const words = cause === undefined ? panic : `${panic}, after "${cause.trim()}"`;
    return `the kernel panicked ${whereOf(end.console)}: ${words.trim()}`;
  }
  if (end.reason !== undefined) return `${end.reason} ${whereOf(end.console)}`;
  if (end.signal !== null) return `qemu was ended by ${end.signal} ${whereOf(end.console)}`;
  if (end.exitCode !== PASS_CODE) {
    const words = lastLine(end.complaints) ?? lastLine(end.console) ?? "no word of it";
    return `qemu ended with ${end.exitCode} instead of ${PASS_CODE} ${whereOf(end.console)}: ${words}`;
  }
  return end.console.includes(END_MARKER) ? undefined : `no end of the suite on the console`;
}

/** The scenario that had begun, by guest/suite.sh's words. */
function whereOf(console: string): string {
  const begun = [...console.matchAll(/^guest: begins (\S+)/gm)].at(-1)?.[1];
  return begun === undefined ? "before the first scenario" : `in ${begun}`;
}

function lastLine(text: string): string | undefined {
  return text.trim().split("\n").at(-1)?.trim() || undefined;
}
