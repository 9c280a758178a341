// The real OpenTelemetry Collector as the other end of a test: started with the receivers that the test asks for, and
// writing all it takes to a file before it answers. It can be killed, started again, held and let go.

import { describe } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DecodedRequest, type DecodedSpan, decodeRequest } from "../collector/decode.ts";
import type { Certificate } from "./certificates.ts";
import { freePort } from "./free-port.ts";
import type { Namespace } from "./namespace.ts";
import { TestProcess } from "./namespace-process.ts";

export interface CollectorOptions {
  /** Where it listens, on loopback; default the network of the test. */
  readonly namespace?: Namespace;
  /** Its certificate. */
  readonly tls?: Certificate;
  /** Authority of the certificates that clients must show. */
  readonly clientAuthority?: string;
  readonly basic?: { readonly username: string; readonly password: string };
  readonly bearer?: string;
  /** Largest request, in MiB. */
  readonly mostMebibytes?: number;
}

const SIGNALS = ["traces", "logs", "metrics"] as const;
type Signal = (typeof SIGNALS)[number];

/** Where `make` links it; not there where it could not be built. */
export const COLLECTOR_BINARY: string = new URL("../../build/otelcol", import.meta.url).pathname;
const FOLDERS = "/dev/shm";
const PREFIX = "mermin-collector-";
/** Written without a buffer only where files rotate; larger than any test. */
const ROTATION = { max_megabytes: 4096, max_backups: 1 };

/** `describe` for tests that need the Collector: skipped, with the reason, where it could not be built. */
export const describeWithCollector: typeof describe | typeof describe.skip = existsSync(COLLECTOR_BINARY)
  ? describe
  : skipWithReason();

function skipWithReason(): typeof describe.skip {
  const reason = existsSync(`${COLLECTOR_BINARY}.missing`)
    ? readFileSync(`${COLLECTOR_BINARY}.missing`, "utf8").trim()
    : "not built";
  console.warn(`skipped: no OpenTelemetry Collector: ${reason}; \`make build/.tools-collector\` builds it`);
  return describe.skip;
}

/** A collector that runs or has run. */
export class OtelCollector implements AsyncDisposable {
  readonly #folder: string;
  readonly #options: CollectorOptions;
  readonly #ports = { http: freePort(), grpc: freePort() };
  #process: TestProcess | undefined;
  #starts = 0;
  /** Starts that were ended by SIGKILL, whose last message may be cut short. */
  readonly #torn = new Set<number>();

  constructor(options: CollectorOptions = {}) {
    this.#options = options;
    removeForgotten();
    this.#folder = mkdtempSync(`${FOLDERS}/${PREFIX}${process.pid}-`);
  }

  /** For `endpoint` of an exporter. */
  get http(): string {
    return this.#endpoint(this.#ports.http);
  }

  get grpc(): string {
    return this.#endpoint(this.#ports.grpc);
  }

  get ports(): { readonly http: number; readonly grpc: number } {
    return this.#ports;
  }

  /** What it wrote to its log since it was started last. */
  get log(): string {
    return this.#process?.errors ?? "";
  }

