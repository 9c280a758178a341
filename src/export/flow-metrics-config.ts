// [export.flow_metrics]: what flows are summed up by. Collectors get the sums whose `signals` have "metrics".

import * as v from "valibot";
import { findNearest } from "../lib/nearest.ts";
import { durationSetting, integerSetting, type Section, textsSetting } from "../lib/setting.ts";
import type { Milliseconds } from "../lib/time.ts";
import { EVERY_ATTRIBUTE } from "./attributes.ts";
import { type SeriesAttribute, seriesAttribute } from "./flow-series.ts";
import { nameIn, type SemconvVersion } from "./semconv.ts";

export interface FlowMetricsConfig {
  /** Names of the attribute table. */
  readonly attributes: readonly string[];
  readonly max_series: number;
  readonly interval: Milliseconds;
  /** At least twice `interval`. */
  readonly expire: Milliseconds;
}

/** What series can be told apart by. */
const SERIES_ATTRIBUTES: ReadonlyMap<string, SeriesAttribute> = new Map(
  [
    ...EVERY_ATTRIBUTE.record.map((attribute) => seriesAttribute(attribute, () => true)),
    ...EVERY_ATTRIBUTE.groups.flatMap(({ attributes, applies }) =>
      attributes.map((attribute) => seriesAttribute(attribute, (row) => row.hasDetail && applies(row))),
    ),
  ].flatMap((attribute) => (attribute === undefined ? [] : [[attribute.name, attribute]])),
);

const HOUR = 3_600_000;

/** [export.flow_metrics] as it is written in TOML. */
export const flowMetricsSection: Section<FlowMetricsConfig> = v.strictObject({
  attributes: textsSetting(
    {
      allowed: "names of attributes of type int or string that are no counts",
      problem: attributeProblem,
      initial: ["network.type", "network.transport", "flow.direction"],
    },
    {
      description:
        "Attributes that sums are kept apart by. Each combination of values is a series: addresses and ports are allowed, and soon fill `max_series`.",
      example: '["network.transport", "network.interface.name", "destination.port"]',
    },
  ),
  max_series: integerSetting(
    2000,
    { minimum: 1, maximum: 100_000 },
    {
      description:
        "Most series at once, of five data points each, and at most what `max_queue_bytes` of `[export.otlp]` holds. What has no room is summed up in one more, with `otel.metric.overflow` as its only attribute.",
    },
  ),
  interval: durationSetting(
    "30s",
    { minimum: 100, maximum: HOUR },
    { description: "How often the sums are sent." },
  ),
  expire: durationSetting(
    "10m",
    { minimum: 1000, maximum: 24 * HOUR },
    {
      description:
        "A series without a flow for this long is no longer sent, and makes room; at least twice `interval`. If its flows come back it begins again, at 0, with a new start time.",
    },
  ),
});

/** The attributes of a config that {@link flowMetricsSection} accepted, named as `semconv` does. */
export function findSeriesAttributes(
  names: readonly string[],
  semconv: SemconvVersion,
): readonly SeriesAttribute[] {
  return names.flatMap((name) => {
    const attribute = SERIES_ATTRIBUTES.get(name);
    return attribute === undefined ? [] : [{ ...attribute, name: nameIn(semconv, name) }];
  });
}

function attributeProblem(name: string): string | undefined {
  const names = [...SERIES_ATTRIBUTES.keys()];
  if (SERIES_ATTRIBUTES.has(name)) return undefined;
  const nearest = findNearest(name, names);
  const hint = nearest === undefined ? "docs/attributes.md has them all" : `did you mean "${nearest}"?`;
  return `must be an attribute of type int or string that is no count; ${hint}`;
}
