// Somebody else's BPF program on a device of a namespace, beside the agent's.

import { join } from "node:path";
import * as v from "valibot";
import type { Host } from "./namespace-pair.ts";
import { runCommand } from "./namespace-process.ts";

/** What the program makes of an IPv4 packet. */
export type Verdict = "next" | "drop" | Loss;

/** Drops one in so many of the packets that have at least so many bytes, link header included. */
export interface Loss {
  readonly every: number;
  readonly leastBytes: number;
}

/** Where it stands: among the TCX programs, or as a filter of a priority on clsact. */
export type Place =
  | { readonly kind: "tcx"; readonly order: "first" | "last" }
  | { readonly kind: "clsact"; readonly priority: number };

/** An attached program. */
export interface Foreign {
  /** IPv4 packets that reached it, of a loss those long enough. */
  count(): number;
}

const SOURCE: string = new URL("./namespace-foreign.bpf.c", import.meta.url).pathname;
const ATTACHER: string = new URL("./namespace-foreign-tcx.ts", import.meta.url).pathname;
const VERDICTS = { next: -1, drop: 2 } as const;

const mapsSchema = v.array(v.looseObject({ id: v.number(), name: v.optional(v.string()) }));
const entriesSchema = v.tuple([v.looseObject({ formatted: v.looseObject({ value: v.number() }) })]);

/** Attaches the program to a device's ingress; it stays as long as the namespace. */
export async function attachForeign(host: Host, place: Place, verdict: Verdict): Promise<Foreign> {
  const object = join(host.namespace.folder, "foreign.bpf.o");
  const known = new Set(listMaps());
  compileForeign(object, verdict);
  if (place.kind === "tcx") await attachToTcx(host, object, place.order);
  else attachToClsact(host, object, place.priority);
  const map = listMaps().find((id) => !known.has(id));
  if (map === undefined) throw new Error("the program has no map");
  return { count: () => readCount(map) };
}

/** Compiles the program to an object file. */
export function compileForeign(object: string, verdict: Verdict): void {
  const machine = runCommand(["uname", "-m"]).trim();
  const flags = ["-target", "bpf", "-O2", "-g", `-I/usr/include/${machine}-linux-gnu`];
  const isLoss = typeof verdict === "object";
  const number = VERDICTS[isLoss ? "drop" : verdict];
  const loss = isLoss ? [`-DEVERY=${verdict.every}`, `-DLEAST_BYTES=${verdict.leastBytes}`] : [];
  runCommand(["clang-19", ...flags, `-DVERDICT=(${number})`, ...loss, "-c", SOURCE, "-o", object]);
}

async function attachToTcx({ namespace, device }: Host, object: string, order: string): Promise<void> {
  const ifindex = namespace.run("cat", `/sys/class/net/${device}/ifindex`).trim();
  const holder = namespace.start([process.execPath, ATTACHER, object, ifindex, order]);
  await holder.until(({ output }) => output.includes("attached"));
}

function attachToClsact({ namespace, device }: Host, object: string, priority: number): void {
  const hasQdisc = namespace.run("tc", "qdisc", "show", "dev", device).includes("clsact");
  if (!hasQdisc) namespace.run("tc", "qdisc", "add", "dev", device, "clsact");
  const filter = ["prio", String(priority), "bpf", "direct-action", "object-file", object, "section", "tc"];
  namespace.run("tc", "filter", "add", "dev", device, "ingress", ...filter);
}

function listMaps(): readonly number[] {
  const maps = v.parse(mapsSchema, JSON.parse(runCommand(["bpftool", "--json", "map", "show"])));
  return maps.filter(({ name }) => name === "foreign_count").map(({ id }) => id);
}

function readCount(map: number): number {
  const text = runCommand(["bpftool", "--json", "map", "dump", "id", String(map)]);
  return v.parse(entriesSchema, JSON.parse(text))[0].formatted.value;
}
