// [kubernetes.association.*]: which attributes of a flow say whose an address is, in place of the rules that are built in.

import * as v from "valibot";
import { repeatableSection } from "../lib/repeatable.ts";
import { choiceSetting, choicesSetting, defaultedSection, type Section } from "../lib/setting.ts";

/** What an association compares: an attribute of a flow's end, and where it is found in objects. */
interface AssociationSource {
  readonly from: AssociationAttribute;
  /** Any of these fields has the attribute's value. */
  readonly to: readonly string[];
}

/** Conditions that all hold of an end and its object; empty: what is built in for the kind. */
interface KindAssociation {
  readonly sources: readonly AssociationSource[];
}

const ASSOCIATION_ATTRIBUTES = [
  "source.ip",
  "source.port",
  "destination.ip",
  "destination.port",
  "network.transport",
  "network.type",
] as const;
type AssociationAttribute = (typeof ASSOCIATION_ATTRIBUTES)[number];

const PORT_FIELDS = ["spec.ports[*].port", "spec.ports[*].nodePort", "spec.ports[*].protocol"];
type AssociatedKind = "pod" | "node" | "service" | "endpointslice" | "ingress" | "gateway";

/** Fields that an association may name, by the section's key. */
const ASSOCIATION_FIELDS: Readonly<Record<AssociatedKind, readonly string[]>> = {
  pod: [
    "status.podIP",
    "status.podIPs[*]",
    "status.hostIP",
    "status.hostIPs[*]",
    "spec.containers[*].ports[*].containerPort",
    "spec.containers[*].ports[*].hostPort",
    "spec.containers[*].ports[*].protocol",
  ],
  node: ["status.addresses[*].address"],
  service: [
    "spec.clusterIP",
    "spec.clusterIPs[*]",
    "spec.externalIPs[*]",
    "status.loadBalancer.ingress[*].ip",
    ...PORT_FIELDS,
  ],
  endpointslice: ["endpoints[*].addresses[*]", "ports[*].port", "ports[*].protocol"],
  ingress: ["status.loadBalancer.ingress[*].ip"],
  gateway: ["status.addresses[*].value"],
};

export type AssociationConfig = { readonly [K in AssociatedKind]: KindAssociation };

export const associationSection: Section<AssociationConfig> = v.strictObject({
  pod: kindAssociation("pod"),
  node: kindAssociation("node"),
  service: kindAssociation("service"),
  endpointslice: kindAssociation("endpointslice"),
  ingress: kindAssociation("ingress"),
  gateway: kindAssociation("gateway"),
});

function kindAssociation(kind: AssociatedKind): v.GenericSchema<unknown, KindAssociation> {
  const fields = ASSOCIATION_FIELDS[kind];
  const source: Section<AssociationSource> = v.strictObject({
    from: choiceSetting("source.ip", ASSOCIATION_ATTRIBUTES, {
      description: `Attribute of the flow that says which ${kind} an end is. All that are given must hold.`,
    }),
    to: choicesSetting(fields, { description: `Fields of the ${kind}, one of which has that value.` }),
  });
  return defaultedSection(
    v.pipe(
      v.strictObject({ sources: v.optional(repeatableSection(source)) }),
      v.transform(({ sources = [] }): KindAssociation => ({ sources })),
    ),
  );
}
