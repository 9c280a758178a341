// A process of a test: started, watched by what it writes, ended by its id. Never outlives the test that disposes it.

import type { Subprocess } from "bun";

/** How a process ended. */
export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessOptions {
  readonly directory?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

const END_MS = 30_000;

/** A running process whose output is kept. */
export class TestProcess implements AsyncDisposable {
  readonly #process: Subprocess<"ignore", "pipe", "pipe">;
  readonly #ended: Promise<Ended>;
  #stdout = "";
  #stderr = "";
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  #isEnded = false;

  constructor(command: readonly string[], options: ProcessOptions = {}) {
    this.#process = Bun.spawn([...command], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      ...(options.directory === undefined ? {} : { cwd: options.directory }),
      ...(options.environment === undefined ? {} : { env: { ...options.environment } }),
    });
    this.#ended = this.#follow();
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** What was written so far. */
  get output(): string {
    return this.#stdout;
  }

  /** What was written to standard error so far. */
  get errors(): string {
    return this.#stderr;
  }

  /** Resolves once `condition` of the output holds. @throws Error with the output, past the deadline or at the end. */
  async until(condition: (process: TestProcess) => boolean, deadlineMs: number = END_MS): Promise<void> {
    const timeout = AbortSignal.timeout(deadlineMs);
    const late = Promise.withResolvers<void>();
    timeout.addEventListener("abort", () => late.resolve(), { once: true });
    while (!condition(this)) {
      if (timeout.aborted || this.#isEnded) {
        const what = this.#isEnded ? "ended" : `not within ${deadlineMs} ms`;
        throw new Error(`process ${what}: ${condition}\n${this.#stderr}${this.#stdout.slice(-2000)}`);
      }
      await Promise.race([this.#wake.promise, late.promise]);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Waits for the end. @throws Error past the deadline; the process is killed then. */
  async ended(deadlineMs: number = END_MS): Promise<Ended> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#process.kill("SIGKILL");
      late.reject(new Error(`process ${this.pid} had to be killed after ${deadlineMs} ms\n${this.#stderr}`));
    }, deadlineMs);
    try {
      return await Promise.race([this.#ended, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  async #follow(): Promise<Ended> {
    await Promise.all([
      this.#read(this.#process.stdout, (text) => {
        this.#stdout += text;
      }),
      this.#read(this.#process.stderr, (text) => {
        this.#stderr += text;
      }),
    ]);
    const exitCode = await this.#process.exited;
    this.#isEnded = true;
    this.#turn();
    return { exitCode, stdout: this.#stdout, stderr: this.#stderr };
  }

  async #read(stream: ReadableStream<Uint8Array>, keep: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      keep(decoder.decode(bytes, { stream: true }));
      this.#turn();
    }
  }

  #turn(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** Runs a command to its end and returns its standard output. @throws Error with what it wrote, where it fails. */
export function runCommand(command: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { stdin: "ignore", timeout: END_MS });
  if (exitCode !== 0) throw new Error(`${command.join(" ")} (exit ${exitCode}): ${stderr}${stdout}`);
  return stdout.toString();
}
