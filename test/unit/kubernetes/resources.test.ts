import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KINDS } from "../../../src/kubernetes/kinds.ts";
import type { KubernetesObject } from "../../../src/kubernetes/object.ts";
import type { Kind } from "../../../src/kubernetes/objects.ts";
import { pruneObject } from "../../../src/kubernetes/resources.ts";

const METADATA = { uid: "u1", name: "n1", namespace: "shop", creationTimestamp: "2026-01-02T03:04:05Z" };

describe("pruneObject", () => {
  test("keeps names, labels, owners and the annotations that are asked for", () => {
    const metadata = {
      ...METADATA,
      labels: { app: "cart", empty: "", wrong: 5 },
      annotations: { "team/owner": "a", secret: "b" },
      ownerReferences: [
        { apiVersion: "apps/v1", uid: "u2", kind: "ReplicaSet", name: "rs", controller: true },
      ],
      managedFields: [{ manager: "kubectl" }],
    };
    expect(prune("Namespace", { metadata, spec: { finalizers: ["kubernetes"] } })).toEqual({
      uid: "u1",
      name: "n1",
      namespace: "shop",
      createdTime: Date.UTC(2026, 0, 2, 3, 4, 5),
      labels: new Map([
        ["app", "cart"],
        ["empty", ""],
      ]),
      annotations: new Map([["team/owner", "a"]]),
      owners: [{ apiVersion: "apps/v1", uid: "u2", kind: "ReplicaSet", name: "rs", isController: true }],
    });
  });

  test("keeps no label and no annotation that is too long to be told", () => {
    const [most, more] = ["team/".padEnd(1024, "x"), "team/".padEnd(1025, "x")];
    const pairs = { [most]: most, [more]: "", "team/long": more };
    const pruned = prune("Namespace", { metadata: { ...METADATA, labels: pairs, annotations: pairs } });
    const kept = new Map([[most, most]]);
    expect([pruned?.labels, pruned?.annotations]).toEqual([kept, kept]);
  });

  test("keeps of a pod its addresses, its node and what runs as long as it does", () => {
    const port = { name: "http", containerPort: 8080, hostPort: 80 };
    const spec = {
      nodeName: "node-1",
      hostNetwork: true,
      containers: [
        { name: "main", image: "main:1", ports: [port, { containerPort: 0 }], env: [{ name: "A" }] },
      ],
      initContainers: [
        { name: "sidecar", image: "sidecar:1", restartPolicy: "Always" },
        { name: "once", image: "once:1" },
      ],
    };
    const status = {
      phase: "Running",
      podIP: "10.1.0.1",
      podIPs: [{ ip: "10.1.0.1" }, { ip: "fd00::1" }],
      hostIP: "192.0.2.1",
      startTime: "2026-01-02T03:04:06Z",
    };
    expect(prune("Pod", { metadata: METADATA, spec, status })).toMatchObject({
      nodeName: "node-1",
      isHostNetwork: true,
      podIPs: ["10.1.0.1", "fd00::1"],
      hostIPs: ["192.0.2.1"],
      containers: [
        { name: "main", image: "main:1", ports: [{ ...port, protocol: "TCP" }] },
        { name: "sidecar", image: "sidecar:1", ports: [] },
      ],
      startTime: Date.UTC(2026, 0, 2, 3, 4, 6),
      endTime: undefined,
    });
  });

  test("keeps of a pod on the host's network how the node's runtime knows its containers", () => {
    const [now, before, sidecar] = ["a", "b", "c"].map((digit) => `containerd://${digit.repeat(64)}`);
    const status = {
      containerStatuses: [
        { name: "main", containerID: now, lastState: { terminated: { containerID: before } } },
        { name: "waiting", containerID: "" },
        { name: "wrong", containerID: "containerd://abc" },
      ],
      initContainerStatuses: [{ name: "sidecar", containerID: sidecar }],
    };
    const hostOf = (spec: object, more: object = {}): unknown =>
      Object(prune("Pod", { metadata: METADATA, spec, status: { ...status, ...more } })).host;
    const host = {
      startMs: Date.UTC(2026, 0, 2, 3, 4, 5),
      endMs: Number.POSITIVE_INFINITY,
      containerIds: [
        { id: "aaaaaaaaaaaa", name: "main" },
        { id: "bbbbbbbbbbbb", name: "main" },
        { id: "cccccccccccc", name: "sidecar" },
      ],
      staticUid: "",
    };
    expect(hostOf({ hostNetwork: true })).toEqual(host);
    const startTime = "2026-01-02T03:04:06Z";
    expect(hostOf({ hostNetwork: true }, { startTime, phase: "Failed" })).toEqual({
      ...{ ...host, startMs: Date.UTC(2026, 0, 2, 3, 4, 6), endMs: Date.UTC(2026, 0, 2, 3, 4, 6) },
    });
    expect(hostOf({})).toBeUndefined();
  });

  test("keeps of a static pod's mirror the kubelet's uid, and believes no other pod that has one", () => {
    const hash = "0123456789abcdef".repeat(2);
    const staticUidOf = (annotations: object): unknown =>
      Object(prune("Pod", { metadata: { ...METADATA, annotations }, spec: { hostNetwork: true } })).host
        ?.staticUid;
    const [mirror, config] = ["kubernetes.io/config.mirror", "kubernetes.io/config.hash"];
    expect(staticUidOf({ [mirror]: hash, [config]: hash })).toBe(hash);
    expect(staticUidOf({ [config]: hash })).toBe("");
    expect(staticUidOf({ [mirror]: hash })).toBe("");
    expect(staticUidOf({ [mirror]: hash, [config]: "../etc" })).toBe("");
  });

  test("ends a pod with its last container, or with the decision that none runs", () => {
    const finished = (finishedAt: string): object => ({ state: { terminated: { finishedAt } } });
    const containerStatuses = [finished("2026-01-02T03:00:00Z"), finished("2026-01-02T04:00:00Z")];
    const end = { endTime: Date.UTC(2026, 0, 2, 4) };
    expect(
      prune("Pod", { metadata: METADATA, status: { phase: "Succeeded", containerStatuses } }),
    ).toMatchObject(end);
    expect(
      prune("Pod", { metadata: METADATA, status: { phase: "Running", containerStatuses } }),
    ).toMatchObject({
      endTime: undefined,
    });
    const conditions = [{ lastTransitionTime: "2026-01-02T04:00:00Z" }];
    expect(prune("Pod", { metadata: METADATA, status: { phase: "Failed", conditions } })).toMatchObject(end);
  });

  test("keeps the addresses of nodes, without their names", () => {
    const addresses = [
      { type: "InternalIP", address: "192.0.2.1" },
      { type: "ExternalIP", address: "192.0.2.1" },
      { type: "Hostname", address: "node-1" },
      { type: "InternalIP", address: "fd00::1" },
    ];
    expect(prune("Node", { metadata: METADATA, status: { addresses } })).toMatchObject({
      addresses: ["192.0.2.1", "fd00::1"],
    });
  });

  test("keeps the networks that nodes give pods addresses from", () => {
    const networks = (spec: object): unknown => prune("Node", { metadata: METADATA, spec });
    expect(networks({ podCIDR: "10.1.0.0/24", podCIDRs: ["10.1.0.0/24", "fd00::/64", "x"] })).toMatchObject({
      podCIDRs: ["10.1.0.0/24", "fd00::/64"],
    });
    expect(networks({ podCIDR: "10.1.0.0/24" })).toMatchObject({ podCIDRs: ["10.1.0.0/24"] });
    expect(networks({})).toMatchObject({ podCIDRs: [] });
  });

  test("keeps the addresses, ports and selector of a Service", () => {
    const spec = {
      clusterIP: "10.96.0.10",
      clusterIPs: ["10.96.0.10", "fd00:96::a"],
      externalIPs: ["198.51.100.1"],
      ports: [{ port: 53, nodePort: 30_053, protocol: "UDP" }, { port: 70_000 }],
      selector: { app: "dns" },
    };
    const status = { loadBalancer: { ingress: [{ ip: "198.51.100.2" }, { hostname: "lb.test" }] } };
    expect(prune("Service", { metadata: METADATA, spec, status })).toMatchObject({
      clusterIPs: ["10.96.0.10", "fd00:96::a"],
      externalIPs: ["198.51.100.1"],
      loadBalancerIPs: ["198.51.100.2"],
      ports: [{ port: 53, nodePort: 30_053, protocol: "UDP" }],
      selector: { matchLabels: new Map([["app", "dns"]]), matchExpressions: [] },
    });
    expect(prune("Service", { metadata: METADATA, spec: { clusterIP: "None" } })).toMatchObject({
      clusterIPs: [],
      selector: undefined,
    });
  });

  test("keeps of a slice what is outside of pods, and no names", () => {
    const endpoints = [
      { addresses: ["192.0.2.7"] },
      { addresses: ["10.1.0.1"], targetRef: { kind: "Pod", name: "a" } },
    ];
    const metadata = { ...METADATA, labels: { "kubernetes.io/service-name": "outside" } };
    const slice = { metadata, addressType: "IPv4", endpoints, ports: [{ port: 443, protocol: "TCP" }, {}] };
    expect(prune("EndpointSlice", slice)).toMatchObject({
      serviceName: "outside",
      addresses: ["192.0.2.7"],
      ports: [
        { port: 443, protocol: "TCP" },
        { port: undefined, protocol: "TCP" },
      ],
    });
    expect(prune("EndpointSlice", { ...slice, addressType: "FQDN" })).toMatchObject({ addresses: [] });
  });

  test("keeps the rules of a NetworkPolicy, without making any of them wider", () => {
    const spec = {
      podSelector: { matchLabels: { app: "db" } },
      policyTypes: ["Ingress"],
      ingress: [
        {
          from: [
            { podSelector: {}, namespaceSelector: { matchLabels: { team: "a" } } },
            { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } },
          ],
          ports: [
            { port: "sql", protocol: "TCP" },
            { port: 8000, endPort: 8010, protocol: "UDP" },
            { port: {} },
          ],
        },
      ],
    };
    const anything = { matchLabels: new Map(), matchExpressions: [] };
    expect(prune("NetworkPolicy", { metadata: METADATA, spec })).toMatchObject({
      podSelector: { matchLabels: new Map([["app", "db"]]) },
      policyTypes: ["Ingress"],
      ingress: [
        {
          peers: [
            {
              podSelector: anything,
              namespaceSelector: { matchLabels: new Map([["team", "a"]]) },
              ipBlock: undefined,
            },
            {
              podSelector: undefined,
              namespaceSelector: undefined,
              ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] },
            },
          ],
          ports: [
            { port: "sql", protocol: "TCP", endPort: undefined },
            { port: 8000, protocol: "UDP", endPort: 8010 },
            { port: "", protocol: "TCP", endPort: undefined },
          ],
        },
      ],
      egress: [],
    });
    for (const types of [undefined, null, []]) {
      const bare = { podSelector: {}, policyTypes: types };
      expect(prune("NetworkPolicy", { metadata: METADATA, spec: bare })).toMatchObject({
        policyTypes: undefined,
      });
    }
    const peer = { podSelector: undefined, namespaceSelector: undefined, ipBlock: undefined };
    for (const [from, peers] of [
      [undefined, []],
      [[], []],
      [[{}], [peer]],
      [["all"], [peer]],
      [{}, [peer]],
    ]) {
      expect(prune("NetworkPolicy", { metadata: METADATA, spec: { ingress: [{ from }] } })).toMatchObject({
        ingress: [{ peers, ports: [] }],
      });
    }
  });

  test("reads an expression that it does not know as one that nothing fits", () => {
    const matchExpressions = [
      { key: "tier", operator: "NotIn", values: ["", "back"] },
      { key: "tier", operator: "Near", values: ["x"] },
    ];
    expect(
      prune("Deployment", { metadata: METADATA, spec: { selector: { matchExpressions } } }),
    ).toMatchObject({
      selector: {
        matchExpressions: [
          { key: "tier", operator: "NotIn", values: ["", "back"] },
          { key: "tier", operator: "In", values: [] },
        ],
      },
    });
  });

  test("has no object of what lacks a name or a uid, and throws for no JSON at all", () => {
    expect(prune("Pod", { metadata: { name: "n" } })).toBeUndefined();
    const shapes = fc.record({
      metadata: fc.oneof(fc.jsonValue(), fc.constant({ ...METADATA, labels: [1], ownerReferences: {} })),
      spec: fc.oneof(
        fc.jsonValue(),
        fc.record({
          containers: fc.jsonValue(),
          ports: fc.array(fc.jsonValue()),
          selector: fc.jsonValue(),
          ingress: fc.array(fc.record({ from: fc.jsonValue(), ports: fc.array(fc.jsonValue()) })),
        }),
      ),
      status: fc.jsonValue(),
      endpoints: fc.array(fc.jsonValue()),
      subsets: fc.oneof(fc.constant(undefined), fc.array(fc.jsonValue())),
    });
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), fc.oneof(fc.jsonValue(), shapes), (kind, json) => {
        prune(kind, json);
      }),
      { numRuns: 2000 },
    );
  });
});

function prune(kind: Kind, json: unknown): KubernetesObject | undefined {
  const keepsAnnotation = (_: Kind, key: string): boolean => key.startsWith("team/");
  return pruneObject(kind, json, { type: "added", keepsAnnotation })?.object;
}
