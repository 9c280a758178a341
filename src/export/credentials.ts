// What the agent shows a collector and trusts of it. Comes in: the config, files that change. Goes out: headers, TLS
// material. No error here has a secret in it.

import { getCACertificates } from "node:tls";
import { describeFileError } from "../lib/file-error.ts";
import { RereadFile } from "../lib/reread-file.ts";
import type { Secret } from "../lib/secret.ts";
import { findTlsProblem, type PemTexts } from "../lib/tls-problem.ts";
import type { OtlpConfig } from "./otlp-config.ts";

/** PEM texts, undefined where there is none. The same object for as long as nothing changes. */
export interface TlsMaterial {
  /** Ours beside the system's; undefined: the system's alone. */
  readonly ca: readonly string[] | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

type CredentialConfig = Pick<OtlpConfig, "endpoint" | "headers" | "auth" | "tls">;

const TLS_SETTINGS: PemTexts<string> = { ca: "tls.ca_cert", cert: "tls.client_cert", key: "tls.client_key" };

export class Credentials {
  readonly #secrets: readonly (readonly [name: string, secret: () => string])[];
  readonly #files: RereadFile[] = [];
  readonly #ca: RereadFile | undefined;
  readonly #cert: RereadFile | undefined;
  readonly #key: RereadFile | undefined;
  #material: TlsMaterial | undefined;
  #materialTexts: readonly (string | undefined)[] = [];

  /** @param endpoint of the signal: its user name and password are basic authentication */
  constructor({ headers, auth, tls }: CredentialConfig, endpoint: URL) {
    this.#ca = this.#open(tls.ca_cert);
    this.#cert = this.#open(tls.client_cert);
    this.#key = this.#open(tls.client_key);
    const { username, password } = auth.basic;
    const secrets: (readonly [string, () => string])[] = Object.entries(headers).map(([name, secret]) => [
      name.toLowerCase(),
      this.#secret(secret, `headers.${name}`),
    ]);
    if (username !== "") {
      const [user, word] = [
        this.#secret(username, "auth.basic.username"),
        this.#secret(password, "auth.basic.password"),
      ];
      secrets.push(["authorization", () => basic(user(), word())]);
    } else if (auth.bearer.token !== "") {
      const token = this.#secret(auth.bearer.token, "auth.bearer.token");
      secrets.push(["authorization", () => bearer(token())]);
    } else if (endpoint.username !== "") {
      const [user, word] = [endpoint.username, endpoint.password].map(decodePercent);
      secrets.push(["authorization", () => basic(user ?? "", word ?? "")]);
    }
    this.#secrets = secrets;
  }

  /**
   * Headers by lower-case name, as they are now.
   * @throws Error naming the setting or the header, where its file cannot be read, holds what no header can, or no token
   */
  headers(): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const [name, read] of this.#secrets) {
      const value = read();
      if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
        throw new Error(`header ${name}: its value has a character that no header may have`);
      }
      headers[name] = value;
    }
    return headers;
  }

  /**
   * TLS material as it is now.
   * @throws Error that names the setting whose file cannot be read, or is of no use
   */
  tls(): TlsMaterial {
    const texts = [
      readFor(TLS_SETTINGS.ca, this.#ca),
      readFor(TLS_SETTINGS.cert, this.#cert),
      readFor(TLS_SETTINGS.key, this.#key),
    ];
    if (this.#material !== undefined && texts.every((text, index) => text === this.#materialTexts[index])) {
      return this.#material;
    }
    const [ca, cert, key] = texts;
    const problem = findTlsProblem({ ca, cert, key }, TLS_SETTINGS);
    if (problem !== undefined) throw new Error(problem);
    this.#materialTexts = texts;
    this.#material = { ca: ca === undefined ? undefined : [ca, ...getCACertificates("default")], cert, key };
    return this.#material;
  }

  /**
   * Looks at every file now.
   * @param refused headers of a request that was refused, perhaps for what is in them
   * @returns whether the same request would have other headers now, or has none that can be sent
   */
  hasOther(refused: Readonly<Record<string, string>>): boolean {
    for (const file of this.#files) file.look();
    try {
      return Object.entries(this.headers()).some(([name, value]) => refused[name] !== value);
    } catch {
      // A file is half written, or wrong: not what was refused.
      return true;
    }
  }

  #open(path: string): RereadFile | undefined {
    if (path === "") return undefined;
    const file = new RereadFile(path);
    this.#files.push(file);
    return file;
  }

  #secret(secret: Secret, setting: string): () => string {
    if (typeof secret === "string") return () => secret;
    const file = this.#open(secret.file);
    return () => readFor(setting, file)?.replace(/\r?\n$/, "") ?? "";
  }
}

function readFor(setting: string, file: RereadFile | undefined): string | undefined {
  try {
    return file?.read();
  } catch (error) {
    throw new Error(`${setting} "${file?.path}": ${describeFileError(error)}`, { cause: error });
  }
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @throws Error where the file is empty: it is about to be written, and what is sent without a token is refused */
function bearer(token: string): string {
  if (token === "") throw new Error("auth.bearer.token: its file is empty");
  return `Bearer ${token}`;
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}
