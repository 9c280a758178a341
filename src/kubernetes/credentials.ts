// How the API server is reached and what is shown to it: the service account of the agent's own pod, or a kubeconfig.
// Files are read again when they change: tokens and certificates are renewed while the agent runs, or come after it.

import { isIPv6 } from "node:net";
import { join } from "node:path";
import { RereadFile } from "../lib/reread-file.ts";
import { findTlsProblem, type PemTexts } from "../lib/tls-problem.ts";
import { type AccessOptions, SERVICE_ACCOUNT_FOLDER } from "./has-cluster.ts";
import { openKubeconfig } from "./kubeconfig.ts";

/** For one request. */
export interface Credentials {
  /** URL without a slash at its end. */
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
    readonly rejectUnauthorized?: boolean;
  };
  /** URL; undefined: none, whatever the environment says. */
  readonly proxy: string | undefined;
}

/** The way to one API server. */
export interface ClusterAccess {
  /** What says where it is: its URL, or the path of a kubeconfig. */
  readonly origin: string;
  /** @throws Error that names what is missing, malformed or refused to run; another time it may be there */
  readonly find: () => Promise<Credentials>;
  /** The API server takes the last ones no more: what was kept of them is forgotten. */
  readonly renew: () => void;
}

/**
 * Reads no file: one that is missing or wrong is a failure of each request, and no more once it is there.
 * @throws Error, one line, where the environment names no API server
 */
export function openAccess(options: AccessOptions): ClusterAccess {
  if (options.kubeconfigPath !== "") return openKubeconfig(options.kubeconfigPath, options.environment);
  return openServiceAccount(options);
}

const NAMES: PemTexts<string> = { ca: "ca.crt", cert: "", key: "" };

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
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  return {
    origin: server,
    find: async () => {
      const [bearer, ca] = [token.read().trim(), authority.read()];
      const problem =
        bearer === ""
          ? "token: the file is empty"
          : findTlsProblem({ ca, cert: undefined, key: undefined }, NAMES);
      if (problem !== undefined) {
        throw new Error(`Cannot use the service account in "${serviceAccountFolder}": ${problem}`);
      }
      return { server, headers: { authorization: `Bearer ${bearer}` }, tls: { ca }, proxy: undefined };
    },
    renew: () => void token.look(),
  };
}
