// A guest: its disks, one boot under qemu by software emulation, and what it brought back.

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { $ } from "bun";

/** 16 + 0 written to the debug port, as qemu turns it into its exit code. A panic gives 0. */
const PASS_CODE = 33;
const END_MARKER = "guest: end of suite";
const RESULTS_BYTES = 128 * 1024 * 1024;

/** What to boot. */
export interface Machine {
  readonly kernel: string;
  readonly initramfs: string;
  /** Read-only ext4 image, mounted at /test. */
  readonly disk: string;
  /** Folder for console.log, the raw result disk and the unpacked results; emptied first. */
  readonly folder: string;
  /** Wall-clock limit in milliseconds; a hanging guest is ended. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Makes an ext4 image of a folder without mounting anything. */
export async function makeDisk(folder: string, image: string): Promise<void> {
  const used = Number(
    (await $`du --summarize --block-size=1M --apparent-size ${folder}`.text()).split("\t")[0],
  );
  await rm(image, { force: true });
  const megabytes = Math.ceil(used * 1.1) + 16;
  await $`mke2fs -q -t ext4 -O ^has_journal -m 0 -d ${folder} ${image} ${megabytes}M`.quiet();
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
    ...["-append", "console=ttyS0 panic=-1 loglevel=4"],
    ...["-drive", `if=none,id=test,format=raw,readonly=on,file=${machine.disk}`],
    ...["-device", "virtio-blk-pci,drive=test"],
    ...["-drive", `if=none,id=results,format=raw,file=${results}`],
    ...["-device", "virtio-blk-pci,drive=results"],
    ...["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
  ];
}

/** Boots and waits for the end. Returns a complaint, or undefined where the suite ran to its end. */
export async function runMachine(machine: Machine): Promise<string | undefined> {
  const { folder, timeoutMs, signal } = machine;
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, "results"), { recursive: true });
  const disk = join(folder, "results.raw");
  await $`truncate --size ${RESULTS_BYTES} ${disk}`;
  const log = join(folder, "console.log");
  const qemu = Bun.spawn(["qemu-system-x86_64", ...qemuArguments(machine, disk)], {
    stdin: "ignore",
    stdout: Bun.file(log),
    stderr: Bun.file(join(folder, "qemu.log")),
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    signal,
  });
  const code = await qemu.exited;
  await $`tar --extract --file ${disk} --directory ${join(folder, "results")}`.quiet().nothrow();
  await rm(disk);
  if (signal.aborted) return "interrupted";
  if (qemu.signalCode !== null) return `ended after ${timeoutMs / 1000} s; its console: ${log}`;
  if (code !== PASS_CODE) return `qemu ended with ${code} instead of ${PASS_CODE}; its console: ${log}`;
  const console = await Bun.file(log).text();
  return console.includes(END_MARKER) ? undefined : `no end marker on its console: ${log}`;
}
