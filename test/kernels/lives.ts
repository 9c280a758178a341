// The lives that each guest runs, with what their agents are told.

import { judgeConnections } from "./judge-connections.ts";
import { judgeFollowed } from "./judge-followed.ts";
import { judgeLacking } from "./judge-lacking.ts";
import { judgeReplaced } from "./judge-replaced.ts";
import { judgeRestarts } from "./judge-restarts.ts";
import { judgeTests } from "./judge-tests.ts";
import type { Life } from "./life.ts";

/** Nothing ends by its timeout; records come often, so that each agent has told something when it ends. */
const OUTPUT = `[flow]
poll_interval = "300ms"
[span]
max_record_interval = "1s"
tcp_timeout = "10m"
udp_timeout = "10m"
tcp_fin_timeout = "10m"
[export.stdout]
format = "ndjson"
`;

function capture(...settings: readonly string[]): string {
  return ["[capture]", ...settings, OUTPUT].join("\n");
}

/** Every life, in the order in which a guest runs them. */
export const LIVES: readonly Life[] = [
  {
    name: "replaced",
    configs: {
      persistent: capture("persist = true"),
      transient: capture(),
      late: capture('tcx_order = "last"', "tc_priority = 200"),
    },
    judge: judgeReplaced,
  },
  { name: "restarts", configs: { persistent: capture("persist = true") }, judge: judgeRestarts },
  { name: "followed", configs: { follow: capture('interfaces = ["f*"]') }, judge: judgeFollowed },
  {
    name: "lacking",
    configs: {
      demanding: capture('attach_mode = "tcx"'),
      persistent: capture("persist = true"),
    },
    judge: judgeLacking,
  },
  { name: "connections", configs: { plain: capture() }, judge: judgeConnections },
  { name: "reattach", configs: {}, judge: judgeTests },
  { name: "programs", configs: {}, judge: judgeTests },
];
