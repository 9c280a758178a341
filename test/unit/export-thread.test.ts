// The export thread outlives its exporters: a reader of standard output that goes away must not stop the agent's end.

import { expect, test } from "bun:test";

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
