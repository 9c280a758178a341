import { expect, test } from "bun:test";
import fc from "fast-check";
import { Directory } from "../../src/kubernetes/directory.ts";
import type { ObjectEvent } from "../../src/kubernetes/objects.ts";
import { holderOf, NOW, SECOND } from "../unit/kubernetes/cluster.ts";
import { type Happened, naiveHolder, naiveNamespaces } from "../unit/kubernetes/naive-directory.ts";
import { added, deleted } from "../unit/kubernetes/objects.ts";

const ADDRESSES = ["10.1.0.1", "10.1.0.2", "fd00::1"];
const OPTIONS = { graceMs: 60 * SECOND, keptMs: 90 * SECOND };

const addresses = fc.subarray(ADDRESSES);
const namespace = fc.constantFrom("shop", "back");

/** What happens: to whom, what it has then, and how long before that it began or ended. */
const step = fc.record({
  kind: fc.constantFrom("Pod" as const, "Pod" as const, "Pod" as const, "Service" as const, "Node" as const),
  number: fc.nat(3),
  namespace,
  addresses,
  isGone: fc.constantFrom(false, false, true),
  sinceMs: fc.constantFrom(0, 0, SECOND, 10 * SECOND, 100 * SECOND),
  endedMs: fc.option(fc.constantFrom(0, SECOND, 20 * SECOND, 200 * SECOND), { nil: undefined, freq: 3 }),
  waitMs: fc.constantFrom(0, 1, SECOND, 4 * SECOND, 20 * SECOND, 70 * SECOND),
});
const question = fc.record({
  address: fc.constantFrom(...ADDRESSES),
  port: fc.constantFrom(80, 81),
  agoMs: fc.constantFrom(0, 1, SECOND, 5 * SECOND, 30 * SECOND, 80 * SECOND, 300 * SECOND),
});

interface Life {
  readonly life: number;
  /** -Infinity: it is over. */
  readonly start: number;
  readonly namespace: string;
  readonly endTime: number | undefined;
}

/** Objects keep their namespace, beginning and end while they live; after that they come back as others. */
class Story {
  readonly history: Happened[] = [];
  readonly directory = new Directory(OPTIONS);
  now: number = NOW;
  readonly #lives: Map<string, Life> = new Map();

  take({ kind, number, sinceMs, endedMs, isGone, waitMs, ...fields }: StepOf<typeof step>): void {
    this.now += waitMs;
    const id = `${kind} ${number}`;
    const known = this.#lives.get(id);
    const isNew = known === undefined || known.start === Number.NEGATIVE_INFINITY;
    const life: Life = isNew
      ? {
          life: (known?.life ?? 0) + 1,
          start: this.now - sinceMs,
          namespace: kind === "Node" ? "" : fields.namespace,
          endTime: undefined,
        }
      : known;
    const metadata = { name: `${number}-${life.life}`, namespace: life.namespace };
    const ended = kind === "Pod" && endedMs !== undefined ? this.now - endedMs : undefined;
    const endTime = life.endTime ?? (ended && Math.max(life.start, ended));
    const object = { createdTime: life.start, ...metadata, uid: `${id} ${life.life}` };
    this.#lives.set(id, { ...life, endTime, start: isGone ? Number.NEGATIVE_INFINITY : life.start });
    this.#tell(
      isGone
        ? deleted(kind, { ...object, endTime })
        : this.#alive(kind, object, { ...fields, endTime, start: life.start }),
    );
  }

  #alive(
    kind: "Pod" | "Service" | "Node",
    object: { readonly name: string; readonly namespace: string; readonly uid: string },
    has: {
      readonly addresses: readonly string[];
      readonly endTime: number | undefined;
      readonly start: number;
    },
  ): ObjectEvent {
    switch (kind) {
      case "Pod":
        return added(kind, { ...object, podIPs: has.addresses, startTime: has.start, endTime: has.endTime });
      case "Service":
        return added(kind, { ...object, clusterIPs: has.addresses });
      case "Node":
        return added(kind, { ...object, addresses: has.addresses });
    }
  }

  #tell(event: ObjectEvent): void {
    this.history.push({ at: this.now, event });
    this.directory.apply(event, this.now);
  }
}

type StepOf<T> = T extends fc.Arbitrary<infer S> ? S : never;

test("Directory answers as if it were worked out anew from all that happened", () => {
  const answers = new Map<string, number>();
  const property = fc.property(
    fc.array(fc.tuple(step, fc.array(question, { maxLength: 4 })), {
      minLength: 1,
      maxLength: 30,
      size: "max",
    }),
    (steps) => {
      const story = new Story();
      for (const [each, questions] of steps) {
        story.take(each);
        const { directory, history, now } = story;
        expect(directory.namespaces).toBe(naiveNamespaces(history, now, OPTIONS.keptMs));
        for (const { address, port, agoMs } of questions) {
          const asked = { address, port, startMs: story.now - agoMs, now: story.now };
          const wanted = naiveHolder(story.history, asked, OPTIONS);
          expect(holderOf(story.directory, address, asked)).toBe(wanted);
          const form = wanted.replace(/ .*/, "");
          answers.set(form, (answers.get(form) ?? 0) + 1);
        }
      }
    },
  );
  fc.assert(property, { numRuns: 1500 });
  for (const form of ["Pod", "Node", "Service", "ended", "ambiguous", "unknown"]) {
    expect(answers.get(form)).toBeGreaterThan(20);
  }
}, 60_000);
