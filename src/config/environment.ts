// Environment variables → settings, each with the variable's name for the error message. The OTEL_ ones are as
// opentelemetry.io/docs/specs/otel/protocol/exporter and …/configuration/sdk-environment-variables have them.

import { resolve } from "node:path";
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
 * is on (`table` or the environment has it), and of several endpoints the first. Empty variables count as unset.
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
  const section = isTable(table["export"]) ? table["export"]["otlp"] : undefined;
  const place = Array.isArray(section) ? ["0"] : [];
  const at = (...keys: readonly string[]): readonly string[] => ["export", "otlp", ...place, ...keys];
  const protocol = single(environment, both("PROTOCOL"), at("protocol"), (text) =>
    text.replace(/^http\//, "http_"),
  );
  const first: unknown = Array.isArray(section) ? section[0] : section;
  const written = isTable(first) ? first["protocol"] : undefined;
  const isGrpc = (protocol[0]?.value ?? written) === "grpc";
  const readEndpoint = (text: string): string => (isGrpc ? addScheme(text, environment) : text);
  const endpoints = [
    ...single(environment, ["OTEL_EXPORTER_OTLP_ENDPOINT"], at("endpoint"), readEndpoint),
    ...single(environment, ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], at("traces_endpoint"), readEndpoint),
  ];
  const isOn = endpoints.length > 0 || isTable(section) || (Array.isArray(section) && section.length > 0);
  if (!isOn) return [];
  const path = (text: string): string => resolve(text);
  return [
    ...endpoints,
    ...protocol,
    ...single(environment, both("TIMEOUT"), at("timeout"), (text) =>
      /^\d+$/.test(text) ? `${text}ms` : text,
    ),
    ...single(environment, both("COMPRESSION"), at("compression"), (text) => text),
    ...single(environment, both("CERTIFICATE"), at("tls", "ca_cert"), path),
    ...single(environment, both("CLIENT_CERTIFICATE"), at("tls", "client_cert"), path),
    ...single(environment, both("CLIENT_KEY"), at("tls", "client_key"), path),
    ...pairs(environment, both("HEADERS"), at("headers")),
  ];
}

/** A variable for traces, and the one for all signals behind it. */
function both(name: string): readonly string[] {
  return [`OTEL_EXPORTER_OTLP_TRACES_${name}`, `OTEL_EXPORTER_OTLP_${name}`];
}

/** An endpoint of gRPC may be without a scheme: whether it is TLS is then in a variable of its own. */
function addScheme(text: string, environment: Environment): string {
  if (text.includes("://")) return text;
  const [insecure] = single(environment, both("INSECURE"), [], (value) => value.toLowerCase());
  return `${insecure?.value === "true" ? "http" : "https"}://${text}`;
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

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
