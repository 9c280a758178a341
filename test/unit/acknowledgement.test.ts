import { describe, expect, test } from "bun:test";
import { Acknowledgement } from "../../src/acknowledgement.ts";

/** An acknowledgement of two exporters that accepted four batches, and what it told after each look. */
function watch() {
  const exporters = [{ acknowledged: 0 }, { acknowledged: 0 }];
  const told: number[] = [];
  const acknowledgement = new Acknowledgement(exporters, (batches) => told.push(batches));
  for (const count of [10, 1, 0, 5]) acknowledgement.accept(count);
  return {
    look: (...spans: readonly [number, number]): readonly number[] => {
      for (const [index, each] of exporters.entries()) each.acknowledged = spans[index] ?? 0;
      acknowledgement.look();
      return [...told];
    },
    [Symbol.dispose]: () => acknowledgement[Symbol.dispose](),
  };
}

describe("Acknowledgement", () => {
  test("tells a batch once all of its spans are acknowledged, and only news", () => {
    using watched = watch();
    expect(watched.look(9, 9)).toEqual([]);
    expect(watched.look(10, 10)).toEqual([1]);
    expect(watched.look(10, 10)).toEqual([1]);
    expect(watched.look(15, 15)).toEqual([1, 3]);
    expect(watched.look(16, 16)).toEqual([1, 3, 4]);
  });

  test("goes by the slower exporter, whichever it is", () => {
    using watched = watch();
    expect(watched.look(16, 0)).toEqual([]);
    expect(watched.look(16, 10)).toEqual([1]);
    expect(watched.look(10, 16)).toEqual([1]);
    expect(watched.look(15, 11)).toEqual([1, 3]);
    expect(watched.look(16, 16)).toEqual([1, 3, 4]);
  });

  test("tells at once what nobody waits for", () => {
    const told: number[] = [];
    using acknowledgement = new Acknowledgement([], (batches) => told.push(batches));
    acknowledgement.accept(3);
    acknowledgement.look();
    expect(told).toEqual([1]);
  });
});
