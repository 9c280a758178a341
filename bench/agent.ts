// The agent as it is shipped, under load: started with a config, watched by its statistics line and by /proc, stopped.

import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Ground } from "./figure.ts";

const BINARY = join(import.meta.dir, "..", "dist", "mermin");
const START_MS = 10_000;
const STOP_MS = 40_000;
/** USER_HZ, in which /proc/PID/stat counts. */
const TICKS_PER_S = 100;

/** The fields of the statistics line that the benchmarks read. */
export interface AgentStatistics {
  readonly active: number;
  readonly created: number;
  readonly packets: number;
  readonly records: number;
  /** Flows told early to make room in the kernel's table, and packets told by themselves as there was none. */
  readonly evicted: number;
  readonly overflow: number;
  /** Every `lost_…` field that is not 0, without its prefix: what, where, why. */
  readonly losses: ReadonlyMap<string, number>;
}

export interface AgentOptions {
  /** TOML after the common part; may open sections. */
  readonly config: string;
  /** Gets standard output; default nobody. */
  readonly outputPath?: string;
  /** A cgroup's cgroup.procs, to enter before the start. */
  readonly cgroupProcs?: string;
}

/** A running agent. */
export class Agent implements AsyncDisposable {
  /** The program, whose other commands a step may need. */
  static readonly binary: string = BINARY;
  readonly pid: number;
  readonly #child: Bun.Subprocess;
  readonly #lines: string[] = [];
  readonly #reading: Promise<void>;
  #statistics: AgentStatistics = readStatistics(new Map());
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(child: Bun.Subprocess<"ignore", "ignore" | Bun.BunFile, "pipe">) {
    this.#child = child;
    this.pid = child.pid;
    this.#reading = this.#read(child.stderr);
  }

  /** Starts an agent on the ground's device and waits until it counts. @throws Error with its log where it does not. */
  static async start(ground: Ground, options: AgentOptions): Promise<Agent> {
    const agent = Agent.launch(ground, options);
    await agent.#until(() => agent.#lines.some((line) => line.includes('"agent started"')), START_MS);
    return agent;
  }

  /** As {@link start}, without waiting. */
  static launch(ground: Ground, options: AgentOptions): Agent {
    const path = join(mkdtempSync(join(ground.directory, "agent-")), "config.toml");
    const common = `log_format = "json"\npipeline.stats_interval = "250ms"\ncapture.interfaces = ["${ground.device}"]\n`;
    writeFileSync(path, `${common}server.enabled = false\nmetrics.enabled = false\n${options.config}`);
    const enter =
      options.cgroupProcs === undefined
        ? []
        : ["sh", "-c", 'echo $$ >"$0" && exec "$@"', options.cgroupProcs];
    const child = Bun.spawn([...enter, BINARY, "run", "-c", path], {
      stdin: "ignore",
      stdout: options.outputPath === undefined ? "ignore" : Bun.file(options.outputPath),
      stderr: "pipe",
    });
    return new Agent(child);
  }

  /** What the last statistics line said. */
  get statistics(): AgentStatistics {
    return this.#statistics;
  }

  /** Waits for a statistics line that `isEnough`. @throws Error where none comes in time. */
  async until(isEnough: (statistics: AgentStatistics) => boolean, timeoutMs: number): Promise<void> {
    await this.#until(() => isEnough(this.#statistics), timeoutMs);
  }

  /** CPU seconds of all threads so far, user and system. */
  cpuSeconds(): number {
    return cpuSecondsOf(`/proc/${this.pid}/stat`);
  }

  /** CPU seconds of the first thread, which captures. */
  captureSeconds(): number {
    return cpuSecondsOf(`/proc/${this.pid}/task/${this.pid}/stat`);
  }

