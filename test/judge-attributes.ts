// Run by tools/test.sh behind a whole run: every attribute on every span that an agent exported is in the table with its
// type, and each row of the table was on one. `bun test/judge-attributes.ts SKIPPED`, the tests that were skipped: where
// there are some, rows may be unseen, and that exits with 2; with 1 where anything else is not so.

import { existsSync, readFileSync } from "node:fs";
import { argv, exit, stdout } from "node:process";
import { ATTRIBUTES } from "../src/export/attributes.ts";
import { judgeAttributes } from "./support/attribute-judge.ts";
import { SEEN_PATH } from "./support/seen-attributes.ts";

const skipped = Number(argv[2] ?? "0");
const seen = existsSync(SEEN_PATH) ? readFileSync(SEEN_PATH, "utf8").split("\n").filter(Boolean) : [];
const { wrong, unseen } = judgeAttributes(seen, ATTRIBUTES);
for (const line of [...wrong, ...unseen]) stdout.write(`attributes: ${line}\n`);
const isPartial = unseen.length > 0 && skipped > 0;
if (isPartial)
  stdout.write(`skipped: each row seen: ${skipped} tests that may have shown them were skipped\n`);
if (wrong.length > 0 || (unseen.length > 0 && !isPartial)) exit(1);
exit(isPartial ? 2 : 0);
