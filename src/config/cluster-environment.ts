// What the environment says of the cluster that the agent runs in.

/** The variables that the kubelet sets in every pod; a kubeconfig's plug-ins are given the rest. */
export function readClusterEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}
