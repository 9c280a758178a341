// A child process of test/unit/export-thread.test.ts: an export thread that delivers more batches than its standard
// output takes before it is closed. Says on standard error what became of it.

import { defaultConfig } from "../../src/config/schema.ts";
import { ExportThread } from "../../src/export-thread.ts";
import { RECORD, RECORD_WORDS } from "../../src/flow/flow.ts";

const BATCHES = 8;
const ROWS = 4096;
const IPV4_TCP_INTERNAL = 6 | (4 << 8) | (1 << 16);

const initial = defaultConfig();
const off = { enabled: false, listen: "127.0.0.1:0" };
const thread = new ExportThread(
  { ...initial, server: off, metrics: off, export: { ...initial.export, stdout: { format: "ndjson" } } },
  "run",
  (reason) => console.error(`failed: ${reason}`),
);
await thread.started();
for (let batch = 0; batch < BATCHES; batch++) {
  const words = new Uint32Array(ROWS * RECORD_WORDS);
  for (let row = 0; row < ROWS; row++) words[row * RECORD_WORDS + RECORD.identity] = IPV4_TCP_INTERNAL;
  const details = new Uint32Array(0);
  await thread.deliver({ count: ROWS, words, details }, AbortSignal.timeout(20_000));
}
console.error(`finished: ${await thread.finish(5000)}`);
process.exit(0);
