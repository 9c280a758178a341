// Debian packages: what the host must have, which kernels there are, and unpacked trees in the cache.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { $ } from "bun";

/** Something that this machine cannot have now: no network, no privilege. Not a failure of the agent. */
export class UnavailableError extends Error {}

/** For each of its commands; a network that answers nothing must not hold up the run. */
const APT_SECONDS = 900;
/** Exit code of `timeout` where it ended the command. */
const TIMED_OUT = 124;

async function isInstalled(name: string): Promise<boolean> {
  const query = await $`dpkg-query --show --showformat=${"$"}{db:Status-Status} ${name}`.quiet().nothrow();
  return query.exitCode === 0 && query.stdout.toString() === "installed";
}

/** The last line of what apt said. */
function formatReason({ exitCode, stderr }: { readonly exitCode: number; readonly stderr: Buffer }): string {
  if (exitCode === TIMED_OUT) return `apt did not end within ${APT_SECONDS} s`;
  return stderr.toString().trim().split("\n").at(-1) || `apt ended with ${exitCode}`;
}

let isUpdated = false;

/** Refreshes apt's lists, once a run; without privilege the lists stay as they are. */
async function updateLists(): Promise<void> {
  if (!isUpdated) await $`timeout ${APT_SECONDS} apt-get update`.quiet().nothrow();
  isUpdated = true;
}

/** Installs those of the packages that are missing. Throws UnavailableError where that is impossible. */
export async function installPackages(names: readonly string[]): Promise<void> {
  const states = await Promise.all(names.map(isInstalled));
  const missing = names.filter((_, index) => !states[index]);
  if (missing.length === 0) return;
  await updateLists();
  const install =
    await $`DEBIAN_FRONTEND=noninteractive timeout ${APT_SECONDS} apt-get install --yes --no-install-recommends ${missing}`
      .quiet()
      .nothrow();
  if (install.exitCode === 0) return;
  throw new UnavailableError(`cannot install ${missing.join(" ")}: ${formatReason(install)}`);
}

/** Package versions look like 6.1.0-56 or 6.12.117+deb12: compared number by number. */
function compareVersions(left: string, right: string): number {
  return left.localeCompare(right, "en", { numeric: true });
}

async function readDependencies(meta: string): Promise<string[]> {
  const output = await $`apt-cache depends ${meta}`.quiet().nothrow();
  return [...output.stdout.toString().matchAll(/Depends: (\S+)/g)].map((match) => match[1] ?? "");
}

async function listCached(cache: string, prefix: string): Promise<string[]> {
  if (!existsSync(cache)) return [];
  const names = await readdir(cache);
  return names.filter((name) => name.startsWith(prefix)).toSorted(compareVersions);
}

/**
 * The name of the newest kernel package of a line ("6.12"), through the first meta package that leads to
 * one; where apt knows none, of the newest in the cache. Throws UnavailableError where there is neither.
 */
export async function resolveKernel(cache: string, line: string, metas: readonly string[]): Promise<string> {
  const prefix = `linux-image-${line}.`;
  for (const refresh of [false, true]) {
    if (refresh) await updateLists();
    for (const meta of metas) {
      const found = (await readDependencies(meta)).find((name) => name.startsWith(prefix));
      if (found !== undefined) return found;
    }
  }
  const cached = (await listCached(cache, prefix)).at(-1)?.split("_")[0];
  if (cached !== undefined) return cached;
  throw new UnavailableError(`apt offers no kernel ${line} through ${metas.join(" or ")}`);
}

async function readVersion(name: string): Promise<string | undefined> {
  const show = await $`apt-cache show --no-all-versions ${name}`.quiet().nothrow();
  return /^Version: (\S+)$/m.exec(show.stdout.toString())?.[1];
}

/**
 * A package's tree, downloaded and unpacked under `cache` but not installed: `cache/NAME_VERSION`. Falls
 * back to the newest version there is in the cache. Throws UnavailableError where none can be had.
 */
export async function unpackPackage(cache: string, name: string): Promise<string> {
  await mkdir(cache, { recursive: true });
  let reason = "apt does not know it";
  for (const refresh of [false, true]) {
    if (refresh) await updateLists();
    const version = await readVersion(name);
    if (version === undefined) continue;
    const tree = join(cache, `${name}_${version}`);
    if (existsSync(tree)) return tree;
    const failure = await download(cache, `${name}=${version}`, tree);
    if (failure === undefined) return tree;
    reason = failure;
  }
  const cached = (await listCached(cache, `${name}_`)).at(-1);
  if (cached !== undefined) return join(cache, cached);
  throw new UnavailableError(`cannot download ${name}: ${reason}`);
}

/** Unpacks beside the destination and renames, so that a tree in the cache is always whole. */
async function download(cache: string, wanted: string, tree: string): Promise<string | undefined> {
  const work = await mkdtemp(join(cache, ".download-"));
  try {
    const get = await $`timeout ${APT_SECONDS} apt-get download ${wanted}`.cwd(work).quiet().nothrow();
    if (get.exitCode !== 0) return formatReason(get);
    const [archive] = await readdir(work);
    if (archive === undefined) return "nothing was downloaded";
    await $`dpkg-deb --extract ${join(work, archive)} ${join(work, "tree")}`.quiet();
    if (!existsSync(tree)) await rename(join(work, "tree"), tree);
    return undefined;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
