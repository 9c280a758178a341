import { expect, test } from "bun:test";
import fc from "fast-check";
import { KindStore } from "../../../src/kubernetes/kind-store.ts";
import type { ObjectEvent } from "../../../src/kubernetes/objects.ts";

const object = fc.record({ number: fc.nat(5), version: fc.nat(3) });
const step = fc.oneof(
  fc.record({ kind: fc.constant("list" as const), objects: fc.array(object), isWhole: fc.boolean() }),
  fc.record({ kind: fc.constant("change" as const), object }),
  fc.record({ kind: fc.constant("removal" as const), object }),
);

interface Numbered {
  readonly number: number;
  readonly version: number;
}

function jsonOf({ number, version }: Numbered): object {
  return { metadata: { uid: `u${number}`, name: `n${number}`, resourceVersion: `${version}` } };
}

/** What is there, by the events alone; one that cannot be is a mistake. */
function follow(known: Set<string>, event: ObjectEvent | undefined): void {
  if (event === undefined) return;
  const { uid } = event.object;
  expect(known.has(uid)).toBe(event.type !== "added");
  if (event.type === "deleted") known.delete(uid);
  else known.add(uid);
}

test("KindStore tells what lists and changes make of what was there, whatever list fails", () => {
  const property = fc.property(fc.array(step, { maxLength: 30, size: "max" }), (steps) => {
    const store = new KindStore("Namespace", { keepsAnnotation: () => false, isWanted: () => true });
    const told = new Set<string>();
    const versions = new Map<string, number>();
    const take = (each: Numbered): void => {
      const event = store.take(jsonOf(each));
      expect(event === undefined).toBe(versions.get(`u${each.number}`) === each.version);
      versions.set(`u${each.number}`, each.version);
      follow(told, event);
    };
    let isListing = false;
    for (const each of steps) {
      if (each.kind === "list") {
        store.beginList();
        for (const one of each.objects) take(one);
        isListing = !each.isWhole;
        if (isListing) continue;
        for (const event of store.endList()) follow(told, event);
        const listed = new Set(each.objects.map(({ number }) => `u${number}`));
        for (const uid of [...versions.keys()]) if (!listed.has(uid)) versions.delete(uid);
      } else if (!isListing && each.kind === "change") {
        take(each.object);
      } else if (!isListing && each.kind === "removal") {
        follow(told, store.remove(jsonOf(each.object)));
        versions.delete(`u${each.object.number}`);
      }
      expect(told).toEqual(new Set(versions.keys()));
      expect(store.size).toBe(told.size);
    }
  });
  fc.assert(property, { numRuns: 300 });
});
