// The lives that each guest runs, with what their agents are told.

import { judgeConnections } from "./judge-connections.ts";
import { judgeFollowed } from "./judge-followed.ts";
import { judgeLacking } from "./judge-lacking.ts";
import { judgeReplaced } from "./judge-replaced.ts";
import { judgeRestarts } from "./judge-restarts.ts";
import { judgeRetold } from "./judge-retold.ts";
import { judgeTests } from "./judge-tests.ts";
import { judgeUpgraded } from "./judge-upgraded.ts";
import type { Life } from "./life.ts";

/** Nothing ends by its timeout, but where a life says so. */
const TIMEOUTS = { tcp_timeout: "10m", udp_timeout: "10m", tcp_fin_timeout: "10m" } as const;

/** Records and statistics come often, so that each agent has told something when it ends. */
function config(
  settings: readonly string[],
  timeouts: Partial<Record<keyof typeof TIMEOUTS, string>> = {},
): string {
  return [
    ...["[capture]", ...settings],
    ...["[flow]", 'poll_interval = "300ms"'],
    ...["[span]", 'max_record_interval = "1s"'],
    ...Object.entries({ ...TIMEOUTS, ...timeouts }).map(([name, time]) => `${name} = "${time}"`),
    ...["[pipeline]", 'stats_interval = "1s"'],
    ...["[export.stdout]", 'format = "ndjson"', ""],
  ].join("\n");
}

const PERSISTENT = config(["persist = true"]);

/** Every life, in the order in which a guest runs them. */
export const LIVES: readonly Life[] = [
  {
    name: "replaced",
    configs: {
      persistent: PERSISTENT,
      transient: config([]),
      late: config(['tcx_order = "last"', "tc_priority = 200"]),
    },
    judge: judgeReplaced,
  },
  { name: "restarts", configs: { persistent: PERSISTENT }, judge: judgeRestarts },
  { name: "upgraded", configs: { persistent: PERSISTENT }, judge: judgeUpgraded },
  {
    name: "retold",
    configs: { brief: config(["persist = true"], { udp_timeout: "1s" }) },
    judge: judgeRetold,
  },
  { name: "followed", configs: { follow: config(['interfaces = ["f*"]']) }, judge: judgeFollowed },
  {
    name: "lacking",
    configs: {
      demanding: config(['attach_mode = "tcx"']),
      persistent: PERSISTENT,
    },
    judge: judgeLacking,
  },
  {
    name: "connections",
    configs: { plain: config([], { tcp_fin_timeout: "1s" }) },
    judge: judgeConnections,
  },
  { name: "cgroups", configs: {}, judge: judgeTests },
  { name: "reattach", configs: {}, judge: judgeTests },
  { name: "programs", configs: {}, judge: judgeTests },
];
