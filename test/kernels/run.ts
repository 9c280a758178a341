// `make test-kernels`: boots older kernels under emulation, with the built agent inside, and judges what
// it counted there. Arguments: --binary FILE --cache DIR --output DIR --summary FILE [--line 6.1]
// [--scenario NAME]…. Prints a line a check; ends with 1 where one failed.

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { $ } from "bun";
import { fileName, makeTestDisk } from "./disk.ts";
import type { Check, HookMode } from "./evidence.ts";
import { buildInitramfs } from "./initramfs.ts";
import { judgeGuest, judgeScenario, judgeTime } from "./judge.ts";
import { judgeLife } from "./judge-life.ts";
import { LIVES } from "./lives.ts";
import { runMachine } from "./machine.ts";
import { installPackages, resolveKernel, UnavailableError, unpackPackage } from "./packages.ts";
import { SCENARIOS } from "./scenarios.ts";

const HOST_PROGRAMS = [
  ...["/sbin/ip", "/sbin/tc", "/usr/sbin/nft", "/bin/dash"],
  ...["/usr/bin/nsenter", "/usr/bin/unshare", "/usr/sbin/bpftool"],
];

interface KernelLine {
  readonly line: string;
  /** Packages that depend on the present kernel of the line. */
  readonly metas: readonly string[];
  readonly mode: HookMode;
}

const KERNEL_LINES: readonly KernelLine[] = [
  { line: "6.1", metas: ["linux-image-cloud-amd64"], mode: "clsact" },
  { line: "6.12", metas: ["linux-image-6.12-cloud-amd64", "linux-image-cloud-amd64"], mode: "tcx" },
];

const HOST_PACKAGES = [
  ...[
    "qemu-system-x86",
    "busybox-static",
    "cpio",
    "kmod",
    "e2fsprogs",
    "iproute2",
    "bpftool",
    "gcc",
    "libc6-dev",
    "xz-utils",
    "nftables",
  ],
];

/** A guest that takes longer hangs; two at once on two free cores take about ten minutes. */
const GUEST_TIMEOUT_MS = 1_800_000;
/** It says that it lives every ten seconds. */
const GUEST_SILENCE_MS = 180_000;

interface Options {
  readonly binary: string;
  readonly cache: string;
  readonly output: string;
  readonly summary: string;
  readonly lines: readonly KernelLine[];
  /** Names to run; empty: all. */
  readonly scenarios: ReadonlySet<string>;
}

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      binary: { type: "string", default: "dist/mermin" },
      cache: { type: "string" },
      output: { type: "string", default: "build/kernels" },
      summary: { type: "string", default: "build/test-kernels.summary" },
      line: { type: "string", multiple: true, default: [] },
      scenario: { type: "string", multiple: true, default: [] },
    },
  });
  if (values.cache === undefined) throw new Error("--cache DIR is missing");
  return {
    binary: resolve(values.binary),
    cache: resolve(values.cache),
    output: resolve(values.output),
    summary: resolve(values.summary),
    lines: KERNEL_LINES.filter(({ line }) => values.line.length === 0 || values.line.includes(line)),
    scenarios: new Set(values.scenario),
  };
}

function isChosen(options: Options, name: string): boolean {
  return options.scenarios.size === 0 || options.scenarios.has(name);
}

/** A kernel with all it needs in the cache. */
interface PreparedKernel extends KernelLine {
  readonly release: string;
  readonly image: string;
  readonly initramfs: string;
}

async function prepareKernel(options: Options, kernel: KernelLine): Promise<PreparedKernel> {
  const packages = join(options.cache, "packages");
  const name = await resolveKernel(packages, kernel.line, kernel.metas);
  const kernelTree = await unpackPackage(packages, name);
  const wireguardTree = await unpackPackage(packages, "wireguard-tools");
  const release = name.replace("linux-image-", "");
  const image = join(kernelTree, "boot", `vmlinuz-${release}`);
  if (!existsSync(image)) throw new Error(`no ${image}: delete ${kernelTree}, it is fetched again`);
  const initramfs = await buildInitramfs({
    cache: join(options.cache, "initramfs"),
    kernelTree,
    release,
    programs: [...HOST_PROGRAMS, join(wireguardTree, "usr/bin/wg")],
    guestBinary: options.binary,
  });
  return { ...kernel, release, image, initramfs };
}

