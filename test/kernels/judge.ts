// Compares what a guest brought back with what had to be seen there. Pure: files in, checks out.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Check, check, demandCode, demandNone, findWarnings, type HookMode, read } from "./evidence.ts";
import { compareTunnel, isOpaque, judgeOpaque, judgeWire } from "./judge-tunnel.ts";
import type { Scenario } from "./scenario.ts";
import { type PlannedExchange, planExchanges } from "./script.ts";
import {
  formatConversation,
  groupFlows,
  parseSpans,
  type Span,
  sumAttribute,
  type ToldFlow,
} from "./spans.ts";
import { type Amount, expectFlow, parseCounters, type Testimony } from "./witness.ts";

/** Where a scenario's results lie, and what the kernel is expected to offer. */
export interface Evidence {
  readonly scenario: Scenario;
  /** Place among the scenarios, as given to planExchanges. */
  readonly index: number;
  readonly folder: string;
  readonly mode: HookMode;
}

/** Every check of one scenario. */
export function judgeScenario(evidence: Evidence): Check[] {
  const { scenario, folder } = evidence;
  const planned = planExchanges(scenario, evidence.index);
  const label = (what: string): string => `${scenario.name}: ${what}`;
  const flows = (): Map<string, ToldFlow> => groupFlows(parseSpans(read(folder, "spans.ndjson")));
  const { opaque = [], wire } = scenario;
  return [
    check(label("devices are set up"), () => demandCode(folder, "setup")),
    ...(scenario.whenStarted === undefined
      ? []
      : [check(label("what comes later is set up"), () => demandCode(folder, "started"))]),
    check(label(`attaches by ${scenario.attachMode ?? evidence.mode} where it should`), () =>
      judgeHooks(evidence),
    ),
    ...planned.map((one) =>
      check(
        label(`${one.exchange.isHidden ? "hides" : "counts"} ${one.exchange.name} ${one.kind} exactly`),
        () => judgeExchange(evidence, one, flows()),
      ),
    ),
    ...opaque.map((one) =>
      check(label(`tells ${one.transport} ${one.ends.join(" - ")} as what it is`), () =>
        demandNone(judgeOpaque(flows(), one)),
      ),
    ),
    ...(wire === undefined
      ? []
      : [check(label(`tells all that ${wire.device} carried`), () => judgeCarried(folder, wire, flows()))]),
    check(label("tells no other flow"), () => judgeStrangers(scenario, planned, flows())),
    check(label("ends flows for the right reason"), () => judgeEndReasons(scenario, flows())),
    check(label("ends with 0 on SIGTERM"), () => demandCode(folder, "agent")),
    check(label(`warns of ${scenario.warning ?? "nothing"}`), () => judgeWarnings(evidence)),
    check(label("leaves nothing behind"), () => judgeTraces(evidence)),
  ];
}

/** What a kernel says when something in it is wrong; a lock-up that is soft is emulation's. */
const KERNEL_COMPLAINT =
  /WARNING: CPU|WARNING: possible|BUG: (?!soft lockup)|Oops|refcount_t|UBSAN|general protection/;

/** The checks that concern the guest as a whole: `mermin version`, the kernel that was to boot, and what it says. */
export function judgeGuest(folder: string, release: string): Check[] {
  return [
    check("the kernel complains of nothing", () => {
      const lines = read(folder, "dmesg").split("\n");
      demandNone(lines.filter((line) => KERNEL_COMPLAINT.test(line)).slice(0, 3));
    }),
    check("runs the kernel that was asked for", () => {
      const seen = read(folder, "release").trim();
      if (seen !== release) throw new Error(`${seen} instead of ${release}`);
    }),
    check("mermin version answers", () => {
      demandCode(folder, "version");
      if (!/\d+\.\d+\.\d+/.test(read(folder, "version"))) throw new Error("no version in its output");
    }),
  ];
}

/** A complaint about a scenario that the guest had to cut short; nothing about any other. */
export function judgeTime(folder: string, name: string): Check[] {
  const cut = join(folder, "cut_short");
  if (!existsSync(cut)) return [];
  return [
    { name: `${name}: ends in time`, complaint: `cut short after ${read(folder, "cut_short").trim()} s` },
  ];
}

