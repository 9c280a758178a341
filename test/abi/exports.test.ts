import { expect, test } from "bun:test";
import { join } from "node:path";

const root = join(import.meta.dir, "..", "..");
const library = join(root, "build", "libmerminbpf.so");

async function headerText(): Promise<string> {
  const text = await Bun.file(join(root, "libmerminbpf", "merminbpf.h")).text();
  return text.replace(/\/\*[\s\S]*?\*\//g, "");
}

/** Functions of the header and how many parameters each has. */
async function declaredFunctions(): Promise<Map<string, number>> {
  const functions = new Map<string, number>();
  for (const [, name, list] of (await headerText()).matchAll(/\b(merminbpf_\w+)\s*\(([^)]*)\)\s*;/g)) {
    const parameters = (list ?? "").trim();
    functions.set(name ?? "", parameters === "void" ? 0 : parameters.split(",").length);
  }
  return functions;
}

async function mappedNames(): Promise<string[]> {
  const text = await Bun.file(join(root, "libmerminbpf", "merminbpf.map")).text();
  const exported = /global:([\s\S]*?)local:/.exec(text)?.[1] ?? "";
  return [...exported.matchAll(/(\w+);/g)].map((match) => match[1] ?? "").sort();
}

function run(...command: string[]): string {
  const result = Bun.spawnSync(command, { stderr: "inherit" });
  if (result.exitCode !== 0) throw new Error(`${command[0]} ended with ${result.exitCode}`);
  return result.stdout.toString();
}

test("merminbpf.map exports the functions of merminbpf.h", async () => {
  const declared = [...(await declaredFunctions()).keys()].sort();
  expect(declared.length).toBeGreaterThan(0);
  expect(await mappedNames()).toEqual(declared);
});

test("libmerminbpf.so defines the functions of merminbpf.h and nothing else", async () => {
  const symbols = run("nm", "-D", "--defined-only", library).trim().split("\n");
  const names = symbols.map((line) => line.split(" ").at(-1) ?? "").sort();
  expect(names).toEqual([...(await declaredFunctions()).keys()].sort());
});

test("libmerminbpf.so needs no library but the C library and its loader", () => {
  const needed = [...run("readelf", "-dW", library).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(
    (match) => match[1],
  );
  expect(needed.filter((name) => !/^(libc\.so\.6|ld-linux.*)$/.test(name ?? ""))).toEqual([]);
});

test("SYMBOLS declares the functions of merminbpf.h with as many arguments", async () => {
  const { SYMBOLS } = await import("../../src/capture/library.ts");
  const declared = Object.entries(SYMBOLS).map(([name, symbol]): [string, number] => [
    name,
    symbol.args.length,
  ]);
  expect(new Map(declared)).toEqual(await declaredFunctions());
});
