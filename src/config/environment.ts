// Environment variables → settings, each with the variable's name for the error message. The OTEL_ ones are as
// opentelemetry.io/docs/specs/otel/protocol/exporter and …/configuration/sdk-environment-variables have them.

import { isTable } from "../lib/setting.ts";

/** A setting from outside the file; `origin` is the variable's or the flag's name. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
  readonly origin: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the environment says. An endpoint there turns OTLP export on; the other OTLP variables change it only where it
 * is on (`table` or the environment has it). Empty variables count as unset.
 */
export function readEnvironment(
  environment: Environment,
  table: Record<string, unknown>,
): readonly Override[] {
  return [
    ...single(environment, ["MERMIN_LOG_LEVEL"], ["log_level"], (text) => text.toLowerCase()),
    ...readOtlp(environment, table),
    ...readResource(environment),
  ];
}

function readOtlp(environment: Environment, table: Record<string, unknown>): readonly Override[] {
  const at = (key: string): readonly string[] => ["export", "otlp", key];
  const endpoint = [
    ...single(environment, ["OTEL_EXPORTER_OTLP_ENDPOINT"], at("endpoint"), appendTracesPath),
    ...single(environment, ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], at("endpoint"), (text) => text),
  ].slice(-1);
  const isOn = endpoint.length > 0 || (isTable(table["export"]) && table["export"]["otlp"] !== undefined);
  if (!isOn) return [];
  const both = (name: string): readonly string[] => [
    `OTEL_EXPORTER_OTLP_TRACES_${name}`,
    `OTEL_EXPORTER_OTLP_${name}`,
  ];
  return [
    ...endpoint,
    ...single(environment, both("PROTOCOL"), at("protocol"), (text) =>
      text.replace("http/protobuf", "http_protobuf"),
    ),
    ...single(environment, both("TIMEOUT"), at("timeout"), (text) =>
      /^\d+$/.test(text) ? `${text}ms` : text,
    ),
    ...single(environment, both("COMPRESSION"), at("compression"), (text) => text),
    ...pairs(environment, both("HEADERS"), at("headers")),
  ];
}

function readResource(environment: Environment): readonly Override[] {
  const path = ["export", "resource_attributes"];
  return [
    ...pairs(environment, ["OTEL_RESOURCE_ATTRIBUTES"], path),
    ...single(environment, ["OTEL_SERVICE_NAME"], [...path, "service.name"], (text) => text),
  ];
}

/** The first of `names` that is set. */
function single(
  environment: Environment,
  names: readonly string[],
  path: readonly string[],
  read: (text: string) => string,
): readonly Override[] {
  for (const origin of names) {
    const text = environment[origin]?.trim() ?? "";
    if (text !== "") return [{ path, value: read(text), origin }];
  }
  return [];
}

/** `name=value,name=value`, percent-encoded as W3C Baggage; each pair is a setting of its own. */
function pairs(
  environment: Environment,
  names: readonly string[],
  path: readonly string[],
): readonly Override[] {
  return single(environment, names, path, (text) => text).flatMap(({ value, origin }) =>
    String(value)
      .split(",")
      .map((pair) => pair.trim())
      .filter((pair) => pair !== "")
      .map((pair): Override => {
        const equals = pair.indexOf("=");
        if (equals < 1) return { path, value: pair, origin };
        const name = pair.slice(0, equals).trim();
        return { path: [...path, name], value: decodePercent(pair.slice(equals + 1).trim()), origin };
      }),
  );
}

/** OTEL_EXPORTER_OTLP_ENDPOINT is a base for all signals: the path of traces is relative to it. */
function appendTracesPath(base: string): string {
  return `${base.replace(/\/+$/, "")}/v1/traces`;
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
