// Guests that do not come to the end of their suite: each run ends, and one line says why. With real ones, of a kernel
// that an earlier `make test-kernels` left in the cache.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { makeDisk } from "./disk.ts";
import { runMachine } from "./machine.ts";

const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mermin/kernels");
const SILENCE_MS = 20_000;
const GUESTS_MS = 300_000;

/** What each guest runs in place of the suite. */
const SUITES = {
  panics: "echo c >/proc/sysrq-trigger; sleep 600",
  hangs: "sleep 600",
  dies: "while sleep 1; do echo waits; done",
  ends: "exit 0",
} as const;
type Suite = keyof typeof SUITES;

interface Boot {
  readonly kernel: string;
  readonly initramfs: string;
}

const found = findBoot();
if (found === undefined) console.warn("skipped: no kernel in the cache, `make test-kernels` puts one there");

function list(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function findBoot(): Boot | undefined {
  if (Bun.which("qemu-system-x86_64") === null) return undefined;
  for (const tree of list(join(CACHE, "packages"))) {
    const boot = join(CACHE, "packages", tree, "boot");
    const image = list(boot).find((name) => name.startsWith("vmlinuz-"));
    const release = image?.slice("vmlinuz-".length);
    const initramfs = list(join(CACHE, "initramfs")).find((name) => name.startsWith(`${release}-`));
    if (image === undefined || initramfs === undefined) continue;
    return { kernel: join(boot, image), initramfs: join(CACHE, "initramfs", initramfs) };
  }
  return undefined;
}

describe.skipIf(found === undefined)("a guest", () => {
  let folder: string;
  let boot: Boot;
  const ends = new Map<Suite, Promise<string | undefined>>();

  async function start(name: Suite): Promise<string | undefined> {
    const disk = join(folder, `${name}.disk`);
    mkdirSync(disk);
    writeFileSync(join(disk, "suite.sh"), `echo "guest: begins tried"\n${SUITES[name]}\n`);
    await makeDisk(disk, `${disk}.ext4`);
    return await run(name, boot.kernel, `${disk}.ext4`);
  }

  function run(name: string, kernel: string, disk: string): Promise<string | undefined> {
    return runMachine({
      ...{ kernel, disk, initramfs: boot.initramfs, folder: join(folder, name) },
      ...{ timeoutMs: GUESTS_MS, silenceMs: name === "hangs" ? SILENCE_MS : GUESTS_MS },
      signal: new AbortController().signal,
    });
  }

  /** The guest's emulator, once its suite has begun. */
  async function findEmulator(name: Suite): Promise<number> {
    const log = join(folder, name, "console.log");
    const deadline = performance.now() + GUESTS_MS;
    while (!existsSync(log) || !readFileSync(log, "utf8").includes("guest: begins")) {
      if (performance.now() > deadline) throw new Error("the suite does not begin");
      await Bun.sleep(100);
    }
    const pid = readdirSync("/proc").find(
      (each) => /^\d+$/.test(each) && commandOf(each).includes(join(folder, name, "results.raw")),
    );
    if (pid === undefined) throw new Error("no emulator");
    return Number(pid);
  }

  beforeAll(() => {
    if (found === undefined) return;
    folder = mkdtempSync(join(tmpdir(), "mermin-guests-"));
    boot = { kernel: found.kernel, initramfs: join(folder, "initramfs") };
    // A run with other sources may replace the one in the cache.
    writeFileSync(boot.initramfs, readFileSync(found.initramfs));
    for (const name of ["panics", "hangs", "dies", "ends"] as const) ends.set(name, start(name));
  });
  afterAll(async () => {
    await Promise.all(ends.values());
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  test(
    "whose kernel panics says of what, and in which scenario",
    async () => {
      expect(await ends.get("panics")).toMatch(/^the kernel panicked in tried: sysrq triggered crash/);
    },
    GUESTS_MS,
  );

  test(
    "that is silent for too long is ended",
    async () => {
      expect(await ends.get("hangs")).toStartWith("nothing heard for 20 s ");
    },
    GUESTS_MS,
  );

  test(
    "whose emulator is killed says by what, and in which scenario",
    async () => {
      process.kill(await findEmulator("dies"), "SIGKILL");
      expect(await ends.get("dies")).toStartWith("qemu was ended by SIGKILL in tried; its console: ");
    },
    GUESTS_MS,
  );

  test(
    "that comes to the end of its suite has no complaint",
    async () => {
      expect(await ends.get("ends")).toBeUndefined();
    },
    GUESTS_MS,
  );

  test(
    "without its kernel says so",
    async () => {
      const complaint = await run("missing", join(folder, "vmlinuz"), `${folder}/ends.disk.ext4`);
      expect(complaint).toMatch(/^qemu ended with 1 instead of 33 before the first scenario: .*vmlinuz/);
    },
    GUESTS_MS,
  );
});

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
