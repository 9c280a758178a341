// The Community ID specification's own captures and expected identifiers, for the seeds 0 and 1.

import { expect, test } from "bun:test";
import * as v from "valibot";
import { capturePath, describeWithCaptures, listCaptures } from "./captures.ts";
import { replayFile } from "./replayed.ts";
import { sightingsOf } from "./sighting.ts";

const BASELINES = [
  { seed: 0, file: "community-id/baseline_deflt.json" },
  { seed: 1, file: "community-id/baseline_seed1.json" },
];

describeWithCaptures("Community IDs of a replay", () => {
  for (const { seed, file } of BASELINES) {
    test(`are the specification's with seed ${seed}`, async () => {
      const captures = listCaptures().filter(({ name }) => name.startsWith("community-id/"));
      const told = new Set<string>();
      for (const { path } of captures) {
        const { records } = await replayFile(path, { span: { community_id_seed: seed } });
        for (const record of records) {
          for (const { protocol, source, destination, packets } of sightingsOf(record)) {
            if (packets > 0) told.add(`${protocol} ${source} ${destination} ${record.communityId}`);
          }
        }
      }
      expect([...told].toSorted()).toEqual(await readBaseline(file));
    });
  }
});

const baseline = v.array(
  v.object({ proto: v.number(), saddr: v.string(), daddr: v.string(), communityid: v.string() }),
);

async function readBaseline(file: string): Promise<string[]> {
  const rows = v.parse(baseline, await Bun.file(capturePath(file)).json());
  const lines = rows.map((row) => `${row.proto} ${row.saddr} ${row.daddr} ${row.communityid}`);
  return [...new Set(lines)].toSorted();
}
