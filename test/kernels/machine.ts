// A guest: its disks, one boot under qemu by software emulation, and what it brought back.

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { $, type Subprocess } from "bun";
import { describeEnd } from "./console.ts";

/** Between two looks at the console. */
const LOOK_MS = 500;
const RESULTS_BYTES = 128 * 1024 * 1024;

/** What to boot. */
export interface Machine {
  readonly kernel: string;
  readonly initramfs: string;
  /** Read-only ext4 image, mounted at /test. */
  readonly disk: string;
  /** Folder for console.log, the raw result disk and the unpacked results; emptied first. */
  readonly folder: string;
  /** Wall-clock limit in milliseconds; a guest that takes longer is ended. */
  readonly timeoutMs: number;
  /** Likewise one that writes nothing on its console for so long: it hangs. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

function qemuArguments(machine: Machine, results: string): string[] {
  return [
    ...["-accel", "tcg,thread=multi", "-M", "q35", "-cpu", "max", "-smp", "2", "-m", "1536M"],
    ...[
      "-nodefaults",
      "-no-user-config",
      "-display",
      "none",
      "-monitor",
      "none",
      "-serial",
      "stdio",
      "-no-reboot",
    ],
    ...["-kernel", machine.kernel, "-initrd", machine.initramfs],
    ...["-append", "console=ttyS0 panic=-1 oops=panic loglevel=4"],
    ...["-drive", `if=none,id=test,format=raw,readonly=on,file=${machine.disk}`],
    ...["-device", "virtio-blk-pci,drive=test"],
    ...["-drive", `if=none,id=results,format=raw,file=${results}`],
    ...["-device", "virtio-blk-pci,drive=results"],
    ...["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
  ];
}

/** Boots and waits for the end. Returns a complaint, or undefined where the suite ran to its end. */
export async function runMachine(machine: Machine): Promise<string | undefined> {
  const { folder, signal } = machine;
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, "results"), { recursive: true });
  const disk = join(folder, "results.raw");
  await $`truncate --size ${RESULTS_BYTES} ${disk}`;
  const [log, complaints] = [join(folder, "console.log"), join(folder, "qemu.log")];
  const qemu = Bun.spawn(["qemu-system-x86_64", ...qemuArguments(machine, disk)], {
    stdin: "ignore",
    stdout: Bun.file(log),
    stderr: Bun.file(complaints),
    killSignal: "SIGKILL",
    signal,
  });
  const reason = await watch(qemu, log, machine);
  await $`tar --extract --file ${disk} --directory ${join(folder, "results")}`.quiet().nothrow();
  await rm(disk);
  if (signal.aborted) return "interrupted";
  const complaint = describeEnd({
    console: await Bun.file(log).text(),
    complaints: await Bun.file(complaints).text(),
    exitCode: qemu.exitCode,
    signal: qemu.signalCode,
    ...(reason === undefined ? {} : { reason }),
  });
  return complaint === undefined ? undefined : `${complaint}; its console: ${log}`;
}

/** Waits for the end, and brings it about where the guest is silent or late. Returns why it did, if so. */
async function watch(qemu: Subprocess, log: string, machine: Machine): Promise<string | undefined> {
  const { silenceMs, timeoutMs } = machine;
  const begin = performance.now();
  let [size, heardAt] = [0, begin];
  while (await isRunningAfter(qemu, LOOK_MS)) {
    const now = performance.now();
    const written = Bun.file(log).size;
    if (written !== size) [size, heardAt] = [written, now];
    const isSilent = now - heardAt > silenceMs;
    if (!isSilent && now - begin < timeoutMs) continue;
    qemu.kill("SIGKILL");
    await qemu.exited;
    return isSilent ? `nothing heard for ${silenceMs / 1000} s` : `not done after ${timeoutMs / 1000} s`;
  }
  return undefined;
}

async function isRunningAfter(qemu: Subprocess, milliseconds: number): Promise<boolean> {
  const waited = Promise.withResolvers<true>();
  const timer = setTimeout(() => waited.resolve(true), milliseconds);
  const isRunning = await Promise.race([qemu.exited.then(() => false), waited.promise]);
  clearTimeout(timer);
  return isRunning;
}
