// A large cluster as its API server tells it: lists in pages, watches with changes, and what was asked of it. A process of
// its own; answers without TLS. Usage: bun bench/cluster-server.ts PORT

const SIZE = { pods: 20_000, services: 5_000, nodes: 1_000, policies: 500, namespaces: 200, owners: 2_000 };
const CHANGES_PER_S = 100;
const TURN_MS = 100;
/** What a kubelet and controllers write into an object beside what anybody reads: a pod has 10 KB with it. */
const MANAGED_BYTES = 7000;
const UNREAD = "f:metadata ".repeat(MANAGED_BYTES / 11);

interface Served {
  readonly apiVersion: string;
  readonly kind: string;
  readonly count: number;
  readonly make: (number: number, life: number) => object;
}

const addressOf = (number: number): string =>
  `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
const nodeAddress = (number: number): string => `172.16.${number >> 8}.${number & 255}`;
const namespaceOf = (number: number): string => `namespace-${number % SIZE.namespaces}`;
const uidOf = (kind: string, number: number): string =>
  `${kind}0000000-0000-4000-8000-${String(number).padStart(12, "0")}`;

function metadata(kind: string, number: number, rest: object): object {
  const uid = uidOf(kind, number);
  return { uid, resourceVersion: String(1000 + number), creationTimestamp: "2026-01-01T00:00:00Z", ...rest };
}

function pod(number: number, life: number): object {
  const app = Math.floor(number / 10);
  const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: `app-${app}-7d4b9`, uid: uidOf("e", app) };
  return {
    metadata: metadata("a", number + life * SIZE.pods, {
      name: `app-${app}-7d4b9-${number}`,
      namespace: namespaceOf(app),
      labels: { app: `app-${app}`, "pod-template-hash": `7d4b9${app}`, tier: `tier-${app % 5}` },
      annotations: { "example.org/checksum": String(number).repeat(8) },
      ownerReferences: [{ ...owner, controller: true }],
      managedFields: [{ manager: "kubelet", fieldsV1: UNREAD }],
    }),
    spec: {
      nodeName: `node-${number % SIZE.nodes}`,
      containers: [
        {
          name: "app",
          image: `registry.example.org/team/app-${app}:1.2.3`,
          ports: [{ name: "http", containerPort: 8080 }],
          env: Array.from({ length: 20 }, (_, i) => ({ name: `VARIABLE_${i}`, value: `value-${i}-${app}` })),
        },
      ],
    },
    status: {
      phase: "Running",
      startTime: "2026-01-01T00:00:00Z",
      podIPs: [{ ip: addressOf(number) }, { ip: `fd00::${number.toString(16)}` }],
      hostIPs: [{ ip: nodeAddress(number % SIZE.nodes) }],
    },
  };
}

function service(number: number): object {
  const clusterIPs = [`10.96.${number >> 8}.${number & 255}`];
  const name = `service-${number}`;
  return {
    metadata: metadata("c", number, { name, namespace: namespaceOf(number) }),
    spec: { clusterIPs, selector: { app: `app-${number}` }, ports: [{ port: 80, protocol: "TCP" }] },
  };
}

function slice(number: number): object {
  const endpoints = Array.from({ length: 4 }, (_, i) => {
    const target = (number * 4 + i) % SIZE.pods;
    return { addresses: [addressOf(target)], targetRef: { kind: "Pod", uid: uidOf("a", target) } };
  });
  const labels = { "kubernetes.io/service-name": `service-${number}` };
  const name = `service-${number}-x7`;
  return {
    metadata: metadata("d", number, { name, namespace: namespaceOf(number), labels }),
    ...{ addressType: "IPv4", endpoints, ports: [{ port: 8080, protocol: "TCP" }] },
  };
}

function node(number: number): object {
  const labels = { "topology.kubernetes.io/zone": `zone-${number % 3}` };
  const managedFields = [{ fieldsV1: UNREAD }];
  return {
    metadata: metadata("f", number, { name: `node-${number}`, labels, managedFields }),
    status: { addresses: [{ type: "InternalIP", address: nodeAddress(number) }] },
  };
}

function policy(number: number): object {
  const podSelector = { matchLabels: { tier: `tier-${number % 5}` } };
  const from = [{ podSelector, namespaceSelector: {} }, { ipBlock: { cidr: "192.0.2.0/24" } }];
  return {
    metadata: metadata("b", number, { name: `policy-${number}`, namespace: namespaceOf(number) }),
    spec: { podSelector, ingress: [{ from, ports: [{ protocol: "TCP", port: 8080 }] }] },
  };
}

function replicaSet(number: number): object {
  const ownerReferences = [
    { apiVersion: "apps/v1", kind: "Deployment", name: `app-${number}`, uid: uidOf("9", number) },
  ];
  const name = `app-${number}-7d4b9`;
  return { metadata: metadata("e", number, { name, namespace: namespaceOf(number), ownerReferences }) };
}

const named = (kind: string, prefix: string) => (number: number) => ({
  metadata: metadata(kind, number, { name: `${prefix}-${number}`, namespace: namespaceOf(number) }),
});

const SERVED: Readonly<Record<string, Served>> = {
  pods: { apiVersion: "v1", kind: "Pod", count: SIZE.pods, make: pod },
  nodes: { apiVersion: "v1", kind: "Node", count: SIZE.nodes, make: node },
  namespaces: { apiVersion: "v1", kind: "Namespace", count: SIZE.namespaces, make: named("8", "namespace") },
  services: { apiVersion: "v1", kind: "Service", count: SIZE.services, make: service },
  endpointslices: {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    count: SIZE.services,
    make: slice,
  },
  replicasets: { apiVersion: "apps/v1", kind: "ReplicaSet", count: SIZE.owners, make: replicaSet },
  deployments: { apiVersion: "apps/v1", kind: "Deployment", count: SIZE.owners, make: named("9", "app") },
  networkpolicies: {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    count: SIZE.policies,
    make: policy,
  },
};

/** Asked of it so far; times in ms of this process. */
const asked = { listedBytes: 0, lists: 0, watches: 0, changes: 0, firstMs: 0, syncedMs: 0 };

function answer(request: Request): Response {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/asked") return Response.json(asked);
  if (asked.firstMs === 0) asked.firstMs = performance.now();
  const resource = pathname.slice(pathname.lastIndexOf("/") + 1);
  if (resource === "gateways") return Response.json({ kind: "Status" }, { status: 404 });
  if (searchParams.has("watch")) {
    asked.watches++;
    // The last kind that begins to watch has listed all.
    asked.syncedMs = performance.now();
    return resource === "pods" ? changes() : new Response(new ReadableStream());
  }
  return list(SERVED[resource], searchParams);
}

function list(served: Served | undefined, query: URLSearchParams): Response {
  const from = Number(query.get("continue") ?? 0);
  const to = Math.min(from + Number(query.get("limit")), served?.count ?? 0);
  const items = Array.from({ length: Math.max(0, to - from) }, (_, i) => served?.make(from + i, 0));
  const next = served !== undefined && to < served.count ? { continue: String(to) } : {};
  const text = JSON.stringify({ metadata: { resourceVersion: "100000", ...next }, items });
  asked.lists++;
  asked.listedBytes += text.length;
  return new Response(text, { headers: { "content-type": "application/json" } });
}

/** Pods that go, and come again under another uid with the same addresses. */
function changes(): Response {
  let next = 0;
  let version = 100_000;
  let timer: ReturnType<typeof setInterval> | undefined;
  const line = (type: string, number: number, life: number): string => {
    const object = pod(number, life) as { readonly metadata: object };
    const told = { ...object.metadata, resourceVersion: String(++version) };
    return `${JSON.stringify({ type, object: { ...object, metadata: told } })}\n`;
  };
  const body = new ReadableStream<string>({
    start(controller): void {
      timer = setInterval(() => {
        for (let i = 0; i < (CHANGES_PER_S * TURN_MS) / 2000; i++) {
          const [number, life] = [next % SIZE.pods, Math.floor(next / SIZE.pods)];
          controller.enqueue(line("DELETED", number, life) + line("ADDED", number, life + 1));
          next++;
          asked.changes += 2;
        }
      }, TURN_MS);
    },
    cancel(): void {
      clearInterval(timer);
    },
  });
  return new Response(body);
}

Bun.serve({ hostname: "127.0.0.1", port: Number(process.argv[2]), idleTimeout: 0, fetch: answer });
console.log("ready");

export {};
