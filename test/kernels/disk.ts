// The disk that every guest mounts: the agent, the same of another layout, the suite, and a script and config per scenario.

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { $ } from "bun";
import { SCHEMA_VERSION } from "../../src/capture/record.ts";
import { buildOtherAgent } from "../support/other-agent.ts";
import { formatLife } from "./life.ts";
import { LIVES } from "./lives.ts";
import { SCENARIOS } from "./scenarios.ts";
import { formatConfig, formatScript, planExchanges } from "./script.ts";

const GUEST_FILES = ["suite.sh", "steps.sh", "lives.sh", "handover.sh"];

/** What goes onto the disk. */
export interface DiskParts {
  readonly binary: string;
  /** Folder to work in. */
  readonly output: string;
  readonly isChosen: (name: string) => boolean;
}

/** The name of a scenario's or a life's files; `index` is its place in the list of scenarios, then lives. */
export function fileName(index: number, name: string): string {
  return `${String(index).padStart(2, "0")}-${name}`;
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

/** Makes the disk. Returns its image. */
export async function makeTestDisk({ binary, output, isChosen }: DiskParts): Promise<string> {
  const folder = join(output, "disk");
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, "scenarios"), { recursive: true });
  await $`cp ${binary} ${folder}/mermin`;
  await $`cp ${GUEST_FILES.map((name) => join(import.meta.dir, "guest", name))} ${folder}`;
  for (const [index, scenario] of SCENARIOS.entries()) {
    if (!isChosen(scenario.name)) continue;
    const path = join(folder, "scenarios", fileName(index, scenario.name));
    await Bun.write(`${path}.sh`, formatScript(scenario, planExchanges(scenario, index)));
    await Bun.write(`${path}.toml`, formatConfig(scenario));
  }
  for (const [index, life] of LIVES.entries()) {
    if (!isChosen(life.name)) continue;
    const path = join(folder, "scenarios", fileName(SCENARIOS.length + index, life.name));
    await Bun.write(`${path}.sh`, formatLife(life));
    for (const [name, config] of Object.entries(life.configs))
      await Bun.write(`${path}.${name}.toml`, config);
    if (life.name === "upgraded") await addNewer(output, folder);
  }
  await copyTests(join(folder, "tests"));
  const image = join(output, "disk.ext4");
  await makeDisk(folder, image);
  return image;
}

/** The agent with the next schema version. */
async function addNewer(output: string, folder: string): Promise<void> {
  const build = join(output, "newer");
  await rm(build, { recursive: true, force: true });
  await $`mv ${buildOtherAgent(build, SCHEMA_VERSION + 1)} ${folder}/mermin-newer`;
  await rm(build, { recursive: true });
}

/** What the tests of lives.ts need, as it stands in the repository. */
async function copyTests(folder: string): Promise<void> {
  const root = join(import.meta.dir, "../..");
  const folders = ["bpf", "support", "integration", "unit/flow"].map((name) => `test/${name}`);
  const parts = ["src", ...folders, "package.json", "bunfig.toml"];
  const packages = ["valibot", "fast-check", "pure-rand"].map((name) => `node_modules/${name}`);
  const built = ["build/mermin.bpf.o", "build/libmerminbpf.so", ...packages];
  await mkdir(folder, { recursive: true });
  await $`tar --create --dereference ${[...parts, ...built]} | tar --extract --directory ${folder}`.cwd(root);
}
