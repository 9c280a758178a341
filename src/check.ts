// `mermin check`: the config as the agent would run it, or what is wrong with it.

import { readDefaultRoutes } from "./capture/host.ts";
import { describeSplitLevels, findSplitLevels } from "./capture/key-levels.ts";
import { loadLibrary } from "./capture/library.ts";
import { type Link, linkLayerOf, listLinks } from "./capture/links.ts";
import { compileSelection } from "./capture/selection.ts";
import type { ConfigOptions } from "./cli.ts";
import { loadConfig } from "./config/load.ts";
import { printConfig } from "./config/print.ts";
import { ConfigError } from "./config/problem.ts";
import type { Config } from "./config/schema.ts";

/** Where the command writes: whole texts with their newlines. */
export interface CheckOutput {
  readonly standardOutput: (text: string) => void;
  readonly standardError: (text: string) => void;
}

/**
 * Prints the effective config as TOML, or one line for each error; returns the exit code, 0 or 2. What is no error but
 * would surprise on this machine is a line on standard error.
 */
export function checkCommand(options: ConfigOptions, output: CheckOutput): number {
  try {
    const config = loadConfig(options);
    output.standardOutput(printConfig(config));
    for (const warning of findWarnings(config)) output.standardError(`warning: ${warning}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    output.standardError(`${error.message}\n`);
    return 2;
  }
}

function findWarnings(config: Config): readonly string[] {
  const { key_includes } = config.flow;
  if (key_includes.length === 0) return [];
  const links = findLinks();
  const isWanted = compileSelection(config.capture);
  const watched = links.filter((link) => isWanted(link) && linkLayerOf(link) !== undefined);
  const devices = { watched, links, defaultRoutes: readDefaultRoutes() };
  return findSplitLevels(key_includes, devices).map(describeSplitLevels);
}

/** Where interfaces cannot be listed, a config can be checked all the same. */
function findLinks(): readonly Link[] {
  try {
    return listLinks(loadLibrary());
  } catch {
    return [];
  }
}
