// A user of a kubeconfig, and what it shows to a cluster: token, client certificate, password or exec plug-in, and whom
// it stands in for.

import { resolve } from "node:path";
import type { Cluster } from "@kubernetes/client-node/dist/config_types.js";
import { RereadFile } from "../lib/reread-file.ts";
import { isTable } from "../lib/setting.ts";
import { findTlsProblem, type PemTexts } from "../lib/tls-problem.ts";
import type { Credentials } from "./credentials.ts";
import { ExecPlugin } from "./exec-plugin.ts";
import type { AccessOptions } from "./has-cluster.ts";
import { impersonate } from "./impersonation.ts";

interface UserOptions {
  readonly cluster: Cluster;
  /** Of the kubeconfig: its paths begin there. */
  readonly folder: string;
  readonly environment: AccessOptions["environment"];
}

/** PEM or a token: given in the kubeconfig itself, or in a file that may change. "" in neither. */
type Material = () => string;

const NAMES: PemTexts<string> = {
  ca: "certificate-authority",
  cert: "client-certificate",
  key: "client-key",
};

export class KubeconfigUser {
  readonly #cluster: Cluster;
  readonly #materials: Readonly<Record<"ca" | "cert" | "key" | "token", Material>>;
  readonly #headers: Record<string, string>;
  readonly #plugin: ExecPlugin | undefined;
  /** The texts that were looked at last, and found good. */
  #checked: PemTexts | undefined;

  /**
   * @param user `users[].user` of the kubeconfig
   * @throws Error that names what is malformed, or not supported
   */
  constructor(user: Record<string, unknown>, { cluster, folder, environment }: UserOptions) {
    if (isTable(user["auth-provider"])) throw new Error("auth-provider is not supported: use exec");
    this.#cluster = cluster;
    const authority = {
      "certificate-authority": cluster.caFile,
      "certificate-authority-data": cluster.caData,
    };
    this.#materials = {
      ca: openPem(authority, NAMES.ca, folder),
      cert: openPem(user, NAMES.cert, folder),
      key: openPem(user, NAMES.key, folder),
      token: openToken(user, folder),
    };
    const [name, word] = [givenText(user, "username"), givenText(user, "password")];
    this.#headers = {
      ...(name === "" ? {} : { authorization: `Basic ${Buffer.from(`${name}:${word}`).toString("base64")}` }),
      ...impersonate(user),
    };
    const { exec } = user;
    this.#plugin = isTable(exec) ? new ExecPlugin(exec, { cluster, folder, environment }) : undefined;
  }

  /** @throws Error that names what cannot be read, or is none of what it should be */
  async find(): Promise<Pick<Credentials, "headers" | "tls">> {
    const given = await this.#plugin?.find();
    const token = given?.token ?? this.#materials.token().trim();
    const ca = this.#materials.ca() || undefined;
    const cert = given?.certificate ?? (this.#materials.cert() || undefined);
    const key = given?.key ?? (this.#materials.key() || undefined);
    this.#check({ ca, cert, key });
    const { tlsServerName, skipTLSVerify } = this.#cluster;
    return {
      headers: token === "" ? this.#headers : { ...this.#headers, authorization: `Bearer ${token}` },
      tls: {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined || key === undefined ? {} : { cert, key }),
        ...(tlsServerName ? { serverName: tlsServerName } : {}),
        ...(skipTLSVerify ? { rejectUnauthorized: false } : {}),
      },
    };
  }

  /** What a plug-in gave last is asked for again. */
  forget(): void {
    this.#plugin?.forget();
  }

  #check(texts: PemTexts): void {
    const { ca, cert, key } = texts;
    const last = this.#checked;
    if (last !== undefined && ca === last.ca && cert === last.cert && key === last.key) return;
    const problem = findTlsProblem(texts, NAMES);
    if (problem !== undefined) throw new Error(problem);
    if ((cert === undefined) !== (key === undefined)) {
      throw new Error(`${cert === undefined ? NAMES.cert : NAMES.key} is missing`);
    }
    this.#checked = texts;
  }
}

function openPem(table: Record<string, unknown>, name: string, folder: string): Material {
  const data = givenText(table, `${name}-data`);
  if (data === "") return openFile(table, name, folder);
  const text = Buffer.from(data, "base64").toString("utf8");
  return () => text;
}

/** A token file is rotated: it is read at each request. It stands in place of a token. */
function openToken(user: Record<string, unknown>, folder: string): Material {
  const token = givenText(user, "token");
  if (givenText(user, "tokenFile") === "") return () => token;
  const read = openFile(user, "tokenFile", folder);
  return () => {
    const text = read();
    if (text.trim() === "") throw new Error("tokenFile: the file is empty");
    return text;
  };
}

function openFile(table: Record<string, unknown>, name: string, folder: string): Material {
  const path = givenText(table, name);
  if (path === "") return () => "";
  const file = new RereadFile(resolve(folder, path));
  return () => file.read();
}

/** "" where it is not given. YAML takes 1234 for a number, which a token or a password may be. */
function givenText(table: Record<string, unknown>, name: string): string {
  const value = table[name] ?? "";
  if (typeof value !== "string") throw new Error(`${name} is no text: put it in quotes`);
  return value;
}
