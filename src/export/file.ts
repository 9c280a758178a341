// The exporter of [export.file]: records as lines in rotating files. What cannot be written is counted as dropped; the
// agent goes on, and so do the files once there is room.

import { describeFileError } from "../lib/file-error.ts";
import type { Logger } from "../lib/log.ts";
import type { RecordExporter } from "./exporter.ts";
import type { FileConfig } from "./file-config.ts";
import { LineExporter } from "./line-exporter.ts";
import type { FormatLines } from "./lines.ts";
import { RotatingFile } from "./rotating-file.ts";

export interface FileExporterOptions {
  readonly config: FileConfig;
  readonly format: FormatLines;
  readonly log: Logger;
}

/** Records of one write: with 16 KiB each they fit in the smallest file there can be. */
const WRITE_RECORDS = 64;

export function createFileExporter({ config, format, log }: FileExporterOptions): RecordExporter {
  const { path, max_size: maxSize, max_files: maxFiles } = config;
  const file = new RotatingFile({ path, maxSize, maxFiles });
  return new LineExporter({
    name: "file",
    format,
    writeRecords: WRITE_RECORDS,
    log,
    output: {
      write: async (lines) => {
        try {
          await file.append(lines);
          return undefined;
        } catch (error) {
          return new Error(`${path}: ${describeFileError(error)}`, { cause: error });
        }
      },
      close: async () => {
        try {
          await file.close();
        } catch (error) {
          log.error(`cannot write to ${path}`, {
            error: error instanceof Error ? error.message : String(error),
          });
        }
      },
      label: path,
      isLostByFailure: false,
    },
  });
}
