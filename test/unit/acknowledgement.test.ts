import { describe, expect, test } from "bun:test";
import { Acknowledgement } from "../../src/acknowledgement.ts";

describe("Acknowledgement", () => {
  test("tells a batch once all of its spans are acknowledged, and only news", () => {
    let spans = 0;
    const told: number[] = [];
    using acknowledgement = new Acknowledgement(
      () => spans,
      (batches) => told.push(batches),
    );
    for (const count of [10, 1, 0, 5]) acknowledgement.accept(count);
    const look = (acknowledged: number): readonly number[] => {
      spans = acknowledged;
      acknowledgement.look();
      return [...told];
    };
    expect(look(9)).toEqual([]);
    expect(look(10)).toEqual([1]);
    expect(look(10)).toEqual([1]);
    expect(look(15)).toEqual([1, 3]);
    expect(look(16)).toEqual([1, 3, 4]);
  });
});
