import { expect, test } from "bun:test";
import { Patience, type Waited } from "../../src/patience.ts";

interface FakeExporter extends Waited {
  hasRoom: boolean;
  waits: number;
}

/** @param becomesFree whether a wait for it ends with room */
function fake(becomesFree: boolean): FakeExporter {
  const exporter: FakeExporter = {
    hasRoom: true,
    waits: 0,
    room: async () => {
      exporter.waits++;
      exporter.hasRoom = becomesFree;
    },
  };
  return exporter;
}

test("Patience waits for an exporter that gets free, each time", async () => {
  const [first, second] = [fake(true), fake(true)];
  const patience = new Patience([first, second]);
  for (let i = 0; i < 3; i++) {
    second.hasRoom = false;
    await patience.wait();
  }
  expect([first.waits, second.waits]).toEqual([0, 3]);
});

test("Patience waits once for one that stays crowded beside others, and again when it had room", async () => {
  const [first, slow] = [fake(true), fake(false)];
  const patience = new Patience([first, slow]);
  slow.hasRoom = false;
  for (let i = 0; i < 5; i++) await patience.wait();
  expect(slow.waits).toBe(1);
  slow.hasRoom = true;
  await patience.wait();
  slow.hasRoom = false;
  for (let i = 0; i < 5; i++) await patience.wait();
  expect(slow.waits).toBe(2);
});

test("Patience waits each time for one that is alone", async () => {
  const alone = fake(false);
  const patience = new Patience([alone]);
  alone.hasRoom = false;
  for (let i = 0; i < 5; i++) await patience.wait();
  expect(alone.waits).toBe(5);
});
