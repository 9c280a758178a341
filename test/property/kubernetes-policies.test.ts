import { expect, test } from "bun:test";
import fc from "fast-check";
import type { LabelSelector, TransportProtocol } from "../../src/kubernetes/object.ts";
import type { NetworkPolicy, PolicyRule } from "../../src/kubernetes/objects-network.ts";
import type { Pod } from "../../src/kubernetes/objects-workload.ts";
import { clusterOf } from "../unit/kubernetes/cluster.ts";
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
      ports: fc.array(containerPort, { maxLength: 2 }),
    }),
    { minLength: 2, maxLength: 4 },
  )
  .map((list) =>
    list.map(({ ports, ...fields }, index) => {
      const containers = [{ name: "main", image: "x", ports }];
      return objectOf("Pod", { name: `pod${index}`, podIPs: [`10.1.0.${index}`], containers, ...fields });
    }),
  );
const flow = fc.record({
  source: fc.nat(4),
  destination: fc.nat(4),
  port: fc.constantFrom(...PORTS),
  protocol,
});

/** The pod of that number, or an address outside of the cluster. */
function endOf(list: readonly Pod[], number: number): NaiveEnd {
  const pod = list[number];
  return { address: pod === undefined ? `203.0.113.${number * 50}` : `10.1.0.${number}`, pod };
}

function eventsOf(list: readonly NetworkPolicy[], all: readonly Pod[]): Parameters<typeof clusterOf>[0] {
  return [...list.map((policy) => added("NetworkPolicy", policy)), ...all.map((pod) => added("Pod", pod))];
}

test("PolicyVerdict agrees with the API's rules read one by one", () => {
  let denied = 0;
  let admitted = 0;
  const property = fc.property(
    policies,
    pods,
    fc.tuple(labels, labels),
    fc.array(flow, { minLength: 5, maxLength: 10 }),
    (list, all, spaces, flows) => {
      const namespaceLabels = new Map(NAMESPACES.map((name, index) => [name, spaces[index] ?? labelsOf({})]));
      const namespaces = [...namespaceLabels].map(([name, of]) => added("Namespace", { name, labels: of }));
      const attribution = attributionOf(clusterOf([...eventsOf(list, all), ...namespaces]));
      for (const each of flows) {
        const source = endOf(all, each.source);
        const destination = endOf(all, each.destination);
        const said = attribute(attribution, {
          source: source.address,
          destination: destination.address,
          port: each.port,
          protocol: NUMBERS[each.protocol],
        });
        for (const way of ["Ingress", "Egress"] as const) {
          const wanted = naivePolicies(
            { policies: list, namespaceLabels },
            { source, destination, port: each.port, protocol: each.protocol },
            way,
          );
          if (wanted[0]?.endsWith(" (deny)")) denied++;
          else if (wanted.length > 0) admitted++;
          const found = saidOf(said, `network.policy.${way.toLowerCase()}`) ?? [];
          expect(found).toEqual(wanted);
        }
      }
    },
  );
  fc.assert(property, { numRuns: 2000 });
  // Neither verdict is rare, or agreement would mean little.
  expect(Math.min(denied, admitted)).toBeGreaterThan(1000);
}, 60_000);
