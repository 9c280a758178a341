// argv, signals, exit code. The only place that ends the process.

import { runAgent } from "./agent.ts";
import { bpfCommand } from "./bpf-command.ts";
import { SCHEMA_VERSION } from "./capture/record.ts";
import { checkCommand } from "./check.ts";
import { type Command, parseCommand } from "./cli.ts";
import { loadConfig } from "./config/load.ts";
import { ConfigError } from "./config/problem.ts";
import { describeFileError } from "./lib/file-error.ts";
import { replayCommand } from "./replay-command.ts";
import { BUILD } from "./version.ts";

const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** What commands wrote to standard output: each the error that it met, or none. */
const writes: Promise<Error | undefined>[] = [];

process.exit(await main(parseCommand(process.argv.slice(2))));

async function main(command: Command): Promise<number> {
  try {
    const code = await execute(command);
    await checkWrites();
    return code;
  } catch (error) {
    console.error(error instanceof ConfigError ? error.message : `mermin: ${describe(error)}`);
    return error instanceof ConfigError ? EXIT.usage : EXIT.failed;
  }
}

async function execute(command: Command): Promise<number> {
  switch (command.kind) {
    case "run":
      await runAgent(loadConfig(command.options), abortOnSignals());
      return EXIT.done;
    case "replay":
      return await replayCommand(command, abortOnSignals());
    case "check":
      return checkCommand(command.options, {
        standardOutput: print,
        standardError: (text) => process.stderr.write(text),
      });
    case "bpf":
      return bpfCommand(command.action, command.options, print);
    case "version":
      print(`mermin ${BUILD.version} commit ${BUILD.commit} schema ${SCHEMA_VERSION}\n`);
      return EXIT.done;
    case "help":
      print(command.text);
      return EXIT.done;
    case "usage":
      console.error(`mermin: ${command.problem}`);
      return EXIT.usage;
    default:
      command satisfies never;
      return EXIT.usage;
  }
}

function print(text: string): void {
  writes.push(new Promise((resolve) => process.stdout.write(text, (error) => resolve(error ?? undefined))));
}

/**
 * Waits for all that was printed. A reader that has seen enough and went is no failure.
 * @throws Error where it cannot be written
 */
async function checkWrites(): Promise<void> {
  for (const error of await Promise.all(writes)) {
    if (error === undefined || ("code" in error && error.code === "EPIPE")) continue;
    throw new Error(`Cannot write to standard output: ${describeFileError(error)}`, { cause: error });
  }
}

/** The first SIGINT or SIGTERM asks for an orderly end, the second ends at once; the kernel then frees what is held. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.failed);
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}

/** One line, whatever was thrown. */
function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s*\n\s*/g, "; ");
}
