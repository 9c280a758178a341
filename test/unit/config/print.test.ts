import { expect, test } from "bun:test";
import { parse } from "smol-toml";
import { checkCommand } from "../../../src/check.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { printConfig } from "../../../src/config/print.ts";
import { defaultConfig } from "../../../src/config/schema.ts";
import { describeConfig } from "../../../src/config/settings.ts";
import { validateConfig } from "../../../src/config/validate.ts";

const SECRET = "Bearer hunter2";

function configWithOtlp() {
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://x:1",
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=${SECRET}`,
  };
  return loadConfig({ interfaces: ["en*"] }, environment);
}

test("printConfig prints a file that gives the same config", () => {
  const validation = validateConfig(parse(printConfig(defaultConfig())), describeConfig());
  expect(validation).toEqual({ status: "valid", config: defaultConfig() });
});

test("printConfig hides secrets and keeps everything else", () => {
  const config = configWithOtlp();
  const text = printConfig(config);
  expect(text).not.toContain("hunter2");
  expect(config.export.otlp[0]?.headers).toEqual({ authorization: SECRET });
  const validation = validateConfig(parse(text), describeConfig());
  const [otlp] = config.export.otlp;
  if (otlp === undefined) throw new Error("the environment has an endpoint");
  const hidden = { ...otlp, headers: { authorization: "********" } };
  expect(validation).toEqual({
    status: "valid",
    config: { ...config, export: { ...config.export, otlp: [hidden] } },
  });
});

test("printConfig hides the password of an endpoint", () => {
  const config = loadConfig({}, { OTEL_EXPORTER_OTLP_ENDPOINT: "https://me:hunter2@x:1/" });
  expect(parse(printConfig(config))).toMatchObject({
    export: { otlp: [{ endpoint: "https://********@x:1/" }] },
  });
});

function runCheck(logLevel: string | undefined) {
  const written = { out: "", error: "" };
  const output = {
    standardOutput: (text: string) => {
      written.out += text;
    },
    standardError: (text: string) => {
      written.error += text;
    },
  };
  const code = checkCommand({ path: undefined, logLevel, interfaces: [] }, output);
  return { code, ...written };
}

test("checkCommand prints the effective config and returns 0", () => {
  const { code, out, error } = runCheck("debug");
  expect([code, error]).toEqual([0, ""]);
  expect(parse(out)).toMatchObject({ log_level: "debug" });
});

test("checkCommand prints the errors to standard error and returns 2", () => {
  expect(runCheck("loud")).toEqual({
    code: 2,
    out: "",
    error: '--log-level: log_level "loud" must be one of "error", "warn", "info", "debug"\n',
  });
});