  /** Starts it, for the first time or again, and waits until it listens. */
  async start(): Promise<this> {
    const config = join(this.#folder, `config-${++this.#starts}.yaml`);
    // JSON is YAML.
    writeFileSync(config, JSON.stringify(this.#config(), undefined, 2));
    const command = [COLLECTOR_BINARY, "--config", config];
    const { namespace } = this.#options;
    // A test run that is killed takes its collectors with it, as a namespace's end does.
    this.#process =
      namespace === undefined
        ? new TestProcess(["setpriv", "--pdeathsig", "KILL", ...command])
        : namespace.start(command);
    await this.#process.until(({ errors }) => errors.includes("Everything is ready"));
    return this;
  }

  /** Ends it without a chance to finish anything. */
  async kill(): Promise<void> {
    this.#torn.add(this.#starts);
    await this.#process?.[Symbol.asyncDispose]();
  }

  /** Has it stand still: the kernel goes on taking connections and bytes for it. */
  hold(): void {
    this.#process?.signal("SIGSTOP");
  }

  release(): void {
    this.#process?.signal("SIGCONT");
  }

  /** What it took of a signal in all its runs, in the order in which it wrote it: a request's bytes each. */
  taken(signal: Signal): readonly Uint8Array[] {
    const taken: Uint8Array[] = [];
    for (let run = 1; run <= this.#starts; run++) {
      const path = this.#fileOf(run, signal);
      if (existsSync(path)) taken.push(...messagesOf(readFileSync(path), this.#torn.has(run)));
    }
    return taken;
  }

  requests(): readonly DecodedRequest[] {
    return this.taken("traces").map(decodeRequest);
  }

  spans(): readonly DecodedSpan[] {
    return this.requests().flatMap(({ spans }) => spans);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #endpoint(port: number): string {
    return `${this.#options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  }

  /** A file a run: what a killed one left half-written is not written on. */
  #fileOf(run: number, signal: Signal): string {
    return join(this.#folder, `${signal}-${run}`);
  }

  #writer(signal: Signal): object {
    return { path: this.#fileOf(this.#starts, signal), format: "proto", rotation: ROTATION };
  }

  #config(): object {
    const { tls, clientAuthority, basic, bearer, mostMebibytes } = this.#options;
    const receiver = (port: number): object => ({
      endpoint: `127.0.0.1:${port}`,
      ...(tls === undefined
        ? {}
        : {
            tls: {
              cert_file: tls.cert,
              key_file: tls.key,
              reload_interval: "100ms",
              ...(clientAuthority === undefined ? {} : { client_ca_file: clientAuthority }),
            },
          }),
      ...(basic === undefined ? {} : { auth: { authenticator: "basicauth" } }),
      ...(bearer === undefined ? {} : { auth: { authenticator: "bearertokenauth" } }),
    });
    const extensions = {
      ...(basic === undefined
        ? {}
        : { basicauth: { htpasswd: { inline: `${basic.username}:${basic.password}` } } }),
      ...(bearer === undefined ? {} : { bearertokenauth: { token: bearer } }),
    };
    const http = {
      ...receiver(this.#ports.http),
      ...(mostMebibytes === undefined ? {} : { max_request_body_size: mostMebibytes * 2 ** 20 }),
    };
    const grpc = {
      ...receiver(this.#ports.grpc),
      ...(mostMebibytes === undefined ? {} : { max_recv_msg_size_mib: mostMebibytes }),
    };
    return {
      extensions,
      receivers: { otlp: { protocols: { http, grpc } } },
      exporters: Object.fromEntries(SIGNALS.map((signal) => [`file/${signal}`, this.#writer(signal)])),
      service: {
        extensions: Object.keys(extensions),
        pipelines: Object.fromEntries(
          SIGNALS.map((signal) => [signal, { receivers: ["otlp"], exporters: [`file/${signal}`] }]),
        ),
        telemetry: { metrics: { level: "none" } },
      },
    };
  }
}

/** Starts a collector. */
export function startOtelCollector(options: CollectorOptions = {}): Promise<OtelCollector> {
  return new OtelCollector(options).start();
}

/** Spans in an order of their own, to compare those of two outputs that may differ in it. */
export function inOrder<T extends Pick<DecodedSpan, "spanId" | "startTimeUnixNano">>(
  spans: readonly T[],
): readonly T[] {
  const key = ({ spanId, startTimeUnixNano }: T): string => `${spanId} ${startTimeUnixNano}`;
  return spans.toSorted((one, other) => (key(one) < key(other) ? -1 : 1));
}

/** Each message is behind its length. @param isTorn whether the last one may be cut short */
function* messagesOf(file: Buffer, isTorn: boolean): Generator<Uint8Array> {
  for (let at = 0; at < file.length; ) {
    const end = at + 4 <= file.length ? at + 4 + file.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (end > file.length) {
      if (isTorn) return;
      throw new Error("the collector's file ends inside a message");
    }
    yield file.subarray(at + 4, end);
    at = end;
  }
}

/** Folders of test runs that were killed. */
function removeForgotten(): void {
  for (const name of readdirSync(FOLDERS).filter((each) => each.startsWith(PREFIX))) {
    const [pid] = name.slice(PREFIX.length).split("-");
    if (!existsSync(`/proc/${pid}`)) rmSync(join(FOLDERS, name), { recursive: true, force: true });
  }
}