async function judgeKernel(
  options: Options,
  kernel: PreparedKernel,
  rest: { readonly disk: string; readonly signal: AbortSignal },
): Promise<Check[]> {
  const folder = join(options.output, kernel.line);
  const complaint = await runMachine({
    kernel: kernel.image,
    initramfs: kernel.initramfs,
    disk: rest.disk,
    folder,
    timeoutMs: GUEST_TIMEOUT_MS,
    silenceMs: GUEST_SILENCE_MS,
    signal: rest.signal,
  });
  const results = join(folder, "results");
  const ending: Check = {
    name: "the suite runs to its end",
    ...(complaint === undefined ? {} : { complaint }),
  };
  if (!existsSync(join(results, "release"))) return [{ complaint: "no results", ...ending }];
  return [ending, ...judgeGuest(results, kernel.release), ...judgeResults(options, kernel, results)];
}

function judgeResults(options: Options, { line, mode }: KernelLine, results: string): Check[] {
  const all = [...SCENARIOS, ...LIVES].map(({ name }, index) => ({
    name,
    index,
    folder: join(results, fileName(index, name)),
  }));
  return all
    .filter(({ name }) => isChosen(options, name))
    .flatMap(({ name, index, folder }) => {
      const scenario = SCENARIOS[index];
      const life = LIVES[index - SCENARIOS.length];
      return [
        ...judgeTime(folder, name),
        ...(scenario === undefined ? [] : judgeScenario({ scenario, index, folder, mode })),
        ...(life === undefined ? [] : judgeLife(life, { folder, line, mode })),
      ];
    });
}

function printChecks(kernel: KernelLine, checks: readonly Check[], tally: Tally): void {
  for (const { name, complaint } of checks) {
    if (complaint === undefined) tally.passed += 1;
    else tally.failed += 1;
    console.log(
      complaint === undefined
        ? `ok kernel ${kernel.line}: ${name}`
        : `FAIL kernel ${kernel.line}: ${name}: ${complaint}`,
    );
  }
}

/** A command's own last words say more than its exit code. */
function formatReason(reason: unknown): string {
  if (!(reason instanceof Error)) return String(reason);
  const words = reason instanceof $.ShellError ? reason.stderr.toString().trim() : "";
  return words === "" ? reason.message : `${reason.message}: ${words}`;
}

function printFailure(kernel: KernelLine, reason: unknown, tally: Tally): void {
  if (reason instanceof UnavailableError) {
    tally.skipped += 1;
    console.log(`skip kernel ${kernel.line}: ${reason.message}`);
  } else {
    tally.failed += 1;
    console.log(`FAIL kernel ${kernel.line}: ${formatReason(reason)}`);
  }
}

/** Prepares one kernel after the other, they share a cache; then boots all of them at once. */
async function runKernels(options: Options, signal: AbortSignal, tally: Tally): Promise<void> {
  const disk = await makeTestDisk({ ...options, isChosen: (name) => isChosen(options, name) });
  const prepared: PreparedKernel[] = [];
  for (const kernel of options.lines) {
    try {
      prepared.push(await prepareKernel(options, kernel));
    } catch (error) {
      printFailure(kernel, error, tally);
    }
  }
  const outcomes = await Promise.allSettled(
    prepared.map((kernel) => judgeKernel(options, kernel, { disk, signal })),
  );
  for (const [index, kernel] of prepared.entries()) {
    const outcome = outcomes[index];
    if (outcome?.status === "fulfilled") printChecks(kernel, outcome.value, tally);
    else printFailure(kernel, outcome?.reason, tally);
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  if (!existsSync(options.binary)) throw new Error(`no ${options.binary}: run "make build" first`);
  const interruption = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interruption.abort());
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  await mkdir(options.output, { recursive: true });
  try {
    await installPackages(HOST_PACKAGES);
    await runKernels(options, interruption.signal, tally);
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    for (const kernel of options.lines) printFailure(kernel, error, tally);
  }
  const summary = `${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`;
  await Bun.write(options.summary, `${summary}\n`);
  console.log(summary);
  if (tally.failed > 0) process.exitCode = 1;
}

await main();
