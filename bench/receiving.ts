// The other end of an exporting agent: bench/receiver.ts as a process of its own, whose CPU is not the agent's.

import { join } from "node:path";
import { Companion } from "./command.ts";

const HTTP_PORT = 4318;
const GRPC_PORT = 4317;
const ASK_MS = 50;

/** A way from the table to the socket. */
export interface Way {
  readonly protocol: "http_protobuf" | "http_json" | "grpc";
  readonly compression: "none" | "gzip";
  readonly signal: "traces" | "logs";
}

/** An OTLP receiver that runs. */
export class Receiver implements AsyncDisposable {
  readonly #process: Companion;

  private constructor(process: Companion) {
    this.#process = process;
  }

  static async start(): Promise<Receiver> {
    const script = join(import.meta.dir, "receiver.ts");
    const ports = [HTTP_PORT, GRPC_PORT].map(String);
    return new Receiver(await Companion.start(process.execPath, script, ...ports));
  }

  /** Spans or log records that it answered for so far. */
  async received(): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${HTTP_PORT}/`);
    return Number(await answer.text());
  }

  /** Waits until it has got so many; at most `timeoutMs`. */
  async until(count: number, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while ((await this.received()) < count && performance.now() < deadline) await Bun.sleep(ASK_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

/** Config lines that export to a {@link Receiver}. */
export function otlpConfig({ protocol, compression, signal }: Way): string {
  const port = protocol === "grpc" ? GRPC_PORT : HTTP_PORT;
  const settings = { protocol, endpoint: `http://127.0.0.1:${port}`, compression, signals: [signal] };
  return Object.entries(settings)
    .map(([name, value]) => `export.otlp.${name} = ${JSON.stringify(value)}\n`)
    .join("");
}
