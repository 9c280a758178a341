// `mermin check`: the config as the agent would run it, or what is wrong with it.

import type { ConfigOptions } from "./cli.ts";
import { loadConfig } from "./config/load.ts";
import { printConfig } from "./config/print.ts";
import { ConfigError } from "./config/problem.ts";

/** Where the command writes: whole texts with their newlines. */
export interface CheckOutput {
  readonly standardOutput: (text: string) => void;
  readonly standardError: (text: string) => void;
}

/** Prints the effective config as TOML, or one line for each error; returns the exit code, 0 or 2. */
export function checkCommand(options: ConfigOptions, output: CheckOutput): number {
  try {
    output.standardOutput(printConfig(loadConfig(options)));
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    output.standardError(`${error.message}\n`);
    return 2;
  }
}
