// A disk of its own for a test, and what would be on it if the machine lost its power now.

import { test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./namespace-process.ts";

const SIZE = "32M";

/** `test` for what needs a disk: skipped, with the reason, where none can be made. */
export const testWithDisk: typeof test | typeof test.skip = lacking() === undefined ? test : skipWithReason();

function lacking(): string | undefined {
  if (!existsSync("/dev/loop-control")) return "the machine has no loop devices";
  return Bun.which("mkfs.ext4") === null ? "mkfs.ext4 is not installed" : undefined;
}

function skipWithReason(): typeof test.skip {
  console.warn(`skipped: no disk for a test: ${lacking()}`);
  return test.skip;
}

export interface Disk extends Disposable {
  /** Where it is mounted. */
  readonly mounted: string;
  /** Text of each file by its name, of those that are on the disk and not only in memory. */
  readAfterPowerLoss(): Readonly<Record<string, string>>;
}

/** Makes an ext4 disk in `folder`. @throws Error where the machine has no loop devices or no mkfs.ext4 */
export function mountDisk(folder: string): Disk {
  const image = join(folder, "disk");
  const mounted = mount(image, () => {
    runCommand(["truncate", "--size", SIZE, image]);
    runCommand(["mkfs.ext4", "-q", image]);
  });
  let copies = 0;
  return {
    mounted,
    readAfterPowerLoss: () => {
      const copy = join(folder, `copy-${++copies}`);
      const place = mount(copy, () => copyFileSync(image, copy));
      try {
        const names = readdirSync(place).filter((name) => statSync(join(place, name)).isFile());
        return Object.fromEntries(names.map((name) => [name, readFileSync(join(place, name), "utf8")]));
      } finally {
        runCommand(["umount", place]);
      }
    },
    // Lazily: a test that failed has files open.
    [Symbol.dispose]: () => void runCommand(["umount", "--lazy", mounted]),
  };
}

/** Has `make` make an image, and mounts it beside it. */
function mount(image: string, make: () => void): string {
  const place = `${image}-mounted`;
  make();
  mkdirSync(place);
  runCommand(["mount", "-o", "loop", image, place]);
  return place;
}
