// The export thread outlives its exporters: a reader of standard output that goes away must not stop the agent's end.
// What it is sent comes back, and no more is under way than it has room for.

import { expect, test } from "bun:test";
import { defaultConfig } from "../../src/config/schema.ts";
import { ExportThread } from "../../src/export-thread.ts";
import { type FlowRecordBatch, RECORD_DETAIL_WORDS, RECORD_WORDS } from "../../src/flow/flow.ts";
import type { RecordChunk } from "../../src/flow/record-chunks.ts";

const CHILD = new URL("../support/dying-output.ts", import.meta.url).pathname;
const DEADLINE_MS = 15_000;

test("ExportThread delivers every batch and finishes when standard output is closed under it", async () => {
  const child = Bun.spawn([process.execPath, CHILD], { stdout: "pipe", stderr: "pipe" });
  const deadline = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const errors = await new Response(child.stderr).text();
  expect(await child.exited).toBe(0);
  clearTimeout(deadline);
  expect(errors).toContain("failed: Cannot write to standard output");
  expect(errors).toContain("finished: false");
}, 30_000);

test("ExportThread refuses batches that it has no room for, counted, and gives the buffers of the others back", async () => {
  const initial = defaultConfig();
  const config = { ...initial, export: { ...initial.export, stdout: { format: "none" as const } } };
  const failures: string[] = [];
  const thread = new ExportThread(config, "replay", (reason) => failures.push(reason));
  await thread.started();
  const withDetails = (count: number): FlowRecordBatch => {
    return { count, words: new Uint32Array(RECORD_WORDS * 8), details: new Uint32Array(RECORD_DETAIL_WORDS) };
  };
  const hasRoom = (): boolean => thread.hasRoom;
  let batches = 0;
  for (; hasRoom(); batches++) {
    const batch = withDetails(2);
    thread.send(batch);
    expect(batch.words).toHaveLength(0);
  }
  const refused = withDetails(3);
  thread.send(refused);
  expect(refused.words).toHaveLength(RECORD_WORDS * 8);
  expect(thread.counts).toEqual({ sent: 2 * batches, refused: 3 });
  await thread.deliver(withDetails(1), AbortSignal.timeout(DEADLINE_MS));
  expect(hasRoom()).toBe(true);
  const spent: RecordChunk[] = [];
  for (let chunk = thread.takeSpent(); chunk !== undefined; chunk = thread.takeSpent()) spent.push(chunk);
  expect(spent).toHaveLength(batches);
  for (const { words, details } of spent)
    expect([words.length, details.length]).toEqual([RECORD_WORDS * 8, RECORD_DETAIL_WORDS]);
  expect(await thread.finish(5000)).toBe(true);
  expect(failures).toEqual([]);
}, 30_000);
