// Which interfaces the config means. Comes in: [capture]. Goes out: a predicate over links.

import { compilePatterns } from "../lib/glob.ts";
import type { CaptureConfig } from "./config.ts";
import type { Link } from "./links.ts";

/** Default: what is up, but loopback and the slaves of a bond or team (their master is watched). */
export function compileSelection(
  config: Pick<CaptureConfig, "interfaces" | "exclude">,
): (link: Link) => boolean {
  const isIncluded = compilePatterns(config.interfaces);
  const isExcluded = compilePatterns(config.exclude);
  const isDefault = config.interfaces.length === 0;
  return (link) => {
    if (!link.isUp || link.masterKind === "bond" || link.masterKind === "team") return false;
    if (isExcluded(link.name)) return false;
    if (link.isLoopback) return config.interfaces.includes(link.name);
    return isDefault || isIncluded(link.name);
  };
}
