// A real API server with its etcd, on loopback: TLS by an authority of the test, RBAC, service accounts. It can be
// killed, started again and have its past compacted. Objects are made through its API, as its administrator.

import { describe } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { type Certificate, issueCertificate, makeAuthority } from "./certificates.ts";
import { freePort } from "./free-port.ts";
import { TestProcess } from "./namespace-process.ts";

const BUILD: string = new URL("../../build", import.meta.url).pathname;
const SERVER = join(BUILD, "kube-apiserver");
const ETCD = join(BUILD, "etcd");
const ADMINISTRATOR_TOKEN = "administrator";
const START_MS = 60_000;

/** `describe` for tests that need an API server: skipped, with the reason, where it could not be built. */
export const describeWithKubernetes: typeof describe | typeof describe.skip =
  existsSync(SERVER) && existsSync(ETCD) ? describe : skipWithReason();

function skipWithReason(): typeof describe.skip {
  const reason = existsSync(`${SERVER}.missing`)
    ? readFileSync(`${SERVER}.missing`, "utf8").trim()
    : "not built";
  console.warn(`skipped: no API server: ${reason}; \`make build/.tools-kubernetes\` builds it`);
  return describe.skip;
}

/** An object of the API, as JSON has it. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string } & Readonly<
    Record<string, unknown>
  >;
  readonly [field: string]: unknown;
}

/** An API server and its etcd that run or have run. */
export class KubernetesServer implements AsyncDisposable {
  readonly folder: string = makeFolder();
  readonly port: number = freePort();
  readonly authority: Certificate;
  readonly #ports = { etcd: freePort(), peer: freePort() };
  readonly #serving: Certificate;
  #etcd: TestProcess | undefined;
  #server: TestProcess | undefined;

  constructor() {
    this.authority = makeAuthority(this.folder, "authority");
    this.#serving = issueCertificate(this.authority, this.folder, "kubernetes", [
      "IP:127.0.0.1",
      "DNS:kubernetes.test",
    ]);
    writeFileSync(join(this.folder, "tokens.csv"), `${ADMINISTRATOR_TOKEN},admin,admin,"system:masters"\n`);
  }

  /** Signs the tokens of service accounts. */
  get signingKey(): string {
    return this.#serving.key;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /** Starts both, for the first time or again, and waits until the API server is ready. */
  async start(): Promise<this> {
    this.#etcd ??= new TestProcess(this.#etcdCommand());
    this.#server = new TestProcess(this.#serverCommand());
    const deadline = performance.now() + START_MS;
    while (!(await this.#isReady())) {
      if (performance.now() > deadline)
        throw new Error(`no API server:\n${this.#server.errors.slice(-4000)}`);
      await Bun.sleep(50);
    }
    return this;
  }

  /** Ends the API server without a chance to finish anything; its etcd, and so the cluster, stays. */
  async kill(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
  }

  /** Has etcd forget all but what is now. */
  async compact(): Promise<void> {
    const revision = await this.#askEtcd("range", { key: "AA==" });
    await this.#askEtcd("compaction", { revision, physical: true });
  }

  /** Makes an object and, where `status` is given, sets that too. @returns it as the API server has it */
  async create(object: ApiObject): Promise<ApiObject> {
    const { status, ...rest } = object;
    const made = await this.request("POST", collectionOf(object), rest);
    if (status === undefined) return made;
    return await this.request("PUT", `${pathOf(object)}/status`, { ...made, status });
  }

  /** Changes some fields: a JSON merge patch. */
  async patch(object: ApiObject, change: object, subresource: "" | "/status" = ""): Promise<ApiObject> {
    return await this.request("PATCH", `${pathOf(object)}${subresource}`, change);
  }

  async delete(object: ApiObject): Promise<void> {
    await this.request("DELETE", `${pathOf(object)}?gracePeriodSeconds=0`);
  }

  /** Asks as administrator. @throws Error with the API server's answer where it refuses */
  async request(method: string, path: string, body?: object): Promise<ApiObject> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${ADMINISTRATOR_TOKEN}`,
        "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
      },
      tls: { ca: readFileSync(this.authority.cert, "utf8") },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#etcd?.[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #isReady(): Promise<boolean> {
    try {
      await this.request("GET", "/readyz?verbose=false");
      return true;
    } catch (error) {
      // "ok" is no JSON.
      return error instanceof SyntaxError;
    }
  }

  /** @returns the cluster's revision */
  async #askEtcd(call: string, body: object): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.#ports.etcd}/v3/kv/${call}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`etcd: ${call}: ${response.status} ${await response.text()}`);
    const { header } = v.parse(
      v.object({ header: v.object({ revision: v.string() }) }),
      await response.json(),
    );
    return header.revision;
  }

  #etcdCommand(): readonly string[] {
    const client = `http://127.0.0.1:${this.#ports.etcd}`;
    return [
      ...[ETCD, "--data-dir", join(this.folder, "etcd"), "--unsafe-no-fsync", "--log-level", "error"],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", `http://127.0.0.1:${this.#ports.peer}`],
    ];
  }

  #serverCommand(): readonly string[] {
    return [
      SERVER,
      `--etcd-servers=http://127.0.0.1:${this.#ports.etcd}`,
      "--bind-address=127.0.0.1",
      // Not of loopback, as it demands; nobody connects to it.
      "--advertise-address=192.0.2.1",
      "--endpoint-reconciler-type=none",
      `--secure-port=${this.port}`,
      `--cert-dir=${this.folder}`,
      `--tls-cert-file=${this.#serving.cert}`,
      `--tls-private-key-file=${this.#serving.key}`,
      `--client-ca-file=${this.authority.cert}`,
      "--authorization-mode=RBAC",
      `--token-auth-file=${join(this.folder, "tokens.csv")}`,
      "--service-account-issuer=https://kubernetes.test",
      `--service-account-key-file=${this.#serving.cert}`,
      `--service-account-signing-key-file=${this.#serving.key}`,
      "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112",
      // Pods of tests have no service account, and nothing runs them.
      "--disable-admission-plugins=ServiceAccount",
    ];
  }
}

const FOLDERS = "/dev/shm";
const FOLDER = /^mermin-kubernetes-(\d+)-/;

/** In memory, named for this process. What processes that were killed left behind is removed. */
function makeFolder(): string {
  for (const name of readdirSync(FOLDERS)) {
    const [, pid] = FOLDER.exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      rmSync(join(FOLDERS, name), { recursive: true, force: true });
  }
  return mkdtempSync(join(FOLDERS, `mermin-kubernetes-${process.pid}-`));
}

/** Starts an API server. */
export async function startKubernetes(): Promise<KubernetesServer> {
  const server = new KubernetesServer();
  try {
    return await server.start();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

function collectionOf({ apiVersion, kind, metadata }: ApiObject): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const namespace = metadata.namespace === undefined ? "" : `/namespaces/${metadata.namespace}`;
  return `${root}${namespace}/${pluralOf(kind.toLowerCase())}`;
}

function pathOf(object: ApiObject): string {
  return `${collectionOf(object)}/${object.metadata.name}`;
}

function pluralOf(kind: string): string {
  if (kind === "endpoints") return kind;
  if (kind.endsWith("s")) return `${kind}es`;
  return kind.endsWith("y") && !kind.endsWith("ay") ? `${kind.slice(0, -1)}ies` : `${kind}s`;
}
