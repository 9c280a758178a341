// A kubeconfig's current context: its server, and the token, client certificate, password or exec plug-in of its user.

import { dirname, resolve } from "node:path";
import {
  type Cluster,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from "@kubernetes/client-node/dist/config_types.js";
import { RereadFile } from "../lib/reread-file.ts";
import { isTable } from "../lib/setting.ts";
import type { ClusterAccess, Credentials } from "./credentials.ts";
import { ExecPlugin } from "./exec-plugin.ts";
import type { AccessOptions } from "./has-cluster.ts";

/** A server and who asks it, with the files they name. */
interface Context {
  /** The whole file that it was read from. */
  readonly text: string;
  readonly cluster: Cluster;
  readonly user: User;
  readonly authority: Material;
  readonly certificate: Material;
  readonly key: Material;
  readonly token: Material;
  readonly plugin: ExecPlugin | undefined;
}

/** PEM or a token: given in the kubeconfig itself, or in a file that may change. */
type Material = () => string | undefined;

/** @throws Error, one line, that names the file and what is wrong with it */
export function openKubeconfig(path: string, environment: AccessOptions["environment"]): ClusterAccess {
  const file = new RereadFile(path);
  let context = readContext(file, environment);
  return {
    // Another server under the same path would be another cluster: only who asks may change while the agent runs.
    server: context.cluster.server,
    find: async () => {
      if (file.read() !== context.text) context = readContext(file, environment);
      return await findCredentials(context);
    },
    renew: () => {
      file.look();
      context.plugin?.forget();
    },
  };
}

function readContext(file: RereadFile, environment: AccessOptions["environment"]): Context {
  try {
    const text = file.read();
    const table: unknown = Bun.YAML.parse(text);
    if (!isTable(table)) throw new Error("it is no kubeconfig");
    return { text, ...selectContext(table, { folder: dirname(file.path), environment }) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot use the kubeconfig "${file.path}": ${reason}`, { cause: error });
  }
}

function selectContext(
  table: Record<string, unknown>,
  { folder, environment }: { readonly folder: string; readonly environment: AccessOptions["environment"] },
): Omit<Context, "text"> {
  const name = table["current-context"];
  if (typeof name !== "string" || name === "") throw new Error("current-context is missing");
  const context = newContexts(table["contexts"]).find((one) => one.name === name);
  if (context === undefined) throw new Error(`its context "${name}" is missing`);
  const cluster = newClusters(table["clusters"]).find((one) => one.name === context.cluster);
  if (cluster === undefined) throw new Error(`its cluster "${context.cluster}" is missing`);
  if (!/^https?:\/\//.test(cluster.server)) throw new Error(`its server "${cluster.server}" is no URL`);
  const user = newUsers(table["users"]).find((one) => one.name === context.user);
  if (user === undefined) throw new Error(`its user "${context.user}" is missing`);
  return {
    cluster,
    user,
    authority: openMaterial(cluster.caData, cluster.caFile, folder),
    certificate: openMaterial(user.certData, user.certFile, folder),
    key: openMaterial(user.keyData, user.keyFile, folder),
    token: openToken(table["users"], user, folder),
    plugin: isTable(user.exec) ? new ExecPlugin(user.exec, { cluster, folder, environment }) : undefined,
  };
}

async function findCredentials(context: Context): Promise<Credentials> {
  const { cluster, user } = context;
  const given = await context.plugin?.find();
  const token = given?.token ?? context.token();
  const cert = given?.certificate ?? context.certificate();
  const key = given?.key ?? context.key();
  const ca = context.authority();
  const headers: Record<string, string> = {};
  if (token !== undefined) headers["authorization"] = `Bearer ${token.trim()}`;
  else if (user.username)
    headers["authorization"] = `Basic ${btoa(`${user.username}:${user.password ?? ""}`)}`;
  if (user.impersonateUser) headers["impersonate-user"] = user.impersonateUser;
  return {
    headers,
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      ...(cluster.tlsServerName ? { serverName: cluster.tlsServerName } : {}),
      ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
    },
  };
}

function openMaterial(data: unknown, file: unknown, folder: string): Material {
  if (typeof data === "string" && data !== "") {
    const text = Buffer.from(data, "base64").toString("utf8");
    return () => text;
  }
  if (typeof file !== "string" || file === "") return () => undefined;
  const reread = new RereadFile(resolve(folder, file));
  return () => reread.read();
}

/** A token file is rotated: it is read by us, at each request, not once with the kubeconfig. */
function openToken(users: unknown, user: User, folder: string): Material {
  if (user.token) {
    const { token } = user;
    return () => token;
  }
  return openMaterial(undefined, findUser(users, user.name)?.["tokenFile"], folder);
}

function findUser(users: unknown, name: string): Record<string, unknown> | undefined {
  const entries: readonly unknown[] = Array.isArray(users) ? users : [];
  const entry = entries.find((one) => isTable(one) && one["name"] === name);
  const user = isTable(entry) ? entry["user"] : undefined;
  return isTable(user) ? user : undefined;
}
