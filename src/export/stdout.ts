// Standard output, or another file descriptor, as an output of lines. A full pipe is waited for; any other error is the end.

import { write } from "node:fs";
import type { Logger } from "../lib/log.ts";
import type { RecordExporter } from "./exporter.ts";
import { LineExporter } from "./line-exporter.ts";
import type { FormatLines } from "./lines.ts";

export interface StdoutExporterOptions {
  readonly format: FormatLines;
  readonly log: Logger;
  /** Default 1. */
  readonly fileDescriptor?: number;
  /** Most records that wait for a slow reader. */
  readonly capacity?: number;
}

/** Pause before a full non-blocking pipe is tried again. */
const FULL_PIPE_PAUSE_MS = 10;

/** The exporter of `[export.stdout]`. */
export function createStdoutExporter(options: StdoutExporterOptions): RecordExporter {
  const { fileDescriptor = 1, ...rest } = options;
  return new LineExporter({
    ...rest,
    name: "stdout",
    output: {
      write: (lines) => writeAll(fileDescriptor, lines),
      close: () => Promise.resolve(),
      label: "standard output",
      isLostByFailure: true,
    },
  });
}

/** Writes every byte, however often it takes. @returns what made it impossible */
async function writeAll(fileDescriptor: number, bytes: Uint8Array): Promise<Error | undefined> {
  for (let offset = 0; offset < bytes.length; ) {
    const outcome = await writeSome(fileDescriptor, bytes.subarray(offset));
    if (typeof outcome === "number") offset += outcome;
    else if (outcome.code === "EAGAIN") await Bun.sleep(FULL_PIPE_PAUSE_MS);
    else if (outcome.code !== "EINTR") return outcome;
  }
  return undefined;
}

async function writeSome(fileDescriptor: number, bytes: Uint8Array): Promise<number | NodeJS.ErrnoException> {
  const { promise, resolve } = Promise.withResolvers<number | NodeJS.ErrnoException>();
  write(fileDescriptor, bytes, (error, written) => resolve(error ?? written));
  return await promise;
}
