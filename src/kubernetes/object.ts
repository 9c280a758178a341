// What is kept of any object of the cluster, and what several kinds have in them.

/** Most characters of a label's or an annotation's key and value: a longer pair is not kept. Labels have at most 63. */
export const TEXT_LIMIT = 1024;

/** What is kept of every object. Times are milliseconds since 1970, texts as the API server says them. */
export interface KubernetesObject {
  readonly uid: string;
  readonly name: string;
  /** "" for an object of the whole cluster. */
  readonly namespace: string;
  /** `metadata.creationTimestamp` in ms; 0 where it is not given. */
  readonly createdTime: number;
  readonly labels: ReadonlyMap<string, string>;
  /** Those alone that an extraction rule may read, and of no more than {@link TEXT_LIMIT} characters. */
  readonly annotations: ReadonlyMap<string, string>;
  readonly owners: readonly OwnerReference[];
}

/** One entry of `metadata.ownerReferences`. */
export interface OwnerReference {
  /** Group and version: several groups have a kind of the same name. */
  readonly apiVersion: string;
  readonly uid: string;
  readonly kind: string;
  readonly name: string;
  readonly isController: boolean;
}

/** `matchLabels` and `matchExpressions`, all of which must hold; one with neither selects everything. */
export interface LabelSelector {
  readonly matchLabels: ReadonlyMap<string, string>;
  readonly matchExpressions: readonly {
    readonly key: string;
    readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
    readonly values: readonly string[];
  }[];
}

/** Protocols the API has; one that is not given is TCP. */
export type TransportProtocol = "TCP" | "UDP" | "SCTP";

/** The API's times are whole seconds: what says that it began within the second before something may have begun after it. */
export const API_TIME_MS = 1000;
