// [flow]: the table of flows in the kernel and how often it is read; [span]: when a flow becomes a record.

import * as v from "valibot";
import {
  choicesSetting,
  durationSetting,
  integerSetting,
  type Section,
  sizeSetting,
} from "../lib/setting.ts";
import type { Bytes } from "../lib/size.ts";
import type { Milliseconds } from "../lib/time.ts";

export interface FlowConfig {
  readonly table_capacity: number;
  readonly ring_buffer_bytes: Bytes;
  readonly poll_interval: Milliseconds;
  /** What beside the 5-tuple tells flows apart. */
  readonly key_includes: readonly ("vlan" | "tunnel_id")[];
}

export interface SpanConfig {
  readonly max_record_interval: Milliseconds;
  readonly tcp_timeout: Milliseconds;
  readonly tcp_fin_timeout: Milliseconds;
  readonly tcp_rst_timeout: Milliseconds;
  readonly udp_timeout: Milliseconds;
  readonly icmp_timeout: Milliseconds;
  readonly generic_timeout: Milliseconds;
  readonly community_id_seed: number;
  readonly trace_id_timeout: Milliseconds;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TIMEOUT = { minimum: 100, maximum: 24 * HOUR };

/** [flow] as it is written in TOML. */
export const flowSection: Section<FlowConfig> = v.strictObject({
  table_capacity: integerSetting(
    131_072,
    { minimum: 1024, maximum: 16_777_216 },
    {
      description:
        "Flows that the kernel's table holds at once. The memory is taken at start, about 360 bytes a flow. Beyond 90 % flows are ended early (`lack_of_resources`) until 80 % is in use: first one-way flows of at most two packets, then those quiet for longest. Packets that find no room all the same go through the ring one by one and are told in flows of their own.",
    },
  ),
  ring_buffer_bytes: sizeSetting(
    "4MiB",
    { minimum: 4096, maximum: 2 ** 30, page: 4096 },
    {
      description:
        "Buffer through which the kernel tells of new flows, 72 bytes each, and of packets that find no room in its table, 104 bytes each. Where it is full the flow is found by the next read of the table instead; such a packet is counted as lost (`map_full`).",
      example: '"16MiB"',
    },
  ),
  poll_interval: durationSetting(
    "1s",
    { minimum: 100, maximum: MINUTE },
    {
      description:
        "How often the kernel's table is read. A read that would need more than 30 % of a core comes later, and is counted; where the table is nearly full it comes at once, with up to 60 %.",
      example: '"500ms"',
    },
  ),
  key_includes: choicesSetting(["vlan", "tunnel_id"], {
    description:
      "What else tells flows apart, where address spaces overlap: the outermost VLAN id, the innermost tunnel's id (VNI, GRE key). With `tunnel_id`, do not watch both a device that carries encapsulated packets and one that has them unpacked: a flow would be told once for each.",
    example: '["vlan"]',
  }),
});

/** [span] as it is written in TOML. */
export const spanSection: Section<SpanConfig> = v.strictObject({
  max_record_interval: durationSetting(
    "60s",
    { minimum: 1000, maximum: 24 * HOUR },
    {
      description: "A flow that goes on is told at least this often (IPFIX active timeout).",
    },
  ),
  tcp_timeout: timeout(
    "20s",
    "A TCP flow without a packet for this long has ended. Every timeout here counts as at least 1s.",
  ),
  tcp_fin_timeout: timeout(
    "5s",
    "A TCP flow that both ends have closed with a FIN has ended after this long without a packet.",
  ),
  tcp_rst_timeout: timeout(
    "5s",
    "A TCP flow that was reset (RST) has ended after this long without a packet.",
  ),
  udp_timeout: timeout("60s", "A UDP flow without a packet for this long has ended."),
  icmp_timeout: timeout("10s", "An ICMP or ICMPv6 flow without a packet for this long has ended."),
  generic_timeout: timeout("30s", "A flow of any other protocol without a packet for this long has ended."),
  community_id_seed: integerSetting(
    0,
    { minimum: 0, maximum: 65535 },
    { description: "Seed of the Community ID, the same on every node whose flows are to be compared." },
  ),
  trace_id_timeout: durationSetting(
    "24h",
    { minimum: 1000, maximum: 8760 * HOUR },
    {
      description:
        "Records of one conversation share a trace id for this long. The same on every node whose spans are to meet in one trace.",
    },
  ),
});

function timeout(initial: string, description: string): v.GenericSchema<unknown, Milliseconds> {
  return durationSetting(initial, TIMEOUT, { description });
}
