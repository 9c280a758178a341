// An [export.otlp] as it is once loaded, with what a test wants of it.

import { parse } from "valibot";
import { type OtlpConfig, otlpSection } from "../../src/export/otlp-config.ts";
import { completeOtlp } from "../../src/export/otlp-rules.ts";

/** @param written the table as TOML has it */
export function otlpConfig(written: Readonly<Record<string, unknown>>): OtlpConfig {
  const [config] = completeOtlp([parse(otlpSection, written)]);
  if (config === undefined) throw new Error("one config is one config");
  return config;
}
