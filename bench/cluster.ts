// A large cluster in the directory: memory, and what events and look-ups cost. Prints one figure a line, name and value.
// Usage: bun bench/cluster.ts

import { Extractor } from "../src/kubernetes/attributes-extract.ts";
import { type AttributedRecord, Attribution, type RecordAttributes } from "../src/kubernetes/attribution.ts";
import { Directory } from "../src/kubernetes/directory.ts";
import { type AddressQuery, newResolution } from "../src/kubernetes/directory-resolve.ts";
import type { ObjectEvent } from "../src/kubernetes/objects.ts";
import { added, labelsOf, selectorOf, wordsOf } from "../test/unit/kubernetes/objects.ts";

const SIZE = { pods: 20_000, services: 5_000, nodes: 1_000, policies: 500, namespaces: 200 } as const;
const NOW = Date.UTC(2026, 5, 1);
const LOOKUPS = 1_000_000;
const CHANGES = 20_000;
/** Flows that the attribution remembers, and the pods of one node that are one end of them. */
const FLOWS = 100_000;
const OWN_PODS = 110;
const SETTLE_MS = 3000;

/** Distinct strings each time, as they come from a parser. */
function fresh(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string;
}

const uid = (kind: string, number: number): string =>
  fresh(`${kind}0000000-0000-4000-8000-${String(number).padStart(12, "0")}`);
