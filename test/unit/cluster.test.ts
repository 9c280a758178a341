import { expect, test } from "bun:test";
import { followCluster } from "../../src/cluster.ts";
import { describeConfig } from "../../src/config/settings.ts";
import { validateConfig } from "../../src/config/validate.ts";
import { createLogger } from "../../src/lib/log.ts";
import { until } from "../collector/until.ts";

const PATH = "/nowhere/kubeconfig";

test("followCluster begins without the kubeconfig that is configured, and says of each kind why it is not known", async () => {
  const validation = validateConfig({ kubernetes: { kubeconfig_path: PATH } }, describeConfig());
  if (validation.status === "invalid") throw new Error(JSON.stringify(validation.problems));
  const lines: string[] = [];
  const log = createLogger({ level: "warn", format: "text", write: (line) => lines.push(line) });
  await using cluster = followCluster(validation.config, {
    log,
    version: "test",
    environment: {},
    mayBeHostAddress: () => false,
  });
  await until(() => cluster.snapshot().kinds.every(({ failure }) => failure.includes(`"${PATH}": ENOENT`)));
  expect(cluster.snapshot().isSynced).toBe(false);
  expect(lines).toHaveLength(1);
});
