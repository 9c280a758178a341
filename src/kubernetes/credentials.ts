// How the API server is reached and what is shown to it: the service account of the agent's own pod, or a kubeconfig.
// Files are read again when they change: tokens and certificates are renewed while the agent runs.

import { isIPv6 } from "node:net";
import { join } from "node:path";
import { RereadFile } from "../lib/reread-file.ts";
import { type AccessOptions, SERVICE_ACCOUNT_FOLDER } from "./has-cluster.ts";
import { openKubeconfig } from "./kubeconfig.ts";

/** For one request. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
    readonly rejectUnauthorized?: boolean;
  };
}

/** The way to one API server. */
export interface ClusterAccess {
  /** URL without a slash at its end. */
  readonly server: string;
  /** @throws Error that names what is missing or refused to run */
  readonly find: () => Promise<Credentials>;
  /** The API server takes the last ones no more: what was kept of them is forgotten. */
  readonly renew: () => void;
}

/** @throws Error, one line, where the kubeconfig or the service account cannot be used */
export function openAccess(options: AccessOptions): ClusterAccess {
  if (options.kubeconfigPath !== "") return openKubeconfig(options.kubeconfigPath, options.environment);
  return openServiceAccount(options);
}

function openServiceAccount(options: AccessOptions): ClusterAccess {
  const { environment, serviceAccountFolder = SERVICE_ACCOUNT_FOLDER } = options;
  const host = environment["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = environment["KUBERNETES_SERVICE_PORT"] ?? "";
  if (host === "" || !/^\d{1,5}$/.test(port)) {
    throw new Error(
      "Cannot watch the cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; outside a pod, set kubernetes.kubeconfig_path",
    );
  }
  const token = new RereadFile(join(serviceAccountFolder, "token"));
  const authority = new RereadFile(join(serviceAccountFolder, "ca.crt"));
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    find: async () => ({
      headers: { authorization: `Bearer ${token.read().trim()}` },
      tls: { ca: authority.read() },
    }),
    renew: () => void token.look(),
  };
}
