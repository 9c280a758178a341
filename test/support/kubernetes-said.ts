// What spans should say of the town's objects, written down from the specification: from the objects as the API server
// has them, without a look at the agent's own code.

import type { AgentSpan } from "./agent-spans.ts";
import type { ApiObject } from "./kubernetes-server.ts";
import type { Objects } from "./kubernetes-town.ts";

/** Attributes by name, of one end without its side. */
export type Said = Readonly<Record<string, unknown>>;

/** As configured. */
export const CLUSTER_NAME = "test";

/** Rules whose attributes are expected: `[kubernetes.extract]`. */
export const EXTRACT = `
[[kubernetes.extract.labels]]
from = "Pod"
key = "app"
[[kubernetes.extract.labels]]
from = "Namespace"
key_regex = "t(eam|ier)"
attribute = "k8s.namespace.label.of.t$1"
[[kubernetes.extract.labels]]
from = "Deployment"
key = "release"
[[kubernetes.extract.annotations]]
from = "Pod"
key = "example.test/contact"
value_regex = "(.*)@example.test"
attribute = "k8s.pod.annotation.contact"
attribute_value = "$1"
`;

/** Owners of the town's pods, nearest first. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  web: ["replicaset", "deployment"],
  db: ["statefulset"],
  logger: ["daemonset"],
  job: ["job"],
  cron: ["cron-job", "cronjob"],
};

/** Writes expectations. */
export class Told {
  readonly #objects: Objects;
  readonly #clusterUid: unknown;

  /** @param system the namespace kube-system */
  constructor(objects: Objects, system: ApiObject) {
    this.#objects = objects;
    this.#clusterUid = system.metadata["uid"];
  }

  /** A pod of the town with its namespace, node, owners and only container; `more` in place of what is not so. */
  pod(name: string, more: Said = {}, node = "node-a"): Said {
    const { metadata, ...pod } = this.find(`pod-${name}`);
    const { containers } = pod["spec"] as { readonly containers: readonly { name: string; image: string }[] };
    const [only] = containers;
    const { app } = Object(metadata["labels"]) as { readonly app?: string };
    return {
      ...this.node(node),
      ...this.namespace(String(metadata.namespace)),
      "k8s.pod.name": metadata.name,
      "k8s.pod.uid": metadata["uid"],
      ...(containers.length === 1 && only
        ? { "k8s.container.name": only.name, "container.image.name": only.image.replace(/:\w+$/, "") }
        : {}),
      ...(app && { "k8s.pod.label.app": app }),
      ...Object.assign({}, ...(OWNERS[name] ?? []).map((owner) => this.named(owner))),
      ...more,
    };
  }

  node(name: string): Said {
    const { metadata } = this.find(name);
    const labels = Object(metadata["labels"]) as Readonly<Record<string, string>>;
    return {
      ...this.#cluster(),
      "k8s.node.name": name,
      "k8s.node.uid": metadata["uid"],
      "cloud.availability_zone": labels["topology.kubernetes.io/zone"],
    };
  }

  namespace(name: string): Said {
    const labels = Object(this.find(name).metadata["labels"]) as Readonly<Record<string, string>>;
    const extracted = Object.entries(labels)
      .filter(([key]) => key === "team" || key === "tier")
      .map(([key, value]) => [`k8s.namespace.label.of.${key}`, value]);
    return { ...this.#cluster(), "k8s.namespace.name": name, ...Object.fromEntries(extracted) };
  }

  /** An object that has a namespace, a name and a uid. */
  object(name: string): Said {
    return { ...this.namespace(String(this.find(name).metadata.namespace)), ...this.named(name) };
  }

  /** `k8s.<kind>.name` and `.uid`. */
  named(name: string): Said {
    const { kind, metadata } = this.find(name);
    const prefix = `k8s.${kind.toLowerCase()}`;
    return { [`${prefix}.name`]: metadata.name, [`${prefix}.uid`]: metadata["uid"] };
  }

  find(name: string): ApiObject {
    const object = this.#objects[name];
    if (object === undefined) throw new Error(`the town has no ${name}`);
    return object;
  }

  #cluster(): Said {
    return { "k8s.cluster.name": CLUSTER_NAME, "k8s.cluster.uid": this.#clusterUid };
  }
}

/** With the side before each name. */
export function onSide(side: "source" | "destination", said: Said): Said {
  return Object.fromEntries(Object.entries(said).map(([name, value]) => [`${side}.${name}`, value]));
}

/** All that a span says of the cluster. */
export function clusterAttributes({ attributes }: Pick<AgentSpan, "attributes">): Said {
  const isOfCluster = (name: string): boolean =>
    /^(source|destination)\.(k8s|container|cloud)\.|^network\.policy\./.test(name);
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => isOfCluster(name)));
}
