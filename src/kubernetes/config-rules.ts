// The parts of [kubernetes] that are lists of tables: what is told, what is looked at, what selects what.

import * as v from "valibot";
import { repeatableSection } from "../lib/repeatable.ts";
import {
  booleanSetting,
  choiceSetting,
  type Section,
  tableSetting,
  textSetting,
  textsSetting,
} from "../lib/setting.ts";
import { KIND_FACTS, KINDS } from "./kinds.ts";
import type { Kind } from "./objects.ts";
import { compileExpression } from "./pattern.ts";

/** One label or annotation that becomes an attribute of the span, or several whose keys match. */
export interface ExtractRule {
  readonly from: Kind;
  /** One of `key` and `key_regex` is given, the other is "". */
  readonly key: string;
  readonly key_regex: string;
  /** "": any value. */
  readonly value_regex: string;
  /** "": `k8s.<kind>.label.<key>`, `k8s.<kind>.annotation.<key>`. */
  readonly attribute: string;
  /** With `$1` for what `value_regex`, else `key_regex`, has in parentheses; "": the value. */
  readonly attribute_value: string;
}

/** A label, as `key in values`: operators as the API's. */
interface ObjectExpression {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values: readonly string[];
}

/** Of a kind that has some, only objects that one with `include` has and none without. */
export interface ObjectSelector {
  readonly kind: Kind;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  readonly match_labels: Readonly<Record<string, string>>;
  readonly match_expressions: readonly ObjectExpression[];
  readonly include: boolean;
}

/** Objects of `kind` are told on those of `to` that their selector has. */
export interface SelectorRelation {
  readonly kind: Kind;
  readonly to: Kind;
  /** Fields of the selector that count; both or neither given: all of it. */
  readonly selector_match_labels_field: string;
  readonly selector_match_expressions_field: string;
}

type Rules<T> = v.GenericSchema<unknown, readonly T[] | undefined>;

/** Longest regular expression that is taken: they are matched against values that others write. */
const LONGEST_PATTERN = 256;

/** Rules of `kubernetes.extract`; undefined where none is given. */
export function extractRules(what: "label" | "annotation"): Rules<ExtractRule> {
  const rule: Section<ExtractRule> = v.strictObject({
    from: choiceSetting("Pod", KINDS, { description: `Kind whose ${what}s are read.` }),
    key: freeText(`Key of the ${what}. This or \`key_regex\` is given.`, '"app.kubernetes.io/name"'),
    key_regex: pattern(`Regular expression that the whole key matches.`, '"team\\\\.example\\\\.com/(.*)"'),
    value_regex: pattern(
      "Regular expression that the whole value matches, else nothing is told. Empty: any value.",
      '"v(\\\\d+).*"',
    ),
    attribute: freeText(
      `Name of the attribute, behind \`source.\` or \`destination.\`. Empty: \`k8s.<kind>.${what}.<key>\`.`,
      '"k8s.pod.team"',
    ),
    attribute_value: freeText(
      "Its value; `$1` is what the first parentheses of `value_regex`, else of `key_regex`, match. Empty: the value.",
      '"version-$1"',
    ),
  });
  const hasOneKey = ({ key, key_regex }: ExtractRule): boolean => (key === "") !== (key_regex === "");
  return v.optional(repeatableSection(v.pipe(rule, v.check(hasOneKey, "must have either key or key_regex"))));
}

export const objectSelectors: Rules<ObjectSelector> = v.optional(
  repeatableSection<ObjectSelector>(
    v.pipe(
      v.strictObject({
        kind: choiceSetting("Pod", KINDS, {
          description: "Kind of which only some objects are kept; those of other kinds all are.",
        }),
        namespaces: textsSetting(
          { allowed: "names", problem: () => undefined },
          { description: "Namespaces they are in. Empty: any.", example: '["shop", "payments"]' },
        ),
        match_labels: tableSetting({
          description: "Labels they have.",
          example: '{ tier = "frontend" }',
        }),
        match_expressions: v.optional(repeatableSection(expressionSection())),
        include: booleanSetting(true, {
          description: "`false`: these are left out, and of what is included nothing else.",
        }),
      }),
      v.transform(
        ({ match_expressions = [], ...selector }): ObjectSelector => ({ ...selector, match_expressions }),
      ),
    ),
  ),
);

function expressionSection(): Section<ObjectExpression> {
  return v.strictObject({
    key: freeText("Key of a label.", '"tier"'),
    operator: choiceSetting("In", ["In", "NotIn", "Exists", "DoesNotExist"], {
      description: "What must hold of the label.",
    }),
    values: textsSetting(
      { allowed: "values", problem: () => undefined },
      { description: "For `In` and `NotIn`.", example: '["frontend", "backend"]' },
    ),
  });
}

/** undefined where none is given: the defaults apply. */
export const selectorRelations: Rules<SelectorRelation> = v.optional(
  repeatableSection<SelectorRelation>(
    v.pipe(
      v.strictObject({
        kind: choiceSetting(
          "Service",
          KINDS.filter((kind) => KIND_FACTS[kind].selector !== undefined),
          {
            description:
              "Kind whose name is told on the objects that its selector has. Without any relation given: Service and NetworkPolicy.",
          },
        ),
        to: choiceSetting("Pod", KINDS, { description: "Kind of those objects." }),
        selector_match_labels_field: freeText(
          "Field with the labels. With neither field given, or both, all of the kind's selector counts; with one, that part alone, and a selector without it selects nothing. Of a NetworkPolicy all counts always.",
          '"spec.selector.matchLabels"',
        ),
        selector_match_expressions_field: freeText(
          "Field with the expressions.",
          '"spec.selector.matchExpressions"',
        ),
      }),
      v.check(
        hasFieldsOfKind,
        "must name the fields of that kind's own selector (spec.selector of a Service, spec.podSelector.matchLabels of a NetworkPolicy, else spec.selector.matchLabels)",
      ),
    ),
  ),
);

function hasFieldsOfKind(relation: SelectorRelation): boolean {
  const fields = KIND_FACTS[relation.kind].selector;
  return (
    ["", fields?.matchLabels].includes(relation.selector_match_labels_field) &&
    ["", fields?.matchExpressions].includes(relation.selector_match_expressions_field)
  );
}

function freeText(description: string, example: string): v.GenericSchema<unknown, string> {
  return textSetting("", { allowed: "a text", problem: () => undefined }, { description, example });
}

function pattern(description: string, example: string): v.GenericSchema<unknown, string> {
  const problem = (text: string): string | undefined => {
    if (text.length > LONGEST_PATTERN) return `must have ${LONGEST_PATTERN} characters at most`;
    if (text === "") return undefined;
    try {
      compileExpression(text);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : "must be a regular expression";
    }
  };
  return textSetting(
    "",
    { allowed: "a regular expression of RE2: no look-around, no back-references", problem },
    { description, example },
  );
}