  /**
   * Of the first thread so far: how often it waited, as the capture loop does each 10 ms, and for how long it could have
   * run but for others, in ms.
   */
  captureTurns(): { readonly waits: number; readonly starvedMs: number } {
    const task = `/proc/${this.pid}/task/${this.pid}`;
    const status = readFileSync(`${task}/status`, "utf8");
    const [, waits] = /^voluntary_ctxt_switches:\s+(\d+)/m.exec(status) ?? [];
    const [, starvedNs] = readFileSync(`${task}/schedstat`, "utf8").split(" ");
    return { waits: Number(waits), starvedMs: Number(starvedNs) / 1e6 };
  }

  /** Most bytes that were ever resident. */
  peakMemory(): number {
    return kilobytes(`/proc/${this.pid}/status`, "VmHWM");
  }

  /** Bytes resident, and resident with shared pages divided among their users. */
  memory(): { readonly resident: number; readonly proportional: number } {
    const resident = kilobytes(`/proc/${this.pid}/status`, "VmRSS");
    return { resident, proportional: kilobytes(`/proc/${this.pid}/smaps_rollup`, "Pss") };
  }

  /** Bytes of the BPF maps that it holds open, each counted once. */
  mapMemory(): number {
    const directory = `/proc/${this.pid}/fdinfo`;
    const texts = readdirSync(directory).map((name) => readFileSync(join(directory, name), "utf8"));
    const bytes = new Map(texts.flatMap((text) => mapBytes(text)));
    return [...bytes.values()].reduce((sum, value) => sum + value, 0);
  }

  /** Threads that run now. */
  threads(): number {
    return readdirSync(`/proc/${this.pid}/task`).length;
  }

  /** Asks for an orderly end; {@link statistics} are the last ones then. @throws Error where the agent does not exit with 0. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    const code = await this.#child.exited;
    clearTimeout(timer);
    await this.#reading;
    if (code !== 0) throw new Error(`The agent ended with ${code}: ${this.#lines.slice(-3).join(" ")}`);
  }

  /** Ends it by SIGKILL, without a word to it. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    }
  }

  #take(line: string): void {
    if (!line.includes('"flow statistics"')) {
      this.#lines.push(line);
      return;
    }
    const fields = new Map(
      Object.entries(JSON.parse(line) as object).map(([name, value]) => [name, Number(value)]),
    );
    this.#statistics = readStatistics(fields);
  }

  async #until(isDone: () => boolean, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!isDone()) {
      const left = deadline - performance.now();
      if (left <= 0 || this.#child.exitCode !== null) {
        const last = JSON.stringify(this.#statistics);
        throw new Error(`The agent did not get there: ${last} ${this.#lines.slice(-3).join(" ")}`);
      }
      await Promise.race([this.#wake.promise, Bun.sleep(Math.min(left, 1000)), this.#child.exited]);
    }
  }
}

function readStatistics(fields: ReadonlyMap<string, number>): AgentStatistics {
  const field = (name: string): number => fields.get(name) ?? 0;
  const losses = [...fields].filter(([name]) => name.startsWith("lost_"));
  return {
    active: field("active"),
    created: field("created"),
    packets: field("packets"),
    records: field("records"),
    evicted: field("evicted"),
    overflow: field("packets_overflow"),
    losses: new Map(losses.map(([name, value]) => [name.slice("lost_".length), value])),
  };
}

function cpuSecondsOf(path: string): number {
  // The fields after the name, which is in parentheses and may hold spaces: utime and stime are the 12th and 13th.
  const fields = readFileSync(path, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

/** Id and size of the map that a descriptor is of, as `fdinfo` tells them; none where it is of another thing. */
function mapBytes(text: string): readonly (readonly [id: string, bytes: number])[] {
  const [, bytes] = /^memlock:\s+(\d+)$/m.exec(text) ?? [];
  const [, id] = /^map_id:\s+(\d+)$/m.exec(text) ?? [];
  return bytes === undefined || id === undefined ? [] : [[id, Number(bytes)]];
}

function kilobytes(path: string, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(path, "utf8"));
  if (match === null) throw new Error(`${path} has no ${field}`);
  return Number(match[1]) * 1024;
}