const namespaceOf = (number: number): string => fresh(`namespace-${number % SIZE.namespaces}`);
const addressOf = (number: number): string =>
  `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;

function podEvent(number: number, life = 0): ObjectEvent {
  const app = Math.floor(number / 10);
  const owners = [
    {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      name: `app-${app}-7d4b9`,
      uid: uid("r", app),
      isController: true,
    },
  ];
  return added("Pod", {
    name: `app-${app}-7d4b9-${number}`,
    uid: uid("a", number + life * SIZE.pods),
    namespace: namespaceOf(app),
    labels: labelsOf({
      app: fresh(`app-${app}`),
      "pod-template-hash": fresh(`7d4b9${app}`),
      tier: fresh(`tier-${app % 5}`),
    }),
    owners,
    nodeName: fresh(`node-${number % SIZE.nodes}`),
    podIPs: [addressOf(number), fresh(`fd00::${number.toString(16)}`)],
    hostIPs: [`172.16.${(number % SIZE.nodes) >> 8}.${number % 256}`],
    containers: [
      {
        name: fresh("app"),
        image: fresh(`registry.example.org/team/app-${app}:1.2.3`),
        ports: [{ name: fresh("http"), containerPort: 8080, hostPort: undefined, protocol: "TCP" }],
      },
    ],
    startTime: NOW - 3_600_000,
  });
}

function serviceEvent(number: number): ObjectEvent {
  return added("Service", {
    name: `service-${number}`,
    uid: uid("c", number),
    namespace: namespaceOf(number),
    clusterIPs: [`10.96.${number >> 8}.${number & 255}`],
    selector: selectorOf({ app: fresh(`app-${number}`) }),
  });
}

function policyEvent(number: number): ObjectEvent {
  const peers = [
    {
      podSelector: selectorOf({ tier: `tier-${number % 5}` }),
      namespaceSelector: selectorOf({}),
      ipBlock: undefined,
    },
    {
      podSelector: undefined,
      namespaceSelector: undefined,
      ipBlock: { cidr: "192.0.2.0/24", except: ["192.0.2.128/25"] },
    },
  ];
  return added("NetworkPolicy", {
    name: `policy-${number}`,
    uid: uid("e", number),
    namespace: namespaceOf(number),
    podSelector: selectorOf({ tier: `tier-${number % 5}` }),
    ingress: [{ peers, ports: [{ protocol: "TCP", port: 8080, endPort: undefined }] }],
  });
}

function* cluster(): Generator<ObjectEvent> {
  for (let i = 0; i < SIZE.namespaces; i++)
    yield added("Namespace", { name: namespaceOf(i), uid: uid("f", i) });
  for (let i = 0; i < SIZE.nodes; i++) {
    yield added("Node", {
      name: `node-${i}`,
      uid: uid("d", i),
      addresses: [`172.16.${i >> 8}.${i & 255}`],
      podCIDRs: [fresh(`10.${i >> 8}.${i & 255}.0/24`), fresh(`fd00:${i.toString(16)}::/64`)],
    });
  }
  for (let i = 0; i < SIZE.pods; i++) yield podEvent(i);
  for (let i = 0; i < SIZE.pods / 10; i++) {
    const owners = [
      { apiVersion: "apps/v1", kind: "Deployment", name: `app-${i}`, uid: uid("b", i), isController: true },
    ];
    yield added("ReplicaSet", {
      name: `app-${i}-7d4b9`,
      uid: uid("r", i),
      namespace: namespaceOf(i),
      owners,
    });
    yield added("Deployment", { name: `app-${i}`, uid: uid("b", i), namespace: namespaceOf(i) });
  }
  for (let i = 0; i < SIZE.services; i++) yield serviceEvent(i);
  for (let i = 0; i < SIZE.policies; i++) yield policyEvent(i);
}

/** After the allocator has given back what loading left over. */
async function residentMegabytes(): Promise<number> {
  Bun.gc(true);
  await Bun.sleep(SETTLE_MS);
  return process.memoryUsage.rss() / 1e6;
}

/** Nanoseconds that one of `count` takes. */
function time(count: number, run: (index: number) => void): number {
  const start = performance.now();
  for (let i = 0; i < count; i++) run(i);
  return ((performance.now() - start) * 1e6) / count;
}

async function main(): Promise<void> {
  const before = await residentMegabytes();
  const directory = new Directory({ graceMs: 60_000, keptMs: 120_000 });
  const started = performance.now();
  for (const event of cluster()) directory.apply(event, NOW);
  say("load-ms", performance.now() - started);
  say("resident-mb", (await residentMegabytes()) - before);
  say("objects", directory.size);

  const addresses = Array.from({ length: 1024 }, (_, i) => wordsOf(addressOf((i * 7919) % SIZE.pods)));
  const found = newResolution();
  const query: AddressQuery = {
    words: new Uint32Array(4),
    at: 0,
    port: 8080,
    protocol: 6,
    startMs: NOW,
    isDestination: true,
    isCaller: false,
  };
  const lookUp = (index: number): void => {
    query.words = addresses[index & 1023] as Uint32Array;
    directory.resolve(query, NOW + 60_000, found);
  };
  time(LOOKUPS, lookUp);
  say("lookup-ns", time(LOOKUPS, lookUp));
  await measureRecords(directory, addresses);
  measureChanges(directory);
}

async function measureRecords(directory: Directory, addresses: readonly Uint32Array[]): Promise<void> {
  const options = {
    clusterName: "bench",
    owners: { maxDepth: 5, includeKinds: [], excludeKinds: [] },
    extractor: new Extractor({ labels: [], annotations: [] }),
  };
  const surroundings = { isWhole: (): boolean => true, mayBeHostAddress: (): boolean => false };
  const attribution = new Attribution(directory, options, surroundings);
  const record: AttributedRecord = {
    words: new Uint32Array(8),
    sourceAt: 0,
    destinationAt: 4,
    sourcePort: 50_000,
    destinationPort: 8080,
    calledAt: -1,
    calledPort: 0,
    isSourceTranslated: false,
    protocol: 6,
    startMs: NOW,
    flowId: new Uint32Array(5),
    isLast: true,
    isInitiatorKnown: false,
    isInitiatorSure: true,
  };
  const said: RecordAttributes = { source: undefined, destination: undefined, policies: undefined };
  const attribute = (index: number): void => {
    record.words.set(addresses[index & 1023] as Uint32Array, 0);
    record.words.set(addresses[(index + 1) & 1023] as Uint32Array, 4);
    attribution.attribute(record, NOW + 60_000, said);
  };
  const before = await residentMegabytes();
  time(LOOKUPS, attribute);
  const without = time(LOOKUPS, attribute);
  say("record-ns", without);
  record.isInitiatorKnown = true;
  time(LOOKUPS, attribute);
  say("policies-ns", time(LOOKUPS, attribute) - without);
  say("attributes-mb", (await residentMegabytes()) - before);
  await measureFlows(attribution, record, addresses);
}

/** Flows that are told again and again, between the pods of one node and those of others. */
async function measureFlows(
  attribution: Attribution,
  record: AttributedRecord,
  addresses: readonly Uint32Array[],
): Promise<void> {
  const said: RecordAttributes = { source: undefined, destination: undefined, policies: undefined };
  record.isLast = false;
  const tell = (index: number): void => {
    for (let i = 0; i < 5; i++) record.flowId[i] = Math.imul(index + 1, 0x9e3779b1 + 2 * i);
    record.words.set(addresses[index % OWN_PODS] as Uint32Array, 0);
    record.words.set(addresses[(index * 7919) & 1023] as Uint32Array, 4);
    attribution.attribute(record, NOW + 60_000, said);
  };
  const before = await residentMegabytes();
  time(FLOWS, tell);
  say("flows-mb", (await residentMegabytes()) - before);
}

/** Pods that go and come again under another uid with the same address. */
function measureChanges(directory: Directory): void {
  const events = Array.from({ length: CHANGES / 2 }, (_, i): [ObjectEvent, ObjectEvent] => {
    const gone = podEvent(i);
    const { object } = gone as { object: { uid: string; name: string; namespace: string } };
    return [{ type: "deleted", kind: "Pod", object }, podEvent(i, 1)];
  }).flat();
  let longest = 0;
  const cost = time(CHANGES, (index) => {
    const started = performance.now();
    // 100 changes a second.
    directory.apply(events[index] as ObjectEvent, NOW + index * 10);
    longest = Math.max(longest, performance.now() - started);
  });
  say("change-us", cost / 1000);
  say("longest-change-ms", longest);
}

function say(name: string, value: number): void {
  console.log(`${name} ${value.toFixed(3)}`);
}

await main();
