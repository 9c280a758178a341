import { expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import { pause } from "../../../src/lib/pause.ts";

test("pause leaves nothing behind at a signal that lives on", async () => {
  const { signal } = new AbortController();
  await Promise.all([pause(1, signal), pause(2, signal)]);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("pause ends with its signal", async () => {
  const ending = new AbortController();
  const paused = pause(600_000, ending.signal);
  ending.abort();
  await paused;
});