function judgeWarnings({ folder, scenario: { warning } }: Evidence): void {
  demandNone(findWarnings(folder, ["agent"], warning));
  if (warning !== undefined && !read(folder, "agent.log").includes(warning)) throw new Error("it does not");
}

/** TCX programs and bpf filters of a device, in and out, as guest/steps.sh prints them. */
function formatHooks(best: HookMode, used: HookMode | "nothing"): string {
  const programs = best === "clsact" ? "none none" : used === "tcx" ? "1 1" : "0 0";
  return `${programs} ${used === "clsact" ? "1 1" : "0 0"}`;
}

function judgeHooks({ scenario, folder, mode }: Evidence): void {
  const seen = new Map(
    read(folder, "hooks")
      .split("\n")
      .map((line): [string, string] => {
        const [device = "", ...rest] = line.split(" ");
        return [device, rest.join(" ")];
      }),
  );
  const wanted = [
    ...scenario.hooked.map((device): [string, string] => [
      device,
      formatHooks(mode, scenario.attachMode ?? mode),
    ]),
    ...(scenario.unhooked ?? []).map((device): [string, string] => [device, formatHooks(mode, "nothing")]),
  ];
  const wrong = wanted.filter(([device, hooks]) => seen.get(device) !== hooks);
  if (wrong.length === 0) return;
  const list = wrong.map(([device, hooks]) => `${device} "${seen.get(device) ?? ""}" instead of "${hooks}"`);
  throw new Error(`TCX programs and filters, in and out: ${list.join(", ")}`);
}

function conversationOf(planned: PlannedExchange): string {
  const { clientAddress, serverAddress } = planned.exchange;
  const transport = planned.kind === "icmp" && clientAddress.includes(":") ? "icmpv6" : planned.kind;
  return `${transport} ${clientAddress} ${planned.clientPort} > ${serverAddress} ${planned.serverPort}`;
}

function readTestimony(folder: string, id: string, end: "client" | "server"): Testimony {
  return {
    before: parseCounters(read(folder, `${id}.${end}.before`)),
    after: parseCounters(read(folder, `${id}.${end}.after`)),
  };
}

function judgeExchange(evidence: Evidence, planned: PlannedExchange, flows: Map<string, ToldFlow>): void {
  const { folder, scenario } = evidence;
  const { id } = planned;
  demandCode(folder, id);
  const client = readTestimony(folder, id, "client");
  const expected = expectFlow(planned, client, readTestimony(folder, id, "server"));
  const flow = flows.get(conversationOf(planned));
  if (planned.exchange.isHidden) {
    if (flow !== undefined) throw new Error("it was told");
    return;
  }
  if (flow === undefined) throw new Error(`no span of ${conversationOf(planned)}`);
  demandNone([
    ...compareAmount(flow, "", expected.forward),
    ...compareAmount(flow, "reverse.", expected.reverse),
    ...flow.spans.flatMap((span) => compareObservation(span, planned, scenario)),
    ...compareTunnel(flow, planned.exchange, expected),
  ]);
}

function judgeCarried(
  folder: string,
  wire: NonNullable<Scenario["wire"]>,
  flows: Map<string, ToldFlow>,
): void {
  const readings = {
    outsideBefore: read(folder, "wire.outside.before"),
    insideBefore: read(folder, "wire.inside.before"),
    insideAfter: read(folder, "wire.inside.after"),
    outsideAfter: read(folder, "wire.outside.after"),
  };
  demandNone(judgeWire(flows, wire, readings));
}

function compareAmount(flow: ToldFlow, way: "" | "reverse.", expected: Amount): string[] {
  const last = flow.spans.at(-1);
  return (["packets", "bytes"] as const).flatMap((unit) => {
    const told = sumAttribute(flow, `flow.${way}${unit}.delta`);
    const total = last?.attributes[`flow.${way}${unit}.total`];
    const wanted = expected[unit];
    return [
      ...(told === wanted ? [] : [`flow.${way}${unit}.delta adds up to ${told} instead of ${wanted}`]),
      ...(total === told ? [] : [`the last flow.${way}${unit}.total is ${total}, the deltas give ${told}`]),
    ];
  });
}

