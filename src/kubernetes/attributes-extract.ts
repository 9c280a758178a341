// Extraction rules: which labels and annotations become attributes, under which name, with which value.

import type { ExtractConfig } from "./config.ts";
import type { ExtractRule } from "./config-rules.ts";
import { type KubernetesObject, TEXT_LIMIT } from "./object.ts";
import type { Kind } from "./objects.ts";

/** What an object says of itself, both as keys with values. */
type Field = keyof ExtractConfig;

interface CompiledRule {
  readonly rule: ExtractRule;
  readonly field: Field;
  readonly keyPattern: RegExp | undefined;
  readonly valuePattern: RegExp | undefined;
}

/** All rules of a configuration, by the kind they read. */
export class Extractor {
  readonly #rules: Map<Kind, CompiledRule[]> = new Map();

  /** @throws SyntaxError for a pattern that is none, which the configuration's reader refuses */
  constructor(config: ExtractConfig) {
    for (const field of ["labels", "annotations"] as const) {
      for (const rule of config[field]) {
        const [keyPattern, valuePattern] = [compile(rule.key_regex), compile(rule.value_regex)];
        const others = this.#rules.get(rule.from) ?? [];
        this.#rules.set(rule.from, [...others, { rule, field, keyPattern, valuePattern }]);
      }
    }
  }

  /** Tells `add` each attribute that the rules make of an object. */
  extract(kind: Kind, object: KubernetesObject, add: (name: string, value: string) => void): void {
    for (const compiled of this.#rules.get(kind) ?? []) {
      const { rule, field, keyPattern } = compiled;
      const pairs = object[field];
      if (keyPattern !== undefined) {
        for (const [key, value] of pairs) apply(compiled, { kind, key, value }, add);
      } else {
        const value = pairs.get(rule.key);
        if (value !== undefined) apply(compiled, { kind, key: rule.key, value }, add);
      }
    }
  }
}

/** The whole text must match; "" is no pattern. */
function compile(pattern: string): RegExp | undefined {
  return pattern === "" ? undefined : new RegExp(`^(?:${pattern})$`, "u");
}

function apply(
  { rule, field, keyPattern, valuePattern }: CompiledRule,
  pair: { readonly kind: Kind; readonly key: string; readonly value: string },
  add: (name: string, value: string) => void,
): void {
  const { kind, key, value } = pair;
  if (key.length > TEXT_LIMIT || value.length > TEXT_LIMIT) return;
  const keyGroups = keyPattern === undefined ? [] : keyPattern.exec(key);
  const valueGroups = valuePattern === undefined ? [] : valuePattern.exec(value);
  if (keyGroups === null || valueGroups === null) return;
  const name = rule.attribute || `k8s.${kind.toLowerCase()}.${field.slice(0, -1)}.${key}`;
  const groups = valuePattern === undefined ? keyGroups : valueGroups;
  add(fill(name, keyGroups), rule.attribute_value === "" ? value : fill(rule.attribute_value, groups));
}

function fill(template: string, groups: readonly string[]): string {
  return template.replaceAll(/\$([1-9])/g, (_, digit: string) => groups[Number(digit)] ?? "");
}
