// The pages people read: their text, code spans, snippets and links.

import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";

export const ROOT: string = join(import.meta.dir, "../../..");

/** A page, its path from {@link ROOT}. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

/** A link that stays in the project. */
export interface Link {
  /** As it is written. */
  readonly written: string;
  /** Path from {@link ROOT}. */
  readonly path: string;
  /** Without its `#`; empty where there is none. */
  readonly anchor: string;
}

const MADE_PAGES = ["docs/attributes.md", "docs/configuration.md", "docs/metrics.md"];
const FENCE = /^```(\w*)\n(.*?)^```$/gms;

/** All pages, those made from tables among them. */
export function readPages(): readonly Page[] {
  const paths = ["*.md", "docs/*.md", "bench/*.md"].flatMap((glob) => [...new Glob(glob).scanSync(ROOT)]);
  return paths.sort().map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

/** Those that people write. */
export function readProse(): readonly Page[] {
  return readPages().filter(({ path }) => !MADE_PAGES.includes(path));
}

/** The texts of fenced blocks in `language`. */
export function findSnippets({ text }: Page, language: string): readonly string[] {
  return [...text.matchAll(FENCE)].filter((found) => found[1] === language).map((found) => found[2] ?? "");
}

/** The texts between backticks outside fenced blocks, each once. */
export function findCode({ text }: Page): readonly string[] {
  const spans = text.replaceAll(FENCE, "").matchAll(/`([^`\n]+)`/g);
  return [...new Set([...spans].map((found) => found[1] ?? ""))];
}

/** Links to files and headings of the project. */
export function findLinks({ path: from, text }: Page): readonly Link[] {
  const targets = [...text.replaceAll(FENCE, "").matchAll(/\]\(([^)\s]+)\)/g)].map((found) => found[1] ?? "");
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((written) => {
      const [file = "", anchor = ""] = written.split("#");
      return { written, path: file === "" ? from : normalize(join(dirname(from), file)), anchor };
    });
}

/** The anchors of a page's headings. */
export function findAnchors({ text }: Page): readonly string[] {
  const headings = text.replaceAll(FENCE, "").matchAll(/^#{1,6} (.+)$/gm);
  return [...headings].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-"),
  );
}
