// What the environment says of the cluster that the agent runs in.

/** The variables that the kubelet sets in every pod; a kubeconfig's plug-ins are given the rest. */
export function readClusterEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/** The agent's own pod, as the downward API tells it; "" for what is not told. */
export interface OwnPod {
  readonly nodeName: string;
  readonly namespace: string;
  readonly name: string;
}

/** `NODE_NAME`, `POD_NAMESPACE` and `POD_NAME`. */
export function readOwnPod(environment: Readonly<Record<string, string | undefined>>): OwnPod {
  const { NODE_NAME: nodeName = "", POD_NAMESPACE: namespace = "", POD_NAME: name = "" } = environment;
  return { nodeName, namespace, name };
}
