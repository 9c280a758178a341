import { expect, test } from "bun:test";
import fc from "fast-check";
import type { LabelSelector, TransportProtocol } from "../../src/kubernetes/object.ts";
import type { NetworkPolicy, PolicyRule } from "../../src/kubernetes/objects-network.ts";
import type { Pod } from "../../src/kubernetes/objects-workload.ts";
import { clusterOf, NOW } from "../unit/kubernetes/cluster.ts";
import { attribute, attributionOf, saidOf } from "../unit/kubernetes/judged.ts";
import { type NaiveEnd, naivePolicies } from "../unit/kubernetes/naive-policies.ts";
import { added, labelsOf, objectOf } from "../unit/kubernetes/objects.ts";

const NUMBERS = { TCP: 6, UDP: 17, SCTP: 132 } as const;
const NAMESPACES = ["shop", "back"];
const PORTS = [53, 80, 81, 8080];

const labels = fc
  .record({ app: fc.constantFrom("a", "b"), tier: fc.constantFrom("x", "y") }, { requiredKeys: [] })
  .map((pairs) => labelsOf(pairs as Record<string, string>));
const expression = fc.record({
  key: fc.constantFrom("app", "tier", "zone"),
  operator: fc.constantFrom("In" as const, "NotIn" as const, "Exists" as const, "DoesNotExist" as const),
  values: fc.subarray(["a", "b", "x"], { minLength: 1 }),
});
const selector: fc.Arbitrary<LabelSelector> = fc.record({
  matchLabels: fc.oneof(
    { weight: 2, arbitrary: fc.constant(labelsOf({})) },
    { weight: 1, arbitrary: labels },
  ),
  matchExpressions: fc.array(expression, { maxLength: 1 }),
});
const protocol: fc.Arbitrary<TransportProtocol> = fc.constantFrom("TCP", "UDP", "SCTP");
const block = fc.record({
  cidr: fc.constantFrom("0.0.0.0/0", "::/0", "10.1.0.0/30", "10.1.0.0/16", "203.0.113.0/24", "10.1.0.2/32"),
  except: fc.subarray(["10.1.0.1/32", "10.1.0.0/31", "203.0.113.128/25"]),
});
const none = { podSelector: undefined, namespaceSelector: undefined, ipBlock: undefined };
const peer = fc.oneof(
  selector.map((podSelector) => ({ ...none, podSelector })),
  selector.map((namespaceSelector) => ({ ...none, namespaceSelector })),
  fc.record({ podSelector: selector, namespaceSelector: selector, ipBlock: fc.constant(undefined) }),
  block.map((ipBlock) => ({ ...none, ipBlock })),
);
const range = fc
  .tuple(fc.constantFrom(...PORTS), fc.option(fc.constantFrom(...PORTS), { nil: undefined }))
  .map(([port, end]) => ({ port, endPort: end !== undefined && end >= port ? end : undefined }));
const port = fc
  .tuple(
    protocol,
    fc.oneof(
      range,
      fc.constantFrom("web", "dns", undefined).map((name) => ({ port: name, endPort: undefined })),
    ),
  )
  .map(([name, numbers]) => ({ protocol: name, ...numbers }));
