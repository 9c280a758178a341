// Whether there is a cluster to watch. Imports nothing of the client: where there is none, none of it is loaded.

import { existsSync } from "node:fs";
import { join } from "node:path";

export interface AccessOptions {
  /** "": the service account. */
  readonly kubeconfigPath: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where a pod has its service account. */
  readonly serviceAccountFolder?: string;
}

/** Where the kubelet puts what a pod shows to the API server. */
export const SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Whether there is a cluster to watch: a kubeconfig, or a service account and the API server's address. */
export function hasCluster(options: AccessOptions): boolean {
  if (options.kubeconfigPath !== "") return true;
  const { serviceAccountFolder = SERVICE_ACCOUNT_FOLDER } = options;
  const host = options.environment["KUBERNETES_SERVICE_HOST"] ?? "";
  return host !== "" && existsSync(join(serviceAccountFolder, "token"));
}
