// A kubeconfig's current context: its server, and how its user is told there. Read again when it changes, or at last
// comes to be.

import { dirname } from "node:path";
import { newClusters, newContexts, newUsers } from "@kubernetes/client-node/dist/config_types.js";
import { RereadFile } from "../lib/reread-file.ts";
import { isTable } from "../lib/setting.ts";
import type { ClusterAccess, Credentials } from "./credentials.ts";
import type { AccessOptions } from "./has-cluster.ts";
import { tableAt } from "./json.ts";
import { KubeconfigUser } from "./kubeconfig-user.ts";

/** A server and who asks it. */
interface Context extends Pick<Credentials, "server" | "proxy"> {
  /** The whole file that it was read from. */
  readonly text: string;
  readonly user: KubeconfigUser;
}

/** What is wrong with the file is an error of each request, until it is mended: one line that names the file. */
export function openKubeconfig(path: string, environment: AccessOptions["environment"]): ClusterAccess {
  const file = new RereadFile(path);
  let context: Context | undefined;
  const look = (): Context => {
    const text = file.read();
    if (context?.text === text) return context;
    const found = readContext(text, { folder: dirname(path), environment });
    if (context !== undefined && context.server !== found.server) {
      // Its objects, and the places in its streams, are others: only who asks may change while the agent runs.
      throw new Error(`its server is ${found.server} now, and was ${context.server}: restart the agent`);
    }
    context = found;
    return context;
  };
  return {
    origin: path,
    find: async () => {
      try {
        const { server, proxy, user } = look();
        return { server, proxy, ...(await user.find()) };
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`Cannot use the kubeconfig "${path}": ${reason}`, { cause: error });
      }
    },
    renew: () => {
      file.look();
      context?.user.forget();
    },
  };
}

function readContext(
  text: string,
  options: { readonly folder: string; readonly environment: AccessOptions["environment"] },
): Context {
  const table: unknown = Bun.YAML.parse(text);
  if (!isTable(table)) throw new Error("it is no kubeconfig");
  const name = table["current-context"];
  if (typeof name !== "string" || name === "") throw new Error("current-context is missing");
  const context = newContexts(table["contexts"]).find((one) => one.name === name);
  if (context === undefined) throw new Error(`its context "${name}" is missing`);
  const cluster = newClusters(table["clusters"]).find((one) => one.name === context.cluster);
  if (cluster === undefined) throw new Error(`its cluster "${context.cluster}" is missing`);
  if (!isServer(cluster.server))
    throw new Error("its server is no http or https URL, or one with a user or a query");
  if (!newUsers(table["users"]).some((one) => one.name === context.user)) {
    throw new Error(`its user "${context.user}" is missing`);
  }
  const user = tableAt(findNamed(table["users"], context.user), "user");
  return {
    text,
    server: cluster.server.replace(/\/+$/, ""),
    proxy: readProxy(cluster.proxyUrl),
    user: new KubeconfigUser(user, { cluster, ...options }),
  };
}

function findNamed(entries: unknown, name: string): unknown {
  return Array.isArray(entries) ? entries.find((one) => isTable(one) && one["name"] === name) : undefined;
}

/** Paths of the API are put behind it; a user is told by headers. */
function isServer(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    (url.protocol === "https:" || url.protocol === "http:") &&
    url.username + url.password + url.search + url.hash === ""
  );
}

/** It is not told, as it may have a password. */
function readProxy(text: unknown): string | undefined {
  if (text === undefined || text === null || text === "") return undefined;
  const protocol = typeof text === "string" ? URL.parse(text)?.protocol : undefined;
  if (protocol === "http:" || protocol === "https:") return String(text);
  throw new Error("its proxy-url is no http or https URL: other proxies are not supported");
}
