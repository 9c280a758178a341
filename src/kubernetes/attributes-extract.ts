// Extraction rules: which labels and annotations become attributes, under which name, with which value.

import type { KubernetesObject } from "./object.ts";
import type { Kind } from "./objects.ts";

/** One of `kubernetes.extract`, its patterns still text. */
export interface ExtractRule {
  readonly from: Kind;
  readonly field: "label" | "annotation";
  /** Exactly one of `key` and `keyRegex` is given; a pattern must match the whole key. */
  readonly key: string | undefined;
  readonly keyRegex: string | undefined;
  /** Must match the whole value; all values where it is not given. */
  readonly valueRegex: string | undefined;
  /** Default `k8s.<kind>.<field>.<key>`; `$1` to `$9` stand for the key pattern's groups. */
  readonly attribute: string | undefined;
  /** Default the value; `$1` to `$9` stand for the value pattern's groups. */
  readonly attributeValue: string | undefined;
}

/** Longest pattern that is accepted, in characters. */
export const PATTERN_LIMIT = 256;

/** Longest text a pattern is tried on: what is longer is not told. Labels have at most 63 characters. */
const TEXT_LIMIT = 1024;

interface CompiledRule {
  readonly rule: ExtractRule;
  readonly keyPattern: RegExp | undefined;
  readonly valuePattern: RegExp | undefined;
}

/** All rules of a configuration, by the kind they read. */
export class Extractor {
  readonly #rules: Map<Kind, CompiledRule[]> = new Map();

  /** @throws RangeError for a pattern that is too long, SyntaxError for one that is none */
  constructor(rules: readonly ExtractRule[]) {
    for (const rule of rules) {
      const compiled = {
        rule,
        keyPattern: compile(rule.keyRegex),
        valuePattern: compile(rule.valueRegex),
      };
      this.#rules.set(rule.from, [...(this.#rules.get(rule.from) ?? []), compiled]);
    }
  }

  /** Tells `add` each attribute that the rules make of an object. */
  extract(kind: Kind, object: KubernetesObject, add: (name: string, value: string) => void): void {
    for (const compiled of this.#rules.get(kind) ?? []) {
      const { rule, keyPattern } = compiled;
      const pairs = rule.field === "label" ? object.labels : object.annotations;
      if (keyPattern !== undefined) {
        for (const [key, value] of pairs) apply(compiled, { kind, key, value }, add);
      } else if (rule.key !== undefined) {
        const value = pairs.get(rule.key);
        if (value !== undefined) apply(compiled, { kind, key: rule.key, value }, add);
      }
    }
  }
}

function compile(pattern: string | undefined): RegExp | undefined {
  if (pattern === undefined) return undefined;
  if (pattern.length <= PATTERN_LIMIT) return new RegExp(`^(?:${pattern})$`, "u");
  throw new RangeError(`Cannot use a pattern of ${pattern.length} characters: at most ${PATTERN_LIMIT}`);
}

function apply(
  { rule, keyPattern, valuePattern }: CompiledRule,
  pair: { readonly kind: Kind; readonly key: string; readonly value: string },
  add: (name: string, value: string) => void,
): void {
  const { kind, key, value } = pair;
  if (key.length > TEXT_LIMIT || value.length > TEXT_LIMIT) return;
  const keyGroups = keyPattern === undefined ? [] : keyPattern.exec(key);
  const valueGroups = valuePattern === undefined ? [] : valuePattern.exec(value);
  if (keyGroups === null || valueGroups === null) return;
  const name = rule.attribute ?? `k8s.${kind.toLowerCase()}.${rule.field}.${key}`;
  add(
    fill(name, keyGroups),
    rule.attributeValue === undefined ? value : fill(rule.attributeValue, valueGroups),
  );
}

function fill(template: string, groups: readonly string[]): string {
  return template.replaceAll(/\$([1-9])/g, (_, digit: string) => groups[Number(digit)] ?? "");
}
