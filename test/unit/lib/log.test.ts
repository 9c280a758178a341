import { describe, expect, test } from "bun:test";
import { createLogger, LOG_LEVELS, type LogLevel } from "../../../src/lib/log.ts";

function capture(level: LogLevel, format: "text" | "json") {
  const lines: string[] = [];
  const now = (): Date => new Date(Date.UTC(2024, 0, 2, 3, 4, 5, 67));
  return { lines, logger: createLogger({ level, format, write: (line) => lines.push(line), now }) };
}

describe("createLogger", () => {
  test("writes time, level, message and fields as text", () => {
    const { lines, logger } = capture("info", "text");
    logger.info("attached", { interface: "eth0", mode: "tcx", slaves: 2, up: true, peer: undefined });
    expect(lines).toEqual([
      "2024-01-02T03:04:05.067Z INFO  attached interface=eth0 mode=tcx slaves=2 up=true\n",
    ]);
  });

  test("quotes values that would be ambiguous, and keeps a line a line", () => {
    const { lines, logger } = capture("info", "text");
    logger.warn("two\nlines", { reason: 'said "no"', empty: "", equation: "a=b", tab: "a\tb" });
    expect(lines[0]).toEndWith(
      'WARN  two\\nlines reason="said \\"no\\"" empty="" equation="a=b" tab="a\\tb"\n',
    );
    expect(lines[0]?.match(/\n/g)).toHaveLength(1);
  });

  test("writes one JSON object a line, whose own keys no field replaces", () => {
    const { lines, logger } = capture("info", "json");
    logger.error("lost", { level: "mine", count: 3, absent: undefined });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      time: "2024-01-02T03:04:05.067Z",
      level: "error",
      message: "lost",
      count: 3,
    });
  });

  test.each(LOG_LEVELS.map((level, index) => [level, index + 1] as const))(
    "at %s writes %d levels",
    (level, written) => {
      const { lines, logger } = capture(level, "text");
      for (const each of LOG_LEVELS) logger[each](each);
      expect(lines).toHaveLength(written);
      expect(LOG_LEVELS.filter(logger.isEnabled)).toHaveLength(written);
    },
  );

  test("writes to standard error and nowhere else by default", async () => {
    const script = `import { createLogger } from ${JSON.stringify(import.meta.resolve("../../../src/lib/log.ts"))};
      createLogger({ level: "info", format: "text" }).info("here");`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "pipe" });
    const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    expect(await child.exited).toBe(0);
    expect(out).toBe("");
    expect(error).toMatch(/^\S+Z INFO {2}here\n$/);
  });
});
