// A device that swallows what is sent, behind the hook that is measured.

import { join } from "node:path";
import { run } from "./command.ts";
import type { Ground, Measurement } from "./figure.ts";

/** Runs `step` with the sink attached behind every other program of the device. */
export async function withSink(
  ground: Ground,
  step: (ground: Ground) => Promise<Measurement>,
): Promise<Measurement> {
  const { device, directory } = ground;
  const object = join(directory, "sink.bpf.o");
  await run("tc", "qdisc", "add", "dev", device, "clsact");
  try {
    const filter = [
      "filter",
      "add",
      "dev",
      device,
      "egress",
      "prio",
      "100",
      "bpf",
      "da",
      "object-file",
      object,
    ];
    await run("tc", ...filter, "section", "tc");
    return await step(ground);
  } finally {
    await run("tc", "qdisc", "del", "dev", device, "clsact");
  }
}