function compareObservation(span: Span, planned: PlannedExchange, scenario: Scenario): string[] {
  const { vlanId, isLayer3Device, authentication } = planned.exchange;
  const attributes = span.attributes;
  const device = attributes["network.interface.name"];
  const vlan = attributes["network.vlan.id"];
  const mac = attributes["network.interface.mac"];
  const spi = attributes["flow.ipsec.ah.spi"];
  return [
    ...compareTranslation(attributes, planned.exchange),
    ...(device !== undefined && scenario.hooked.includes(device) ? [] : [`seen at "${device ?? ""}"`]),
    ...(vlanId === undefined || vlan === (vlanId ?? undefined) ? [] : [`VLAN ${vlan} instead of ${vlanId}`]),
    ...(spi === authentication?.spi ? [] : [`flow.ipsec.ah.spi is ${spi}`]),
    ...(isLayer3Device && mac !== undefined ? [`a MAC address (${mac}) on a device without`] : []),
  ];
}

function compareTranslation(
  attributes: Span["attributes"],
  { translatedAddress, serverAddress, backendAddress = serverAddress }: PlannedExchange["exchange"],
): string[] {
  const backend = translatedAddress === undefined ? undefined : backendAddress;
  const [source, destination] = [
    attributes["flow.nat.source.address"],
    attributes["flow.nat.destination.address"],
  ];
  return [
    ...(source === translatedAddress ? [] : [`translated from ${source} instead of ${translatedAddress}`]),
    ...(destination === backend ? [] : [`translated to ${destination} instead of ${backend}`]),
  ];
}

/** Neighbour, router and listener messages are the kernel's own and no part of an exchange. */
function isKernelsOwn(span: Span): boolean {
  const type = span.attributes["flow.icmp.type.id"];
  return span.attributes["network.transport"] === "icmpv6" && type !== 128 && type !== 129;
}

function judgeStrangers(
  { opaque = [] }: Scenario,
  planned: readonly PlannedExchange[],
  flows: Map<string, ToldFlow>,
): void {
  if (flows.size === 0) throw new Error("no flow was told");
  const known = new Set(planned.map(conversationOf));
  const strangers = [...flows.values()].flatMap(({ spans }) =>
    spans.filter(
      (span) =>
        !isKernelsOwn(span) &&
        !known.has(formatConversation(span.attributes)) &&
        !opaque.some((one) => isOpaque(span, one)),
    ),
  );
  if (strangers.length === 0) return;
  const names = new Set(strangers.map((span) => formatConversation(span.attributes)));
  throw new Error([...names].join(", "));
}

/** A TCP flow closed by both sides says so even where the agent ends before its timeout. */
function judgeEndReasons(scenario: Scenario, flows: Map<string, ToldFlow>): void {
  if (flows.size === 0) throw new Error("no flow was told");
  const wrong = [...flows].flatMap(([conversation, { spans }]) => {
    const last = spans.at(-1);
    if (last === undefined || isKernelsOwn(last)) return [];
    const reason = last.attributes["flow.end_reason"];
    const unclosed = scenario.awaitsTimeouts ? "idle_timeout" : "forced_end";
    const right = last.attributes["network.transport"] === "tcp" ? "end_of_flow_detected" : unclosed;
    return reason === right ? [] : [`${conversation}: ${reason} instead of ${right}`];
  });
  if (wrong.length > 0) throw new Error(wrong.join(", "));
}

/**
 * An agent that finds a clsact qdisc cannot know that it was a crashed one's, and leaves it: empty, it costs
 * and does nothing.
 */
function readTraces({ folder, scenario }: Evidence, name: string): string[] {
  const lines = read(folder, name)
    .split("\n")
    .map((line) => line.trim());
  return scenario.crashesFirst ? lines.filter((line) => !line.includes(" qdisc clsact ")) : lines;
}

function judgeTraces(evidence: Evidence): void {
  const before = readTraces(evidence, "traces.before");
  const after = readTraces(evidence, "traces.after");
  const more = after.filter((line) => !before.includes(line));
  const less = before.filter((line) => !after.includes(line));
  if (more.length + less.length === 0) return;
  throw new Error(`now: ${more.join("; ")} | before: ${less.join("; ")}`);
}
