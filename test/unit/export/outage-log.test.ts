import { afterAll, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { OutageLog } from "../../../src/export/outage-log.ts";
import { RefusalLog } from "../../../src/export/refusal-log.ts";
import { createLogger } from "../../../src/lib/log.ts";

let now = 0;
let lines: string[] = [];
const clock = spyOn(performance, "now");
const log = createLogger({
  level: "info",
  format: "text",
  write: (line) => void lines.push(line.trim().split(/\s+/).slice(2).join(" ")),
});

beforeEach(() => {
  [now, lines] = [1000, []];
  clock.mockImplementation(() => now);
});
afterAll(() => {
  clock.mockRestore();
});

describe("OutageLog", () => {
  test("tells an outage once, and its end", () => {
    const outages = new OutageLog(log, {});
    for (let i = 0; i < 3; i++) outages.fail(new Error("refused"));
    outages.end();
    outages.end();
    expect(lines).toEqual(["cannot export error=refused", "exporting again"]);
  });

  test("tells an outage that began soon after another one when it lasts, and what else it comes from", () => {
    const outages = new OutageLog(log, {});
    outages.fail(new Error("refused"));
    outages.end();
    now += 1000;
    outages.fail(new Error("refused"));
    expect(lines).toHaveLength(2);
    now += 60_000;
    outages.fail(new Error("refused"));
    now += 60_000;
    outages.fail(new Error("refused"));
    outages.fail(new Error("timeout"));
    expect(lines.slice(2)).toEqual(["cannot export error=refused", "cannot export error=timeout"]);
  });
});

describe("RefusalLog", () => {
  test("tells each sort once a minute, with all that was refused since", () => {
    const refusals = new RefusalLog(log, { exporter: "otlp" });
    for (let i = 0; i < 4; i++) refusals.warn("refused", 10, "no");
    refusals.warn("too large", 1, "413");
    now += 60_000;
    refusals.warn("refused", 10, "no");
    expect(lines).toEqual([
      "refused exporter=otlp spans=10 error=no",
      "too large exporter=otlp spans=1 error=413",
      "refused exporter=otlp spans=40 error=no",
    ]);
  });
});
