import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../../src/config/load.ts";

const folder = mkdtempSync(join(tmpdir(), "mermin-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(content: string | Uint8Array): string {
  const path = join(folder, "mermin.toml");
  writeFileSync(path, content);
  return path;
}

describe("a config file", () => {
  test.each([
    ["/dev/zero", "it is larger than 4 MiB"],
    ["/tmp", "it is a folder"],
    ["/nowhere/mermin.toml", "no such file"],
  ])("that is %s is refused", (path, reason) => {
    expect(() => loadConfig({ path }, {})).toThrow(`Cannot read config "${path}": ${reason}`);
  });

  test("that is no UTF-8 is refused, not read with other letters", () => {
    const path = write(new Uint8Array([...new TextEncoder().encode('log_level = "inf'), 0xf6, 0x22]));
    expect(() => loadConfig({ path }, {})).toThrow("it is not UTF-8 text");
  });

  test("may have a byte order mark and Windows' line ends", () => {
    expect(loadConfig({ path: write('\ufefflog_level = "warn"\r\n[flow]\r\n') }, {}).log_level).toBe("warn");
  });

  test.each([
    ["log_level = debug", '"debug"'],
    ["log_level = info # more", '"info"'],
    ["shutdown_timeout = 30s", '"30s"'],
    ["[export.otlp]\nendpoint = http://localhost:4318", '"http://localhost:4318"'],
  ])("is told of quotes that it lacks: %s", (toml, quoted) => {
    expect(() => loadConfig({ path: write(toml) }, {})).toThrow(`; a text stands in quotes: ${quoted}`);
  });

  test("is not told of quotes where something else is wrong", () => {
    const path = write('log_level = "debug\n');
    expect(() => loadConfig({ path }, {})).toThrow(/^.*:1:\d+: not TOML: (?!.*quotes:).*$/);
  });
});

test("of a key that stands at several places none is proposed", () => {
  expect(() => loadConfig({ path: write("[export.stdout]\nenabled = true") }, {})).toThrow(
    "export.stdout.enabled is not a setting; known here: format",
  );
});
