// Who asks a test's API server: the shipped ClusterRole, given to a service account or a user, and the files that an
// agent finds its credentials in.

import { sign } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClusterAccess } from "../../src/kubernetes/credentials.ts";
import { openAccess } from "../../src/kubernetes/credentials.ts";
import type { ApiObject, KubernetesServer } from "./kubernetes-server.ts";

const ROLE: string = new URL("../../deploy/kubernetes/clusterrole.yaml", import.meta.url).pathname;
export const AGENT_NAMESPACE = "mermin";
export const AGENT_ACCOUNT = "mermin";

interface Role extends ApiObject {
  readonly rules: readonly { readonly resources: readonly string[] }[];
}

/** The ClusterRole that is shipped. */
export function readShippedRole(): Role {
  return Bun.YAML.parse(readFileSync(ROLE, "utf8")) as Role;
}

/**
 * Makes the shipped role without some of its resources, as `name`, and a service account of that name that has it.
 * @returns a token of that account
 */
export async function grantLess(
  server: KubernetesServer,
  name: string,
  without: readonly string[],
): Promise<string> {
  const { rules, ...role } = readShippedRole();
  const less = rules.map((rule) => ({
    ...rule,
    resources: rule.resources.filter((each) => !without.includes(each)),
  }));
  await server.create({
    ...role,
    metadata: { name },
    rules: less.filter(({ resources }) => resources.length > 0),
  });
  await makeAccount(server, name);
  await server.create({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: [{ kind: "ServiceAccount", name, namespace: AGENT_NAMESPACE }],
  });
  return await requestToken(server, name);
}

/** Makes the shipped role, and gives it to the agent's service account, which is made too, and to user `mermin`. */
export async function grantShippedRole(server: KubernetesServer): Promise<void> {
  const role = readShippedRole();
  await server.create(role);
  await server.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: AGENT_NAMESPACE } });
  await makeAccount(server);
  await server.create({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "mermin" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role.metadata.name },
    subjects: [
      { kind: "ServiceAccount", name: AGENT_ACCOUNT, namespace: AGENT_NAMESPACE },
      { kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "mermin" },
    ],
  });
}

/** Makes the service account; of one that is deleted and made again, older tokens are refused. */
export async function makeAccount(
  server: KubernetesServer,
  name: string = AGENT_ACCOUNT,
): Promise<ApiObject> {
  const metadata = { name, namespace: AGENT_NAMESPACE };
  return await server.create({ apiVersion: "v1", kind: "ServiceAccount", metadata });
}

/** A new token of the agent's service account, or of another one beside it. */
export async function requestToken(
  server: KubernetesServer,
  account: string = AGENT_ACCOUNT,
): Promise<string> {
  const path = `/api/v1/namespaces/${AGENT_NAMESPACE}/serviceaccounts/${account}/token`;
  const answer = await server.request("POST", path, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 600 },
  });
  const { token } = answer["status"] as { readonly token: string };
  return token;
}

/** Writes what a pod has mounted: the token and the authority. @returns the folder */
export async function mountAccount(server: KubernetesServer, name: string): Promise<string> {
  const folder = join(server.folder, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "token"), await requestToken(server));
  writeFileSync(join(folder, "ca.crt"), readFileSync(server.authority.cert));
  return folder;
}

/** The way to the API server of an agent in a pod. @param port of a proxy before it */
export async function openFromPod(
  server: KubernetesServer,
  { name = "account", port = server.port }: { readonly name?: string; readonly port?: number } = {},
): Promise<ClusterAccess> {
  return openAccess({
    kubeconfigPath: "",
    serviceAccountFolder: await mountAccount(server, name),
    environment: { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(port) },
  });
}

/** Writes a kubeconfig with one cluster and one user. @returns its path */
export function writeKubeconfig(
  server: KubernetesServer,
  name: string,
  { cluster = {}, user }: { readonly cluster?: object; readonly user: object },
): string {
  const path = join(server.folder, `${name}.kubeconfig`);
  const content = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    clusters: [
      {
        name: "test",
        cluster: { server: server.url, "certificate-authority": server.authority.cert, ...cluster },
      },
    ],
    users: [{ name: "test", user }],
  };
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(content));
  return path;
}

/** The clock's difference that the API server overlooks, in s. */
export const TOLERATED_S = 60;

/** A token that is valid between these times, in s from now, as one whose clock goes wrong has it. */
export async function makeToken(
  server: KubernetesServer,
  { from, until }: { readonly from: number; readonly until: number },
): Promise<string> {
  const [header = "", claims = ""] = (await requestToken(server)).split(".");
  const given = JSON.parse(Buffer.from(claims, "base64url").toString()) as object;
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now + from, nbf: now + from, exp: now + until };
  const signed = `${header}.${Buffer.from(JSON.stringify({ ...given, ...times })).toString("base64url")}`;
  const key = readFileSync(server.signingKey, "utf8");
  const signature = sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}
