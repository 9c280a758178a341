// Other programs: run to their end, or kept running. A program that fails is a broken step, and thrown.

/** Runs `command`; returns its standard output. @throws Error with its standard error where it fails. */
export async function run(...command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [output, error, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command.join(" ")}: exit ${code}: ${error.trim() || output.trim()}`);
  return output;
}

/** A program that runs until it is disposed. */
export class Companion implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "inherit">;

  private constructor(child: Bun.Subprocess<"ignore", "pipe", "inherit">) {
    this.#child = child;
  }

  /** Starts it and waits for its first output. @throws Error where it ends before. */
  static async start(...command: readonly string[]): Promise<Companion> {
    const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    reader.releaseLock();
    if (done) throw new Error(`${command.join(" ")}: ended with ${await child.exited}`);
    return new Companion(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

/** Numbers of a line of output, parted by spaces. @throws Error where there are fewer than `count`. */
export function numbers(output: string, count: number): readonly number[] {
  const found = output.trim().split(/\s+/).map(Number);
  if (found.length < count || found.some(Number.isNaN)) throw new Error(`Not ${count} numbers: ${output}`);
  return found;
}
