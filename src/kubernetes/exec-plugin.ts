// A credential plug-in of a kubeconfig: a command that prints a token or a client certificate, asked again when what it
// gave expires or is refused.

import type { RequestOptions } from "node:https";
import { resolve } from "node:path";
import type { Cluster, User } from "@kubernetes/client-node/dist/config_types.js";
import { ExecAuth } from "@kubernetes/client-node/dist/exec_auth.js";
import { isTable } from "../lib/setting.ts";

export interface GivenCredentials {
  readonly token: string | undefined;
  /** PEM. */
  readonly certificate: string | undefined;
  readonly key: string | undefined;
}

/** A plug-in that takes longer has failed. */
const TIMEOUT_MS = 30_000;

export class ExecPlugin {
  readonly #user: User;
  readonly #command: string;
  #auth = new ExecAuth();
  /** Only one runs at a time, also where one hangs. */
  #running: Promise<GivenCredentials> | undefined;

  constructor(user: User, at: { readonly cluster: Cluster; readonly folder: string }) {
    const exec: Record<string, unknown> = isTable(user.exec) ? user.exec : {};
    const command = exec["command"];
    if (typeof command !== "string" || command === "")
      throw new Error("users[].user.exec.command is missing");
    this.#command = command.includes("/") ? resolve(at.folder, command) : command;
    const given: readonly unknown[] = Array.isArray(exec["env"]) ? exec["env"] : [];
    const env = [...given, { name: "KUBERNETES_EXEC_INFO", value: describeRequest(exec, at.cluster) }];
    this.#user = { ...user, exec: { ...exec, command: this.#command, args: textsOf(exec["args"]), env } };
  }

  /** @throws Error that names the command and why it gave nothing */
  async find(): Promise<GivenCredentials> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(reject, TIMEOUT_MS, new Error(`it takes longer than ${TIMEOUT_MS / 1000} s`));
    try {
      return await Promise.race([this.#running, late]);
    } catch (error) {
      const [reason = ""] = (error instanceof Error ? error.message : String(error)).trim().split("\n");
      throw new Error(`Cannot run the credential plug-in "${this.#command}": ${reason.slice(0, 300)}`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** What it gave last is asked for again. */
  forget(): void {
    this.#auth = new ExecAuth();
  }

  async #run(): Promise<GivenCredentials> {
    const options: RequestOptions = {};
    await this.#auth.applyAuthentication(this.#user, options);
    const headers: unknown = options.headers;
    const authorization = isTable(headers) ? headers["Authorization"] : undefined;
    const token = typeof authorization === "string" ? authorization.replace(/^Bearer /, "") : undefined;
    const certificate = typeof options.cert === "string" ? options.cert : undefined;
    const key = typeof options.key === "string" ? options.key : undefined;
    if (token === undefined && (certificate === undefined || key === undefined)) {
      throw new Error("it gave neither a token nor a certificate with its key");
    }
    return { token, certificate, key };
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

function textsOf(value: unknown): readonly string[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  return items.filter((item) => typeof item === "string");
}
