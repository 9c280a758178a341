// What is said of one holder of an address, without the side it is on.

import type { NamedValue } from "../lib/named-values.ts";
import type { Extractor } from "./attributes-extract.ts";
import type { Directory } from "./directory.ts";
import { isPod, type Known, type KnownPod, type Versioned } from "./known.ts";
import type { Kind } from "./objects.ts";
import { findOwners, type OwnerOptions } from "./owners.ts";

/** What is to be told of holders. */
export interface FactOptions {
  /** `kubernetes.cluster_name`; undefined where it is not configured. */
  readonly clusterName: string | undefined;
  readonly owners: OwnerOptions;
  readonly extractor: Extractor;
}

/** Kinds that have a name and uid among the attributes. */
const TOLD_KINDS: ReadonlySet<Kind> = new Set([
  "Deployment",
  "ReplicaSet",
  "StatefulSet",
  "DaemonSet",
  "Job",
  "CronJob",
  "Service",
  "Ingress",
  "Gateway",
  "EndpointSlice",
]);

const ZONE_LABEL = "topology.kubernetes.io/zone";

/** Gathers what is said of one holder, and what that was read from. */
export class Facts {
  readonly #directory: Directory;
  readonly #options: FactOptions;
  readonly #values: Map<string, string | readonly string[]> = new Map();
  /** Stale once one of these has another version. */
  readonly sources: Set<Versioned> = new Set();

  constructor(directory: Directory, options: FactOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** In the order they were found; the first of a name is told. */
  get entries(): readonly NamedValue[] {
    return [...this.#values];
  }

  /** Of the cluster, and of the namespace: "" tells of the cluster alone. */
  addNamespace(name: string): void {
    const { clusterName } = this.#options;
    if (clusterName !== undefined) this.#add("k8s.cluster.name", clusterName);
    const system = this.#directory.scope("kube-system");
    this.sources.add(system.arrivals);
    if (system.namespace !== undefined) this.#add("k8s.cluster.uid", system.namespace.told.object.uid);
    if (name === "") return;
    this.#add("k8s.namespace.name", name);
    const scope = this.#directory.scope(name);
    this.sources.add(scope.arrivals);
    if (scope.namespace === undefined) return;
    this.sources.add(scope.namespace);
    this.#extract(scope.namespace);
  }

  /** Of any holder; `containerIndex` is of a pod's containers, -1 for none of them. */
  addHolder(known: Known, containerIndex: number): void {
    const { kind, object } = known.told;
    this.sources.add(known);
    this.addNamespace(object.namespace);
    if (isPod(known)) {
      this.#addPod(known, containerIndex);
    } else if (kind === "Node") {
      this.#addNode(known);
    } else {
      this.#addNamed(kind, object.name, object.uid);
      if (known.told.kind === "EndpointSlice" && known.told.object.serviceName !== "") {
        this.#add("k8s.service.name", known.told.object.serviceName);
      }
      this.#extract(known);
    }
    this.#addOwners(known);
    this.#addRelations(known);
  }

  #addPod(known: KnownPod, containerIndex: number): void {
    const pod = known.told.object;
    if (pod.nodeName !== "") {
      const node = this.#directory.findNode(pod.nodeName);
      if (node === undefined) this.sources.add(this.#directory.nodeArrivals);
      else this.#addNode(node);
      this.#add("k8s.node.name", pod.nodeName);
    }
    this.#add("k8s.pod.name", pod.name);
    this.#add("k8s.pod.uid", pod.uid);
    const container = pod.containers[containerIndex];
    if (container !== undefined) {
      this.#add("k8s.container.name", container.name);
      this.#add("container.image.name", imageName(container.image));
    }
    this.#extract(known);
  }

  #addNode(node: Known): void {
    const { name, uid, labels } = node.told.object;
    this.sources.add(node);
    this.#add("k8s.node.name", name);
    this.#add("k8s.node.uid", uid);
    this.#add("cloud.availability_zone", labels.get(ZONE_LABEL) ?? "");
    this.#extract(node);
  }

  #addOwners(known: Known): void {
    const options = { ...this.#options.owners, sources: this.sources };
    for (const { reference, kind, known: owner } of findOwners(known, this.#directory, options)) {
      if (kind === undefined) {
        this.#add("k8s.owner.kind", reference.kind);
        this.#add("k8s.owner.name", reference.name);
      } else {
        this.#addNamed(kind, reference.name, reference.uid);
      }
      if (owner !== undefined) this.#extract(owner);
    }
  }

  /** Names of all that select the holder; labels of those are told where one of its kind does. */
  #addRelations(known: Known): void {
    const { kind, object } = known.told;
    if (object.namespace === "") return;
    const scope = this.#directory.scope(object.namespace);
    this.sources.add(scope.relationsVersion);
    const byKind = new Map<Kind, Known[]>();
    for (const { to, known: other } of scope.relations.find(object.labels)) {
      if (to !== kind) continue;
      byKind.set(other.told.kind, [...(byKind.get(other.told.kind) ?? []), other]);
    }
    for (const [otherKind, others] of byKind) {
      const names = others.map(({ told }) => told.object.name).sort();
      if (TOLD_KINDS.has(otherKind)) this.#add(`k8s.${otherKind.toLowerCase()}.name`, names);
      for (const other of others) this.sources.add(other);
      const [only] = others;
      if (only !== undefined && others.length === 1) this.#extract(only);
    }
  }

  #addNamed(kind: Kind, name: string, uid: string): void {
    if (!TOLD_KINDS.has(kind)) return;
    this.#add(`k8s.${kind.toLowerCase()}.name`, name);
    this.#add(`k8s.${kind.toLowerCase()}.uid`, uid);
  }

  #extract({ told: { kind, object } }: Known): void {
    this.#options.extractor.extract(kind, object, (name, value) => this.#add(name, value));
  }

  #add(name: string, value: string | readonly string[]): void {
    if (value.length > 0 && !this.#values.has(name)) this.#values.set(name, value);
  }
}

/** An image's name without tag and digest; a registry's port stays. */
function imageName(image: string): string {
  const [name = ""] = image.split("@", 1);
  const colon = name.lastIndexOf(":");
  return colon > name.lastIndexOf("/") ? name.slice(0, colon) : name;
}
