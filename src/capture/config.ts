// [capture]: which interfaces are watched, and how the program is attached to them.

import * as v from "valibot";
import { compilePattern } from "../lib/glob.ts";
import {
  booleanSetting,
  choiceSetting,
  durationSetting,
  integerSetting,
  type Section,
  textSetting,
  textsSetting,
} from "../lib/setting.ts";
import type { Milliseconds } from "../lib/time.ts";

export interface CaptureConfig {
  /** Names, globs and expressions between slashes; empty: every interface that is up, but loopback and the slaves of a bond. */
  readonly interfaces: readonly string[];
  readonly exclude: readonly string[];
  /** Whether interfaces that come later are watched too. */
  readonly auto_discover: boolean;
  /** The network namespace that is watched, as a file; empty: the agent's own. */
  readonly host_netns: string;
  readonly attach_mode: "auto" | "tcx" | "clsact";
  readonly tcx_order: "first" | "last";
  readonly tc_priority: number;
  readonly sampling: number;
  readonly conntrack: "auto" | "off";
  readonly persist: boolean;
  readonly takeover_timeout: Milliseconds;
  readonly orphan_after: Milliseconds;
}

/** What is watched, and how it is attached. */
export interface WatchConfig
  extends Omit<
    CaptureConfig,
    "sampling" | "host_netns" | "conntrack" | "persist" | "takeover_timeout" | "orphan_after"
  > {
  /** As in [flow]: devices at which one flow would have two keys are warned of. */
  readonly key_includes?: readonly ("vlan" | "tunnel_id")[];
}

const PATTERNS = {
  allowed:
    "names, globs (`*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`) and regular expressions between slashes (`/en[ps]\\d+/`)",
  problem: patternProblem,
};

/** The section as it is written in TOML. */
export const captureSection: Section<CaptureConfig> = v.strictObject({
  interfaces: textsSetting(PATTERNS, {
    description:
      "Interfaces to watch; a pattern must match the whole name. Empty: every interface that is up, except loopback and the members of a bond.",
    example: '["eth0", "en*", "/veth[0-9a-f]{8}/"]',
    flag: "--interface",
  }),
  exclude: textsSetting(PATTERNS, {
    description: "Interfaces not to watch, whatever `interfaces` says.",
    example: '["docker*", "br-{old,test}"]',
  }),
  auto_discover: booleanSetting(true, {
    description:
      "Whether interfaces that come later are watched too. `false`: those that match at start, also when they come back under their name.",
  }),
  host_netns: textSetting(
    "",
    { allowed: "the path of a network namespace, or empty", problem: () => undefined },
    {
      description:
        "Network namespace whose interfaces are watched, for an agent in a pod of its own network; needs CAP_SYS_ADMIN. Empty: the agent's own.",
      example: '"/proc/1/ns/net"',
    },
  ),
  attach_mode: choiceSetting("auto", ["auto", "tcx", "clsact"], {
    description:
      "How the program is attached: `tcx` needs Linux 6.6 and lives beside other programs in a defined order; `clsact` is the classic queueing discipline; `auto` takes TCX where the kernel has it.",
  }),
  tcx_order: choiceSetting("first", ["first", "last"], {
    description:
      "Place among the TCX programs of an interface. `first` sees packets that a later program drops or redirects.",
  }),
  tc_priority: integerSetting(
    1,
    { minimum: 1, maximum: 65535 },
    { description: "Priority of the filter where it is attached to `clsact`; a lower number runs earlier." },
  ),
  sampling: integerSetting(
    1,
    { minimum: 1, maximum: 1_000_000 },
    {
      description:
        "One flow in so many is counted, chosen by a hash of its key: whole flows are taken or left; spans tell the rate.",
    },
  ),
  conntrack: choiceSetting("auto", ["auto", "off"], {
    description:
      "Whether conntrack is asked how the node translates connections (Services, masquerade), so that such a conversation is one record; `auto`: where the kernel can tell.",
  }),
  persist: booleanSetting(false, {
    description:
      "Whether the program goes on counting while the agent is restarted or replaced: its maps and links are pinned in `/sys/fs/bpf/mermin`, and the next agent tells on where this one ended.",
  }),
  takeover_timeout: durationSetting(
    "35s",
    { minimum: 0, maximum: 3_600_000 },
    {
      description:
        "How long an agent waits for another one on the host to end, before it gives up and names it.",
    },
  ),
  orphan_after: durationSetting(
    "15m",
    { minimum: 0, maximum: 7 * 86_400_000 },
    {
      description:
        "With `persist`, how long programs without an agent go on counting; then they let every packet pass unseen. 0: for ever.",
    },
  ),
});

function patternProblem(pattern: string): string | undefined {
  if (pattern === "") return "must not be empty";
  try {
    compilePattern(pattern);
    return undefined;
  } catch (error) {
    return `is a ${error instanceof Error ? error.message : String(error)}`;
  }
}
