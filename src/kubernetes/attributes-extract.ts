// Extraction rules: which labels and annotations become attributes, under which name, with which value.

import type { ExtractConfig } from "./config.ts";
import type { ExtractRule } from "./config-rules.ts";
import { type KubernetesObject, TEXT_LIMIT } from "./object.ts";
import type { Kind } from "./objects.ts";
import { compileExpression, type MatchWhole } from "./pattern.ts";

/** What an object says of itself, both as keys with values. */
type Field = keyof ExtractConfig;

/** Attributes that one rule makes of one object at most: a tenant may write thousands of annotations. */
const MOST_MATCHES = 64;

interface CompiledRule {
  readonly rule: ExtractRule;
  readonly field: Field;
  readonly matchKey: MatchWhole | undefined;
  readonly matchValue: MatchWhole | undefined;
}

/** All rules of a configuration, by the kind they read. */
export class Extractor {
  readonly #rules: Map<Kind, CompiledRule[]> = new Map();

  /** @throws SyntaxError for an expression that is none, which the configuration's reader refuses */
  constructor(config: ExtractConfig) {
    for (const field of ["labels", "annotations"] as const) {
      for (const rule of config[field]) {
        const [matchKey, matchValue] = [compile(rule.key_regex), compile(rule.value_regex)];
        const others = this.#rules.get(rule.from) ?? [];
        this.#rules.set(rule.from, [...others, { rule, field, matchKey, matchValue }]);
      }
    }
  }

  /** Tells `add` each attribute that the rules make of an object. */
  extract(kind: Kind, object: KubernetesObject, add: (name: string, value: string) => void): void {
    for (const compiled of this.#rules.get(kind) ?? []) {
      const { rule, field, matchKey } = compiled;
      const pairs = object[field];
      if (matchKey !== undefined) {
        let matches = 0;
        for (const [key, value] of pairs) {
          if (apply(compiled, { kind, key, value }, add) && ++matches === MOST_MATCHES) break;
        }
      } else {
        const value = pairs.get(rule.key);
        if (value !== undefined) apply(compiled, { kind, key: rule.key, value }, add);
      }
    }
  }
}

/** "" is no expression. */
function compile(source: string): MatchWhole | undefined {
  return source === "" ? undefined : compileExpression(source);
}

/** @returns whether the pair is told */
function apply(
  { rule, field, matchKey, matchValue }: CompiledRule,
  pair: { readonly kind: Kind; readonly key: string; readonly value: string },
  add: (name: string, value: string) => void,
): boolean {
  const { kind, key, value } = pair;
  if (key.length > TEXT_LIMIT || value.length > TEXT_LIMIT) return false;
  const keyGroups = matchKey === undefined ? [] : matchKey(key);
  if (keyGroups === undefined) return false;
  const valueGroups = matchValue === undefined ? keyGroups : matchValue(value);
  if (valueGroups === undefined) return false;
  const name = rule.attribute || `k8s.${kind.toLowerCase()}.${field.slice(0, -1)}.${key}`;
  add(fill(name, keyGroups), rule.attribute_value === "" ? value : fill(rule.attribute_value, valueGroups));
  return true;
}

function fill(template: string, groups: readonly string[]): string {
  return template.replaceAll(/\$([1-9])/g, (_, digit: string) => groups[Number(digit)] ?? "");
}
