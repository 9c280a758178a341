// What [export.otlp] tables mean together: their names, their default endpoints, and what cannot work.

import type { OtlpConfig } from "./otlp-config.ts";
import type { Signal } from "./request-encoder.ts";

/** A combination of settings that cannot work; `key` is below `export.otlp`. */
export interface OtlpContradiction {
  /** Of the table in its list. */
  readonly index: number;
  readonly key: readonly string[];
  /** "must …" */
  readonly message: string;
}

/** The configs with the names and endpoints that they have by default. */
export function completeOtlp(configs: readonly OtlpConfig[]): readonly OtlpConfig[] {
  return configs.map((config, index) => ({
    ...config,
    name: config.name || (index === 0 ? "otlp" : `otlp-${index + 1}`),
    endpoint: config.endpoint || `http://localhost:${config.protocol === "grpc" ? 4317 : 4318}`,
  }));
}

/** What metrics and logs call the exporter of a signal: the config's name, with the signal where that is not traces. */
export function exporterName({ name }: Pick<OtlpConfig, "name">, signal: Signal): string {
  return signal === "traces" ? name : `${name}-${signal}`;
}

/** Empty where all fits together. @param taken names of other exporters */
export function findOtlpContradictions(
  configs: readonly OtlpConfig[],
  taken: readonly string[],
): readonly OtlpContradiction[] {
  const names = new Set(taken);
  return configs.flatMap((config, index) => {
    const found = [...contradictionsOf(config)];
    const own = [config.name, ...config.signals.map((signal) => exporterName(config, signal))];
    const repeated = own.find((name) => names.has(name));
    if (repeated !== undefined) {
      found.push([["name"], `must differ from other exporters': "${repeated}" is one already`]);
    }
    for (const name of own) names.add(name);
    return found.map(([key, message]) => ({ index, key, message }));
  });
}

function* contradictionsOf(config: OtlpConfig): Generator<[key: readonly string[], message: string]> {
  const { auth, tls, headers, max_queue_size, max_batch_size, retry } = config;
  yield* headerContradictions(config);
  if (max_queue_size < max_batch_size) yield [["max_queue_size"], "must be at least max_batch_size"];
  if (retry.maximum < retry.initial) yield [["retry", "maximum"], "must be at least initial"];
  if (config.signals.length === 0) yield [["signals"], "must have a signal"];
  const isBasic = auth.basic.username !== "";
  if (!isBasic && auth.basic.password !== "")
    yield [["auth", "basic"], "must have a username beside its password"];
  const ways = [
    isBasic ? "auth.basic" : "",
    auth.bearer.token !== "" ? "auth.bearer" : "",
    Object.keys(headers).some((name) => name.toLowerCase() === "authorization")
      ? "headers.authorization"
      : "",
    endpoints(config).some(({ username }) => username !== "") ? "the endpoint's user name" : "",
  ].filter((way) => way !== "");
  if (ways.length > 1) yield [["auth"], `must be one way to authenticate, not ${ways.join(" and ")}`];
  if ((tls.client_cert === "") !== (tls.client_key === "")) {
    const missing = tls.client_cert === "" ? "client_cert" : "client_key";
    yield [["tls"], `must have ${missing} too: a client shows a certificate and has its key`];
  }
  const isTlsSet = Object.values(tls).some((value) => value !== "" && value !== false);
  if (isTlsSet && endpoints(config).every(({ protocol }) => protocol === "http:")) {
    yield [["tls"], "must go with an https endpoint: over http nothing is encrypted"];
  }
}

/** Of values that are written down; those of files are looked at when they are sent. */
function* headerContradictions({
  protocol,
  headers,
  auth,
}: OtlpConfig): Generator<[key: readonly string[], message: string]> {
  const isGrpc = protocol === "grpc";
  const allowed = isGrpc ? /^[\x20-\x7e]*$/ : /^[\t\x20-\x7e\x80-\xff]*$/;
  const message = `must have no character that ${isGrpc ? "gRPC's headers" : "headers"} cannot have, such as a newline`;
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === "string" && !allowed.test(value)) yield [["headers", name], message];
    if (isGrpc && !/^[0-9A-Za-z_.-]+$/.test(name)) {
      yield [["headers", name], "must have a name of letters, digits, `_`, `.` and `-`, as gRPC has it"];
    }
  }
  const { token } = auth.bearer;
  if (typeof token === "string" && !allowed.test(token)) yield [["auth", "bearer", "token"], message];
}

function endpoints({ endpoint, traces_endpoint }: OtlpConfig): readonly URL[] {
  return [traces_endpoint, endpoint].filter((text) => text !== "").map((text) => new URL(text));
}
