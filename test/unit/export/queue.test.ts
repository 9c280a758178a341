import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Chunk, ChunkQueue } from "../../../src/export/queue.ts";

function chunk(spans: number): Chunk {
  return { bytes: new Uint8Array(1), spans };
}

describe("ChunkQueue", () => {
  test("drops the oldest chunks until the new one fits", () => {
    const queue = new ChunkQueue(10);
    const [first, second, third] = [chunk(4), chunk(4), chunk(5)];
    expect(queue.push(first)).toBe(0);
    expect(queue.push(second)).toBe(0);
    expect(queue.push(third)).toBe(4);
    expect(queue.spans).toBe(9);
    expect(queue.shift()).toBe(second);
    expect(queue.shift()).toBe(third);
    expect(queue.shift()).toBeUndefined();
    expect(queue.spans).toBe(0);
  });

  test("is crowded beyond an eighth of its capacity", () => {
    const queue = new ChunkQueue(80);
    queue.push(chunk(10));
    expect(queue.isCrowded).toBe(false);
    queue.push(chunk(1));
    expect(queue.isCrowded).toBe(true);
    queue.shift();
    expect(queue.isCrowded).toBe(false);
  });

  test("keeps a chunk beyond its capacity alone", () => {
    const queue = new ChunkQueue(10);
    queue.push(chunk(3));
    expect(queue.push(chunk(11))).toBe(3);
    expect(queue.spans).toBe(11);
    expect(queue.push(chunk(1))).toBe(11);
  });

  test("takes a chunk back at its head, or not at all", () => {
    const queue = new ChunkQueue(10);
    const [first, second] = [chunk(4), chunk(6)];
    queue.push(first);
    queue.push(second);
    expect(queue.shift()).toBe(first);
    expect(queue.unshift(first)).toBe(0);
    expect(queue.shift()).toBe(first);
    queue.push(chunk(1));
    expect(queue.unshift(first)).toBe(4);
    expect(queue.shift()).toBe(second);
  });

  test("is bounded and crowded in bytes as in spans", () => {
    const queue = new ChunkQueue(1_000, 80);
    const sized = (size: number): Chunk => ({ bytes: new Uint8Array(size), spans: 1 });
    queue.push(sized(10));
    expect(queue.isCrowded).toBe(false);
    queue.push(sized(40));
    expect([queue.isCrowded, queue.bytes]).toEqual([true, 50]);
    expect(queue.push(sized(60))).toBe(2);
    expect(queue.unshift(sized(30))).toBe(1);
    expect([queue.spans, queue.bytes]).toEqual([1, 60]);
    expect(queue.push(sized(100))).toBe(1);
    expect([queue.spans, queue.bytes]).toEqual([1, 100]);
  });

  test("takes the oldest chunk that is due, and says when the next one is", () => {
    const queue = new ChunkQueue(100);
    expect(queue.nextDue).toBe(Number.POSITIVE_INFINITY);
    const [fresh, later] = [chunk(1), { ...chunk(2), dueAt: 50 }];
    queue.push(fresh);
    queue.unshift(later);
    queue.unshift({ ...chunk(3), dueAt: 70 });
    expect(queue.nextDue).toBe(0);
    expect(queue.take(10)).toBe(fresh);
    expect(queue.take(10)).toBeUndefined();
    expect([queue.nextDue, queue.spans]).toEqual([50, 5]);
    expect(queue.take(60)).toBe(later);
    expect(queue.take(60)).toBeUndefined();
    expect(queue.take(70)?.spans).toBe(3);
    expect([queue.spans, queue.bytes]).toEqual([0, 0]);
  });

  test("behaves as a list that is cut at its front, whatever the order of calls", () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant("push" as const), spans: fc.integer({ min: 1, max: 8 }) }),
      fc.record({ kind: fc.constant("shift" as const) }),
      fc.record({ kind: fc.constant("putBack" as const) }),
      fc.record({ kind: fc.constant("clear" as const), often: fc.constantFrom(0, 0, 0, 1) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const queue = new ChunkQueue(20);
        let model: Chunk[] = [];
        let taken: Chunk | undefined;
        const total = (): number => model.reduce((sum, { spans }) => sum + spans, 0);
        for (const step of operations) {
          if (step.kind === "push") {
            const next = chunk(step.spans);
            let lost = 0;
            while (total() + step.spans > 20) lost += model.shift()?.spans ?? 0;
            model.push(next);
            expect(queue.push(next)).toBe(lost);
          } else if (step.kind === "shift") {
            taken = model.shift();
            expect(queue.shift()).toBe(taken);
          } else if (step.kind === "putBack" && taken !== undefined) {
            const fits = total() + taken.spans <= 20;
            if (fits) model.unshift(taken);
            expect(queue.unshift(taken)).toBe(fits ? 0 : taken.spans);
            taken = undefined;
          } else if (step.kind === "clear" && step.often === 1) {
            expect(queue.clear()).toBe(total());
            model = [];
          }
          expect(queue.spans).toBe(total());
        }
      }),
    );
  });
});
