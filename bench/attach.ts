// A thousand interfaces: how long until all are watched, how long until none is, and how long the capture loop waits for
// any of it.

import { Interfaces } from "../src/capture/interfaces.ts";
import { openProbe } from "../src/capture/probe.ts";
import { createLogger } from "../src/lib/log.ts";
import { run } from "./command.ts";
import type { Figure, Ground, Measurement } from "./figure.ts";

const INTERFACES = 1000;
const GROUP = "77";
/** As often as the capture loop turns. */
const TURN_MS = 10;
const MOST_MS = 120_000;

/** Attaches to veths and lets go of them, by TCX and by clsact. */
export async function measureAttach(_: Ground): Promise<Measurement> {
  await addInterfaces();
  try {
    const figures = [...(await measureMode("tcx")), ...(await measureMode("clsact"))];
    return {
      title: "Many interfaces",
      method: `${INTERFACES.toLocaleString("en")} veths are attached to, both sides, and let go, while a loop turns every ${TURN_MS} ms as the agent's does; once for each way to attach. By TCX the kernel waits for RCU at each hook.`,
      figures,
    };
  } finally {
    await run("ip", "link", "delete", "group", GROUP);
  }
}

async function addInterfaces(): Promise<void> {
  const lines = Array.from({ length: INTERFACES }, (_, at) => {
    return `link add many${at} group ${GROUP} type veth peer far${at}\nlink set many${at} up\n`;
  });
  const child = Bun.spawn(["ip", "-batch", "-"], { stdin: Buffer.from(lines.join("")) });
  if ((await child.exited) !== 0) throw new Error("Cannot make the interfaces");
}

async function measureMode(mode: "tcx" | "clsact"): Promise<readonly Figure[]> {
  using probe = openProbe({ tableCapacity: 1024, ringBufferBytes: 4096, isReplay: false });
  const config = { interfaces: ["many*"], exclude: [], auto_discover: true } as const;
  const place = { attach_mode: mode, tcx_order: "first", tc_priority: 1 } as const;
  const log = createLogger({ level: "error", format: "text" });
  const interfaces = new Interfaces(probe, { ...config, ...place }, log);
  let longestMs = 0;
  let started = performance.now();
  while (interfaces.attached < INTERFACES) {
    const before = performance.now();
    if (before - started > MOST_MS) throw new Error(`Only ${interfaces.attached} were attached by ${mode}`);
    interfaces.turn(before);
    longestMs = Math.max(longestMs, performance.now() - before);
    await Bun.sleep(TURN_MS);
  }
  const attachMs = performance.now() - started;
  started = performance.now();
  await interfaces.detachAll();
  const detachMs = performance.now() - started;
  return [
    { name: `${mode}: until all are attached`, value: attachMs / 1000, unit: "s" },
    { name: `${mode}: for each interface`, value: attachMs / INTERFACES, unit: "ms" },
    {
      name: `${mode}: longest that the loop waited meanwhile`,
      value: longestMs,
      unit: "ms",
      reach: { atMost: 20 },
    },
    { name: `${mode}: until none is attached`, value: detachMs / 1000, unit: "s" },
  ];
}
