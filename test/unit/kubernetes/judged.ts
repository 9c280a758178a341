// What a whole attribution says of one flow.

import { Extractor } from "../../../src/kubernetes/attributes-extract.ts";
import {
  type AttributedRecord,
  Attribution,
  type RecordAttributes,
} from "../../../src/kubernetes/attribution.ts";
import type { Directory } from "../../../src/kubernetes/directory.ts";
import { NOW } from "./cluster.ts";
import { wordsOf } from "./objects.ts";

export interface Flow {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort?: number;
  readonly port?: number;
  /** Whom the source called, where the node translates. */
  readonly called?: { readonly address: string; readonly port: number };
  /** The node puts another address in the place of the source's. */
  readonly isSourceTranslated?: boolean;
  readonly protocol?: number;
  readonly startMs?: number;
  readonly isLast?: boolean;
  readonly isInitiatorKnown?: boolean;
  readonly isInitiatorSure?: boolean;
  /** Flows of equal numbers are one flow. */
  readonly id?: number;
}

export interface Surroundings {
  readonly isWhole?: boolean;
  readonly hostAddresses?: readonly string[];
}

/** Nothing is missing, and the host has no address; what is given is otherwise. */
export function attributionOf(
  directory: Directory,
  { isWhole = true, hostAddresses = [] }: Surroundings = {},
): Attribution {
  const owners = { maxDepth: 5, includeKinds: [], excludeKinds: [] };
  const options = {
    clusterName: undefined,
    owners,
    extractor: new Extractor({ labels: [], annotations: [] }),
  };
  const host = new Set(hostAddresses.map((address) => wordsOf(address).join()));
  return new Attribution(directory, options, {
    isWhole: () => isWhole,
    mayBeHostAddress: (words, at) => host.has(words.subarray(at, at + 4).join()),
  });
}

/** One record of `flow` attributed at `now`: by default long after its start. */
export function attribute(attribution: Attribution, flow: Flow, now?: number): RecordAttributes {
  // After all that was heard of at NOW.
  const startMs = flow.startMs ?? NOW + 1;
  const words = new Uint32Array(12);
  words.set(wordsOf(flow.source));
  words.set(wordsOf(flow.destination), 4);
  if (flow.called !== undefined) words.set(wordsOf(flow.called.address), 8);
  const record: AttributedRecord = {
    words,
    sourceAt: 0,
    destinationAt: 4,
    sourcePort: flow.sourcePort ?? 50_000,
    destinationPort: flow.port ?? 80,
    calledAt: flow.called === undefined ? -1 : 8,
    calledPort: flow.called?.port ?? 0,
    isSourceTranslated: flow.isSourceTranslated ?? false,
    protocol: flow.protocol ?? 6,
    startMs,
    flowId: Uint32Array.of(flow.id ?? 1, 2, 3, 4, 5),
    isLast: flow.isLast ?? true,
    isInitiatorKnown: flow.isInitiatorKnown ?? true,
    isInitiatorSure: flow.isInitiatorSure ?? true,
  };
  const said: RecordAttributes = { source: undefined, destination: undefined, policies: undefined };
  attribution.attribute(record, now ?? startMs + 60_000, said);
  return said;
}

/** One attribute of a record; undefined where it is not said. */
export function saidOf(said: RecordAttributes, name: string): unknown {
  const entries = [said.source, said.destination, said.policies].flatMap((list) => list?.entries ?? []);
  return entries.find(([each]) => each === name)?.[1];
}
