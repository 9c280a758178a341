// What the pages say of names, files, settings and commands is so.

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Glob } from "bun";
import { COUNTER_NAMES } from "../../../src/capture/stats.ts";
import { parseCommand } from "../../../src/cli.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { type ConfigNode, describeConfig } from "../../../src/config/settings.ts";
import { DROP_REASONS } from "../../../src/export/exporter-stats.ts";
import { METRICS } from "../../../src/telemetry/metrics.ts";
import { writeTemporaryFile } from "../../replay/temporary-file.ts";
import {
  findAnchors,
  findCode,
  findLinks,
  findSnippets,
  type Page,
  ROOT,
  readPages,
  readProse,
} from "./pages.ts";

const PAGES = readPages().map((page) => [page.path, page] as const);
const PROSE = readProse().map((page) => [page.path, page] as const);
const FILE_KINDS = "ts|c|h|md|toml|yaml|json|sh|mk";

const FOLDERS = ["src", "test", "bench", "docs", "deploy", "tools", "bpf", "libmerminbpf"];
const FILES = ["*", ...FOLDERS.map((folder) => `${folder}/**/*`)].flatMap((glob) => [
  ...new Glob(glob).scanSync(ROOT),
]);

test("there are pages", () => {
  expect(PROSE.map(([path]) => path)).toContain("docs/architecture.md");
});

describe("links lead somewhere", () => {
  const anchors = new Map(PAGES.map(([path, page]) => [path, findAnchors(page)]));

  test.each(PAGES)("%s", (_, page) => {
    const broken = findLinks(page).filter(
      ({ path, anchor }) =>
        !(existsSync(join(ROOT, path)) && (anchor === "" || anchors.get(path)?.includes(anchor))),
    );
    expect(broken).toEqual([]);
  });
});

describe("snippets are configs", () => {
  const snippets = PROSE.flatMap(([path, page]) =>
    findSnippets(page, "toml").map((text, index) => [`${path} ${index + 1}`, text] as const),
  );

  test.each(snippets)("%s", (_, snippet) => {
    using secret = writeTemporaryFile("secret\n", "secret");
    using file = writeTemporaryFile(
      snippet.replaceAll(/\/run\/secrets\/[\w.-]+/g, secret.path),
      "mermin.toml",
    );
    expect(() => loadConfig({ path: file.path }, {})).not.toThrow();
  });
});

describe("metrics are there", () => {
  const names = new Set(METRICS.map(({ name }) => name));

  test.each(PROSE)("%s", (_, { text }) => {
    const named = [...text.matchAll(/\bmermin_[a-z_]+(?:_total|_bytes|_seconds|\{)/g)].map(([name]) =>
      name.replace(/\{$/, ""),
    );
    expect(named.filter((name) => !names.has(name))).toEqual([]);
  });
});

test("docs/losses.md has each reason", () => {
  const [page] = PROSE.filter(([path]) => path === "docs/losses.md");
  const named = page === undefined ? [] : findCode(page[1]);
  expect([...COUNTER_NAMES, ...DROP_REASONS].filter((reason) => !named.includes(reason))).toEqual([]);
});

describe("settings and attributes are there", () => {
  const settings = [...listSettings(describeConfig(), [])];
  const attributes = readFileSync(join(ROOT, "docs/attributes.md"), "utf8").match(/`[a-z0-9_.<>]+`/g) ?? [];
  const known = [...settings, ...attributes.map((name) => name.slice(1, -1))];
  const spaces = new Set(known.map((name) => name.split(".")[0]));
  const isName = new RegExp(`^(?!.*\\.(?:${FILE_KINDS})$)\\[*([a-z0-9_]+(?:\\.[a-z0-9_*]+)+)\\]*$`);

  test.each(PROSE)("%s", (_, page) => {
    const named = findCode(page).flatMap((code) => isName.exec(code)?.[1] ?? []);
    const wrong = named.filter((name) => {
      if (!spaces.has(name.split(".")[0])) return false;
      const glob = new Glob(`{${name},*.${name}}`);
      return !known.some((each) => glob.match(each));
    });
    expect(wrong).toEqual([]);
  });
});

describe("files are there", () => {
  const names = new Set(FILES.map((path) => basename(path)));
  const isFile = new RegExp(`^[\\w./-]+\\.(?:${FILE_KINDS})$`);

  test.each(PROSE)("%s", (_, page) => {
    const named = findCode(page).filter(
      (code) => isFile.test(code) || FOLDERS.some((folder) => code.startsWith(`${folder}/`)),
    );
    const wrong = named.filter((name) =>
      name.includes("/") ? !existsSync(join(ROOT, name)) : !names.has(name),
    );
    expect(wrong).toEqual([]);
  });
});

describe("targets of make are there", () => {
  const makefile = readFileSync(join(ROOT, "Makefile"), "utf8");
  const kernels = readFileSync(join(ROOT, "test/kernels/kernels.mk"), "utf8");

  test.each(PROSE)("%s", (_, page) => {
    const targets = findCommands(page).flatMap((line) => /^make ([a-z-]+)/.exec(line)?.[1] ?? []);
    const wrong = targets.filter((target) => !new RegExp(`^${target}:`, "m").test(makefile + kernels));
    expect(wrong).toEqual([]);
  });
});

describe("commands are there", () => {
  test.each(PROSE)("%s", (_, page) => {
    const lines = findCommands(page).flatMap((line) => /^(?:\.\/dist\/)?mermin (.+)/.exec(line)?.[1] ?? []);
    const problems = lines.map((line) => {
      const command = parseCommand(line.split(/[\s|]+/));
      return command.kind === "usage" ? command.problem : "";
    });
    expect(problems.filter((problem) => problem.startsWith("Unknown"))).toEqual([]);
  });
});

/** Command lines, in the text and in blocks of them. */
function findCommands(page: Page): readonly string[] {
  return [...findCode(page), ...findSnippets(page, "sh").flatMap((text) => text.split("\n"))];
}

/** `section.setting`, and each of its tails: a page may go on from the section it speaks of. */
function* listSettings(node: ConfigNode, path: readonly string[]): Generator<string> {
  for (let start = 0; start < path.length; start++) yield path.slice(start).join(".");
  if (node.kind !== "section") return;
  for (const [key, child] of node.children) yield* listSettings(child, [...path, key]);
}
