// What hangs at the hooks of the agent's namespace at one moment, as show_attachment of guest/lives.sh prints it.

import type { HookMode } from "./evidence.ts";

/** Ours are known by their programs' names. */
const PROGRAM = /^program (\d+) mermin_(ingress|egress) (\d+)$/;
/** Runs for the agent alone, at no hook. */
const TAKER = /^program (\d+) flows_remove \d+$/;
const LINK = /^link (\d+) (\d+) (\d+) (\d+)$/;
const FILTER =
  /^filter (\S+) (ingress|egress) filter .*pref (\d+) bpf .*handle (0x[0-9a-f]+) mermin_\w+:\[\d+\].* id (\d+) /;
const FILTER_HEAD = /^filter \S+ \S+ filter protocol all pref \d+ bpf chain 0 *$/;
const OURS = [PROGRAM, TAKER, FILTER, FILTER_HEAD];

/** One moment of the hooks. */
export interface Attachment {
  /** Ids of our programs by the place they hang at: a filter's handle and priority, or a link's id. */
  readonly ours: ReadonlyMap<string, number>;
  /** How ours hang there; more than one where they should not. */
  readonly modes: ReadonlySet<HookMode>;
  /** Ids of our programs that take flows out of the table and hang nowhere. */
  readonly takers: readonly number[];
  /** Instructions the verifier went through, by the hook's side. */
  readonly instructions: ReadonlyMap<string, number>;
  /** Everything that is not ours, a line each. */
  readonly others: readonly string[];
  /** Ids of TCX programs at veth0's ingress, in the order in which they run. */
  readonly order: readonly number[];
  /** Priorities of our filters. */
  readonly priorities: ReadonlySet<number>;
}

/** Reads a moment. */
export function parseAttachment(text: string): Attachment {
  const lines = text.split("\n").map((line) => line.trimEnd());
  const programs = lines.flatMap((line) => {
    const [, id, side = "", instructions] = PROGRAM.exec(line) ?? [];
    return id === undefined ? [] : [{ id: Number(id), side, instructions: Number(instructions) }];
  });
  const isOurs = new Set(programs.map(({ id }) => id));
  const links = lines.flatMap((line): (readonly [string, number])[] => {
    const [, link, ifindex, type, program] = LINK.exec(line) ?? [];
    return isOurs.has(Number(program)) ? [[`link ${link} at ${ifindex}, ${type}`, Number(program)]] : [];
  });
  const filters = lines.flatMap((line) => {
    const [, device, side, priority, handle, id] = FILTER.exec(line) ?? [];
    const place = `filter ${handle} of priority ${priority} at ${side} of ${device}`;
    return isOurs.has(Number(id)) ? [{ place, id: Number(id), priority: Number(priority) }] : [];
  });
  const order = /^order veth0 ingress(.*)$/m.exec(text)?.[1]?.trim() ?? "";
  return {
    ours: new Map([...links, ...filters.map(({ place, id }) => [place, id] as const)]),
    modes: new Set<HookMode>([...links.map(() => "tcx" as const), ...filters.map(() => "clsact" as const)]),
    takers: lines.flatMap((line) => TAKER.exec(line)?.[1] ?? []).map(Number),
    instructions: new Map(programs.map(({ side, instructions }) => [side, instructions])),
    others: lines.flatMap((line) => withoutOurs(line, isOurs)),
    order: order.split(" ").filter(Boolean).map(Number),
    priorities: new Set(filters.map(({ priority }) => priority)),
  };
}

/** The line without what is ours in it; none where nothing is left. */
function withoutOurs(line: string, isOurs: ReadonlySet<number>): string[] {
  if (line === "" || OURS.some((pattern) => pattern.test(line))) return [];
  if (isOurs.has(Number(LINK.exec(line)?.[4]))) return [];
  if (!line.startsWith("order ")) return [line];
  const words = line.split(" ");
  return [words.filter((word) => !isOurs.has(Number(word))).join(" ")];
}
