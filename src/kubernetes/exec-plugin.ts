// A credential plug-in of a kubeconfig: a command that prints a token or a client certificate, asked again when what it
// gave expires or is refused. What it prints is never told, not even where it is not understood.

import { resolve } from "node:path";
import type { Cluster } from "@kubernetes/client-node/dist/config_types.js";
import type { AccessOptions } from "./has-cluster.ts";
import { everyTextOf, tableAt, tablesOf, textOf, timeOf } from "./json.ts";

export interface GivenCredentials {
  readonly token: string | undefined;
  /** PEM. */
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  /** Until when, in ms since 1970; undefined: until it is refused. */
  readonly expiresMs: number | undefined;
}

interface PluginOptions {
  readonly cluster: Cluster;
  /** Where a command with a slash is looked for. */
  readonly folder: string;
  /** The agent's own, to which the kubeconfig adds. */
  readonly environment: AccessOptions["environment"];
  /** A plug-in that takes longer has failed, and is ended; 30,000 ms by default. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
/** More of what it prints is not read. */
const PRINTED_BYTES = 1024 * 1024;

export class ExecPlugin {
  readonly #command: string;
  readonly #args: readonly string[];
  readonly #environment: Record<string, string | undefined>;
  readonly #timeoutMs: number;
  #given: GivenCredentials | undefined;
  /** All who ask at a time wait for the same one. */
  #running: Promise<GivenCredentials> | undefined;

  /** @param exec `users[].user.exec` of the kubeconfig */
  constructor(exec: Record<string, unknown>, options: PluginOptions) {
    const command = textOf(exec["command"]);
    if (command === "") throw new Error("users[].user.exec.command is missing");
    this.#command = command.includes("/") ? resolve(options.folder, command) : command;
    this.#args = everyTextOf(exec["args"]);
    if (Array.isArray(exec["args"]) && this.#args.length < exec["args"].length) {
      throw new Error("users[].user.exec.args has what is no text: put it in quotes");
    }
    const own = tablesOf(exec["env"]).map(({ name, value }) => [textOf(name), textOf(value)] as const);
    this.#environment = {
      ...options.environment,
      ...Object.fromEntries(own.filter(([name]) => name !== "")),
      KUBERNETES_EXEC_INFO: describeRequest(exec, options.cluster),
    };
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  }

  /** @throws Error that names the command and why it gave nothing */
  async find(): Promise<GivenCredentials> {
    const given = this.#given;
    if (given !== undefined && (given.expiresMs ?? Number.POSITIVE_INFINITY) > Date.now()) return given;
    this.#running ??= this.#ask().finally(() => {
      this.#running = undefined;
    });
    return await this.#running;
  }

  /** What it gave last is asked for again. */
  forget(): void {
    this.#given = undefined;
  }

  async #ask(): Promise<GivenCredentials> {
    try {
      this.#given = readCredentials(await this.#run());
      return this.#given;
    } catch (error) {
      const [line = ""] = (error instanceof Error ? error.message : String(error)).trim().split("\n");
      throw new Error(`Cannot run the credential plug-in "${this.#command}": ${line.slice(0, 300)}`, {
        cause: error,
      });
    }
  }

  /** @returns what it prints */
  async #run(): Promise<string> {
    const child = Bun.spawn([this.#command, ...this.#args], {
      env: this.#environment,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      // A group of its own, so that what it began itself ends with it.
      detached: true,
      killSignal: "SIGKILL",
      maxBuffer: PRINTED_BYTES,
    });
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      killGroup(child.pid);
      reject(new Error(`it takes longer than ${this.#timeoutMs / 1000} s`));
    }, this.#timeoutMs);
    try {
      const ended = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
      const [printed, complaint, code] = await Promise.race([ended, late]);
      if (child.signalCode === "SIGKILL") {
        killGroup(child.pid);
        throw new Error("it prints too much, or was killed");
      }
      if (code !== 0) throw new Error(complaint.trim() === "" ? `it ended with ${code}` : complaint);
      return printed;
    } finally {
      clearTimeout(timer);
    }
  }
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

function readCredentials(printed: string): GivenCredentials {
  const status = tableAt(parseJson(printed), "status");
  const [token, certificate, key] = ["token", "clientCertificateData", "clientKeyData"].map(
    (name) => textOf(status[name]) || undefined,
  );
  if (token === undefined && (certificate === undefined || key === undefined)) {
    throw new Error("it gave neither a token nor a certificate with its key");
  }
  return { token, certificate, key, expiresMs: timeOf(status["expirationTimestamp"]) };
}

/** The parser's own error has a piece of the text, which may be the token itself. */
function parseJson(printed: string): unknown {
  try {
    return JSON.parse(printed);
  } catch {
    throw new Error("what it prints is no JSON");
  }
}

/** What a plug-in is told, in the environment. */
function describeRequest(exec: Record<string, unknown>, cluster: Cluster): string {
  const told = {
    server: cluster.server,
    "tls-server-name": cluster.tlsServerName,
    "insecure-skip-tls-verify": cluster.skipTLSVerify,
    "certificate-authority-data": cluster.caData,
  };
  return JSON.stringify({
    kind: "ExecCredential",
    apiVersion: exec["apiVersion"],
    spec: { interactive: false, ...(exec["provideClusterInfo"] === true ? { cluster: told } : {}) },
  });
}
