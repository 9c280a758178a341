// Label selectors: whether labels fit one, and which of many selectors fit some labels without trying them all.

import type { LabelSelector } from "./object.ts";

/** A selector whose labels are a list: walked without an iterator (bench/kubernetes.ts). */
export interface CompiledSelector {
  readonly labels: readonly (readonly [key: string, value: string])[];
  readonly expressions: LabelSelector["matchExpressions"];
}

export function compileSelector({ matchLabels, matchExpressions }: LabelSelector): CompiledSelector {
  return { labels: [...matchLabels], expressions: matchExpressions };
}

/** Whether `labels` fit all that `selector` asks; one that asks nothing fits everything. */
export function matchesLabels(selector: LabelSelector, labels: ReadonlyMap<string, string>): boolean {
  return matchesCompiled(compileSelector(selector), labels);
}

/** As {@link matchesLabels}. */
export function matchesCompiled(selector: CompiledSelector, labels: ReadonlyMap<string, string>): boolean {
  const { labels: asked, expressions } = selector;
  for (let i = 0; i < asked.length; i++) {
    const [key, value] = asked[i] as readonly [string, string];
    if (labels.get(key) !== value) return false;
  }
  for (let i = 0; i < expressions.length; i++) {
    const { key, operator, values } = expressions[i] as CompiledSelector["expressions"][number];
    const value = labels.get(key);
    switch (operator) {
      case "In":
        if (value === undefined || !values.includes(value)) return false;
        break;
      case "NotIn":
        if (value !== undefined && values.includes(value)) return false;
        break;
      case "Exists":
        if (value === undefined) return false;
        break;
      case "DoesNotExist":
        if (value !== undefined) return false;
        break;
      default:
        operator satisfies never;
        return false;
    }
  }
  return true;
}

/** What a selector stands for, in the namespace whose objects it selects. */
export interface Selecting {
  readonly selector: LabelSelector;
}

/**
 * Selectors of one namespace. Each is kept under one label that it demands, so that labels meet few others than those
 * that fit; the ones that demand none are tried for all.
 */
export class SelectorIndex<T extends Selecting> {
  readonly #byLabel: Map<string, T[]> = new Map();

  add(selecting: T): void {
    const anchor = anchorOf(selecting.selector);
    const others = this.#byLabel.get(anchor);
    if (others === undefined) this.#byLabel.set(anchor, [selecting]);
    else others.push(selecting);
  }

  delete(selecting: T): void {
    const anchor = anchorOf(selecting.selector);
    const others = this.#byLabel.get(anchor);
    const at = others?.indexOf(selecting) ?? -1;
    if (others === undefined || at < 0) return;
    if (others.length === 1) this.#byLabel.delete(anchor);
    else others.splice(at, 1);
  }

  /** Those whose selector fits `labels`, in no order. */
  find(labels: ReadonlyMap<string, string>): readonly T[] {
    const found: T[] = [];
    this.#collect("", labels, found);
    for (const [key, value] of labels) this.#collect(anchorText(key, value), labels, found);
    return found;
  }

  #collect(anchor: string, labels: ReadonlyMap<string, string>, found: T[]): void {
    for (const selecting of this.#byLabel.get(anchor) ?? []) {
      if (matchesLabels(selecting.selector, labels)) found.push(selecting);
    }
  }
}

/** A label that all objects of the selector have; "" where it demands none with one value. */
function anchorOf({ matchLabels, matchExpressions }: LabelSelector): string {
  for (const [key, value] of matchLabels) return anchorText(key, value);
  for (const { key, operator, values } of matchExpressions) {
    if (operator === "In" && values.length === 1) return anchorText(key, values[0] as string);
  }
  return "";
}

function anchorText(key: string, value: string): string {
  return `${key}=${value}`;
}
