// The agent built a second time, of the same sources: another commit, and another schema version where it is asked for.

import { copyFileSync, cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./namespace-process.ts";

const ROOT: string = new URL("../..", import.meta.url).pathname;

/** Commit of every other build. */
export const OTHER_COMMIT = "0123456789ab";

/** Builds into `folder`, which must not be there. Returns the binary's path. @throws Error with the compilers' words */
export function buildOtherAgent(folder: string, schemaVersion?: number): string {
  const build = join(folder, "build");
  mkdirSync(build, { recursive: true });
  cpSync(join(ROOT, "src"), join(folder, "src"), { recursive: true });
  for (const name of ["package.json", "tsconfig.json"]) copyFileSync(join(ROOT, name), join(folder, name));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  copyFileSync(join(ROOT, "build/mermin.bpf.o"), join(build, "mermin.bpf.o"));
  const library = join(build, "libmerminbpf.so");
  if (schemaVersion === undefined) copyFileSync(join(ROOT, "build/libmerminbpf.so"), library);
  else {
    const flags = `MERMINBPF_CFLAGS=-O0 -U_FORTIFY_SOURCE -DMERMIN_SCHEMA_VERSION=${schemaVersion}`;
    runCommand(["make", "-s", "-C", ROOT, `BUILD=${build}`, flags, library]);
  }
  return compile(folder, schemaVersion);
}

function compile(folder: string, schemaVersion: number | undefined): string {
  const binary = join(folder, "mermin");
  const sources = ["main.ts", "export-worker.ts"].map((name) => join(folder, "src", name));
  const defined = [
    "--define",
    'BUILD_VERSION="0.0.0"',
    "--define",
    `BUILD_COMMIT="${OTHER_COMMIT}"`,
    ...(schemaVersion === undefined ? [] : ["--define", `BUILD_SCHEMA_VERSION=${schemaVersion}`]),
  ];
  const flags = ["--compile", "--bytecode", "--format=esm", "--conditions=require"];
  runCommand([process.execPath, "build", ...sources, ...flags, ...defined, "--outfile", binary]);
  return binary;
}
