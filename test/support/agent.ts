// The built agent as a process of a test: its config, its start and its end. Each has a mount namespace and a BPF
// file system of its own, so that an agent of the machine it runs on is neither met nor disturbed.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AgentSpan, parseAgentSpans } from "./agent-spans.ts";
import type { Namespace } from "./namespace.ts";
import type { Ended, TestProcess } from "./namespace-process.ts";

type Setting = string | number | boolean | readonly string[];

/** Sections of the config by their TOML names, over {@link DEFAULTS}. */
export type AgentConfig = Readonly<Record<string, Readonly<Record<string, Setting>>>>;

export interface AgentOptions {
  readonly config?: AgentConfig;
  /** TOML behind that: what a section a name cannot say. */
  readonly toml?: string;
  /** Shell commands in the agent's mount namespace before it is started; default a BPF file system of its own. */
  readonly mounts?: string;
  /** Whose mounts the agent shares instead. */
  readonly mountsOf?: TestProcess;
  /** Words before the agent's own, such as `setpriv`. */
  readonly prefix?: readonly string[];
  readonly directory?: string;
  /** Variables beside PATH. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Default: the built one. */
  readonly binary?: string;
}

/** How the agent ended, its spans read. */
export interface AgentEnd extends Ended {
  readonly spans: readonly AgentSpan[];
  /** Fields of the last statistics line. */
  readonly statistics: ReadonlyMap<string, number>;
}

const BINARY: string = new URL("../../dist/mermin", import.meta.url).pathname;
/** Opened before the mounts that may hide it (a clone below /tmp, say). */
const OPENED_BINARY = "/proc/self/fd/9";
const OWN_BPF_FILE_SYSTEM = "mount -t bpf bpf /sys/fs/bpf";
const STOP_MS = 20_000;

const DEFAULTS: AgentConfig = {
  "export.stdout": { format: "ndjson" },
  server: { enabled: false },
  metrics: { enabled: false },
};

let made = 0;

/** An agent on its way or running. */
export class Agent {
  readonly process: TestProcess;

  constructor(namespace: Namespace, options: AgentOptions = {}) {
    const path = join(namespace.folder, `agent-${++made}.toml`);
    writeFileSync(path, `${formatConfig(options.config ?? {})}\n${options.toml ?? ""}`);
    const { mounts = OWN_BPF_FILE_SYSTEM, mountsOf, prefix = [], directory, binary = BINARY } = options;
    const place =
      mountsOf === undefined
        ? ["unshare", "--mount", "sh", "-c", `exec 9<'${binary}' && ${mounts} && exec "$@"`, "sh"]
        : ["nsenter", `--mount=/proc/${mountsOf.pid}/ns/mnt`];
    const program = mountsOf === undefined ? OPENED_BINARY : binary;
    this.process = namespace.start([...place, ...prefix, program, "run", "-c", path], {
      environment: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...options.environment },
      ...(directory === undefined ? {} : { directory }),
    });
  }

  /** Resolves when every hook is attached and counts. */
  async started(): Promise<this> {
    await this.process.until(({ errors }) => errors.includes("agent started"));
    return this;
  }

  /** Waits for the end that `signal`, if any, brings about. */
  async stopped(signal?: NodeJS.Signals): Promise<AgentEnd> {
    if (signal !== undefined) this.process.signal(signal);
    const ended = await this.process.ended(STOP_MS);
    return { ...ended, spans: parseAgentSpans(ended.stdout), statistics: readStatistics(ended.stderr) };
  }
}

/** Starts an agent and waits until it counts. */
export function startAgent(namespace: Namespace, options: AgentOptions = {}): Promise<Agent> {
  return new Agent(namespace, options).started();
}

/** Holds a mount namespace with a BPF file system of its own, for agents that meet in it. */
export async function holdMounts(namespace: Namespace): Promise<TestProcess> {
  const script = `${OWN_BPF_FILE_SYSTEM} && echo ready && exec sleep infinity`;
  const holder = namespace.start(["unshare", "--mount", "sh", "-c", script]);
  await holder.until(({ output }) => output.includes("ready"));
  return holder;
}

function formatConfig(config: AgentConfig): string {
  const sections = { ...DEFAULTS, ...config };
  return Object.entries(sections)
    .map(([name, settings]) => {
      const lines = Object.entries(settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
      return `${name === "" ? "" : `[${name}]\n`}${lines.join("")}`;
    })
    .toSorted((one, other) => Number(one.startsWith("[")) - Number(other.startsWith("[")))
    .join("\n");
}

function readStatistics(log: string): ReadonlyMap<string, number> {
  const line = log.split("\n").findLast((each) => each.includes(" flow statistics ")) ?? "";
  const fields = [...line.matchAll(/(\w+)=(\d+)/g)];
  return new Map(fields.map(([, name, value]) => [name ?? "", Number(value)]));
}
