// `mermin replay`: a capture file through the same programs, table and exporters as the agent's.

import type { Command } from "./cli.ts";
import { loadConfig } from "./config/load.ts";
import { withStdoutOnly } from "./export/config.ts";
import { ExportThread } from "./export-thread.ts";
import { runReplay } from "./replay.ts";

/** Runs the command and returns the exit code. @throws Error or ConfigError with the line to print. */
export async function replayCommand(
  command: Extract<Command, { readonly kind: "replay" }>,
  signal: AbortSignal,
): Promise<number> {
  const loaded = loadConfig(command.options);
  const format = command.format;
  const config = format === undefined ? loaded : { ...loaded, export: withStdoutOnly(loaded.export, format) };
  const failure = new AbortController();
  let reason: string | undefined;
  const stop = AbortSignal.any([signal, failure.signal]);
  const thread = new ExportThread(config, "replay", (text) => {
    reason ??= text;
    failure.abort();
  });
  try {
    await thread.started();
    const result = await runReplay({
      file: command.file,
      config,
      deliver: (batch) => thread.deliver(batch, stop),
      tellStats: (capture, table) => thread.tell({ kind: "stats", capture, table }),
      signal: stop,
    });
    const isComplete = await thread.finish(config.shutdown_timeout);
    if (reason !== undefined) throw new Error(reason);
    if (result.error !== undefined) throw result.error;
    if (!isComplete) throw new Error("Not every span could be sent; the statistics line above says why");
    return 0;
  } finally {
    thread.terminate();
  }
}
