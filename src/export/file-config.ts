// [export.file]: records as lines in files. Comes in: TOML. Goes out: where, how many, how large.

import * as v from "valibot";
import { pathSetting } from "../lib/secret.ts";
import { choiceSetting, integerSetting, type Section, sizeSetting } from "../lib/setting.ts";
import type { Bytes } from "../lib/size.ts";

export interface FileConfig {
  /** Absolute; never empty once the config is loaded. */
  readonly path: string;
  readonly format: "ndjson" | "otlp-json";
  readonly max_size: Bytes;
  readonly max_files: number;
}

/** [export.file] as it is written in TOML. */
export const fileSection: Section<FileConfig> = v.strictObject({
  path: pathSetting({
    description:
      "File that lines are appended to, made with mode 0640. Older ones are beside it, `.1` the youngest of them. A loss of power may take the file's last lines, mostly of half a minute; older files are on the disk, but for one that was filled a moment before.",
    example: '"/var/log/mermin/flows.ndjson"',
  }),
  format: choiceSetting("ndjson", ["ndjson", "otlp-json"], {
    description: "As of `[export.stdout]`; a request of `otlp-json` has at most 64 spans.",
  }),
  max_size: sizeSetting(
    "100MiB",
    { minimum: 1_048_576, maximum: 1_099_511_627_776 },
    { description: "Size at which the next file is begun; no line is cut." },
  ),
  max_files: integerSetting(
    5,
    { minimum: 1, maximum: 1000 },
    {
      description:
        "Files at once; the oldest is deleted when there would be more, and those of a higher number, up to `.999`, when the first line is written.",
    },
  ),
});
