// The programs against the reference: every corpus file, then random packets. FUZZ_PACKETS and FUZZ_SEED make it long
// or another one; a failure prints the fewest packets that show it, as lines for a corpus file.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { drawBatch } from "./batch.ts";
import { Harness } from "./harness.ts";
import { FUZZ_NETWORKS, FUZZ_REFERENCE } from "./options.ts";
import { parsePackets } from "./packet.ts";
import { Random } from "./random.ts";

const CORPUS = join(import.meta.dir, "corpus");
const BATCH_PACKETS = 64;
/** With each of the options. */
const PACKETS = Number(process.env["FUZZ_PACKETS"] ?? 30_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_261_121);
/** Far above what it takes: 10,000 packets a second on a slow core. */
const TIMEOUT_MS = 60_000 + PACKETS;
const FAILURES_MOST = 10;

const OPTIONS = {
  "the 5-tuple as key": FUZZ_REFERENCE,
  "VLAN and tunnel id in the key": FUZZ_NETWORKS,
} as const;

describe.each(Object.entries(OPTIONS))("the programs agree with the reference, %s,", (_, options) => {
  let harness: Harness;
  beforeAll(() => {
    harness = new Harness(options);
  });
  afterAll(() => harness[Symbol.dispose]());

  test.each(readdirSync(CORPUS).sort())("on %s", (file) => {
    const packets = parsePackets(readFileSync(join(CORPUS, file), "utf8"));
    expect(packets.length).toBeGreaterThan(0);
    for (const side of ["ingress", "egress"] as const) expect(harness.run(packets, side)).toEqual([]);
  });

  test(
    `on ${PACKETS} random packets of seed ${SEED}`,
    () => {
      const random = new Random(SEED);
      const failures: string[] = [];
      for (let count = 0; count < PACKETS && failures.length < FAILURES_MOST; ) {
        const packets = drawBatch(random, BATCH_PACKETS);
        const side = random.pick(["ingress", "egress"] as const);
        count += packets.length;
        if (harness.run(packets, side).length > 0) failures.push(harness.report(packets, side));
      }
      // Whole, as lines for a corpus file: the runner shortens what an assertion shows.
      for (const failure of failures) console.error(`${failure}\n`);
      expect(failures.length).toBe(0);
    },
    TIMEOUT_MS,
  );
});
