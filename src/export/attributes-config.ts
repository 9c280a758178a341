// [span.attributes] and span.semconv: which attributes records have where they leave, and under which names. Comes in:
// patterns. Goes out: a selection of the table, made once.

import * as v from "valibot";
import { compileGlob, compileGlobs } from "../lib/glob.ts";
import { findNearest } from "../lib/nearest.ts";
import { choiceSetting, defaultedSection, type Section, textsSetting } from "../lib/setting.ts";
import type { Attribute, AttributeSelection } from "./attribute.ts";
import { ATTRIBUTES, EVERY_ATTRIBUTE } from "./attributes.ts";
import { CLUSTER_NAMES } from "./attributes-cluster.ts";
import { nameIn, SEMCONV_VERSIONS, type SemconvVersion } from "./semconv.ts";

export interface AttributesConfig {
  readonly semconv: SemconvVersion;
  readonly attributes: {
    /** Globs over the table's names. */
    readonly include: readonly string[];
    readonly exclude: readonly string[];
  };
}

const PATTERN = { allowed: "globs that match an attribute", problem: patternProblem } as const;

const patternsSection: Section<AttributesConfig["attributes"]> = v.strictObject({
  include: textsSetting(
    { ...PATTERN, initial: ["*"] },
    {
      description:
        "Attributes that are exported, by their names in docs/attributes.md, in every format but `pretty`.",
      example: '["source.*", "destination.*", "flow.*.delta"]',
    },
  ),
  exclude: textsSetting(PATTERN, {
    description: "Of those, the ones that are not.",
    example: '["flow.*.total", "network.interface.mac"]',
  }),
});

/** The part of [span] that encoders follow, as it is written in TOML. */
export const attributesSection: Section<AttributesConfig> = v.strictObject({
  semconv: choiceSetting("1.30", SEMCONV_VERSIONS, {
    description:
      "Version of OpenTelemetry's semantic conventions that attributes are named after; later ones have the names of 1.30. Before it `network.interface.name` was `system.device`.",
  }),
  attributes: defaultedSection(patternsSection),
});

/** What of the table is exported; names in patterns are the table's, whatever the version calls them. */
export function selectAttributes({ semconv, attributes }: AttributesConfig): AttributeSelection {
  const isIncluded = compileGlobs(attributes.include);
  const isExcluded = compileGlobs(attributes.exclude);
  const isTold = (name: string): boolean => isIncluded(name) && !isExcluded(name);
  const select = (rows: readonly Attribute[]): readonly Attribute[] =>
    rows.filter(({ name }) => isTold(name)).map((row) => ({ ...row, name: nameIn(semconv, row.name) }));
  return {
    record: select(EVERY_ATTRIBUTE.record),
    groups: EVERY_ATTRIBUTE.groups
      .map((group) => ({ ...group, attributes: select(group.attributes) }))
      .filter((group) => group.attributes.length > 0),
    isNamedTold: isTold,
    semconv,
  };
}

function patternProblem(pattern: string): string | undefined {
  const names = [...ATTRIBUTES.map(({ name }) => name), ...CLUSTER_NAMES];
  try {
    if (names.some(compileGlob(pattern))) return undefined;
  } catch (error) {
    return `is a ${error instanceof Error ? error.message : String(error)}`;
  }
  const nearest = findNearest(pattern, names);
  const hint = nearest === undefined ? "docs/attributes.md has them all" : `did you mean "${nearest}"?`;
  return `must match an attribute; ${hint}`;
}