const rule: fc.Arbitrary<PolicyRule> = fc.record({
  peers: fc.array(peer, { maxLength: 2 }),
  ports: fc.array(port, { maxLength: 2 }),
});
const types = fc.subarray(["Ingress" as const, "Egress" as const], { minLength: 1 });
const policies = fc
  .array(
    fc.record({
      namespace: fc.constantFrom(...NAMESPACES),
      podSelector: selector,
      policyTypes: fc.option(types, { nil: undefined }),
      ingress: fc.array(rule, { maxLength: 2 }),
      egress: fc.array(rule, { maxLength: 2 }),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((list) => list.map((fields, index) => objectOf("NetworkPolicy", { name: `p${index}`, ...fields })));

const containerPort = fc.record({
  name: fc.constantFrom("web", "dns", undefined),
  containerPort: fc.constantFrom(...PORTS),
  hostPort: fc.constant(undefined),
  protocol,
});
const pods = fc
  .array(
    fc.record({
      namespace: fc.constantFrom(...NAMESPACES),
      labels,
      nodeName: fc.constantFrom("node-a", "node-b"),
      ports: fc.array(containerPort, { maxLength: 2 }),
    }),
    { minLength: 3, maxLength: 4 },
  )
  .map((list) =>
    list.map(({ ports, ...fields }, index) => {
      const containers = [{ name: "main", image: "x", ports }];
      return objectOf("Pod", { name: `pod${index}`, podIPs: [`10.1.0.${index}`], containers, ...fields });
    }),
  );

/** Addresses of what is no pod on a network of its own, and what they are. */
const OTHERS: readonly (NaiveEnd & { readonly isOfHost?: boolean })[] = [
  { address: "203.0.113.200" },
  { address: "203.0.113.50" },
  { address: "192.0.2.1", node: "node-a", isOfHost: true },
  { address: "192.0.2.2", node: "node-b" },
  { address: "10.1.0.200", isBound: true },
  { address: "10.2.0.1", isBound: true },
  { address: "198.51.100.1", isBound: true, isOfHost: true },
  { address: "169.254.20.10", isBound: true },
];
const HOST_ADDRESSES = OTHERS.flatMap(({ address, isOfHost }) => (isOfHost === true ? [address] : []));
const NODES = [
  { name: "node-a", addresses: ["192.0.2.1"], podCIDRs: ["10.1.0.0/24"] },
  { name: "node-b", addresses: ["192.0.2.2"], podCIDRs: ["10.2.0.0/16", "fd00::/64"] },
];
/** Listens on the network of node-b. */
const HOST_PORT = 8080;

function hostPod(of: ReturnType<typeof labelsOf>): Pod {
  const ports = [{ name: "web", containerPort: HOST_PORT, hostPort: undefined, protocol: "TCP" as const }];
  return objectOf("Pod", {
    ...{ name: "host", labels: of, nodeName: "node-b", isHostNetwork: true, hostIPs: ["192.0.2.2"] },
    containers: [{ name: "main", image: "x", ports }],
  });
}

const end = fc.oneof(fc.nat(3), fc.integer({ min: 4, max: 3 + OTHERS.length }));
const flow = fc.record({
  source: end,
  destination: end,
  port: fc.constantFrom(...PORTS),
  protocol,
  isMasked: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.boolean()),
  called: fc.option(
    fc.record({
      address: fc.constantFrom("10.96.0.1", "203.0.113.200", "198.51.100.1"),
      port: fc.constantFrom(...PORTS),
    }),
    { nil: undefined, freq: 4 },
  ),
});

interface Town {
  readonly pods: readonly Pod[];
  readonly host: Pod;
}

/** The pod of that number, else one of {@link OTHERS}. */
function endOf({ pods: list, host }: Town, number: number, isHostPort: boolean): NaiveEnd {
  const pod = list[number];
  if (pod !== undefined) return { address: `10.1.0.${number}`, pod };
  const { isOfHost: _, ...other } = OTHERS[Math.max(0, number - 4)] as (typeof OTHERS)[number];
  return other.node === "node-b" && isHostPort ? { ...other, pod: host } : other;
}

function clusterWith(
  { pods: list, host }: Town,
  policiesOf: readonly NetworkPolicy[],
): ReturnType<typeof clusterOf> {
  return clusterOf([
    ...policiesOf.map((policy) => added("NetworkPolicy", policy)),
    ...[...list, host].map((pod) => added("Pod", pod)),
    ...NODES.map((node) => added("Node", node)),
  ]);
}

test("PolicyVerdict agrees with the API's rules read one by one", () => {
  const told = { denied: 0, admitted: 0, nothing: 0 };
  const property = fc.property(
    policies,
    pods,
    fc.tuple(labels, labels, labels),
    fc.array(flow, { minLength: 10, maxLength: 20 }),
    (list, all, spaces, flows) => {
      const town = { pods: all, host: hostPod(spaces[2]) };
      const namespaceLabels = new Map(NAMESPACES.map((name, index) => [name, spaces[index] ?? labelsOf({})]));
      const directory = clusterWith(town, list);
      for (const [name, of] of namespaceLabels)
        directory.apply(added("Namespace", { name, labels: of }), NOW);
      const attribution = attributionOf(directory, { hostAddresses: HOST_ADDRESSES });
      for (const { isMasked, called: given, ...each } of flows) {
        const isHostPort = each.protocol === "TCP" && each.port === HOST_PORT;
        const source = endOf(town, each.source, false);
        const destination = endOf(town, each.destination, isHostPort);
        const isOther = given?.address !== destination.address || given?.port !== each.port;
        const called = isOther && given && { ...given, isOfHost: HOST_ADDRESSES.includes(given.address) };
        const said = attribute(attribution, {
          ...{ source: source.address, destination: destination.address, port: each.port },
          ...{ protocol: NUMBERS[each.protocol], isSourceTranslated: isMasked },
          ...(given && { called: given }),
        });
        const { port: to, protocol: name } = each;
        const asked = {
          source,
          destination,
          port: to,
          protocol: name,
          isMasked,
          called: called || undefined,
        };
        for (const way of ["Ingress", "Egress"] as const) {
          const wanted = naivePolicies({ policies: list, namespaceLabels }, asked, way);
          if (wanted.length === 0) told.nothing++;
          else told[wanted[0]?.endsWith(" (deny)") ? "denied" : "admitted"]++;
          expect(saidOf(said, `network.policy.${way.toLowerCase()}`) ?? []).toEqual(wanted);
        }
      }
    },
  );
  fc.assert(property, { numRuns: 3000 });
  // None of these is rare, or agreement would mean little.
  expect(Math.min(told.denied, told.admitted, told.nothing)).toBeGreaterThan(3000);
}, 60_000);
