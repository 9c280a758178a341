// What OpenTelemetry's semantic conventions called things in other versions: a change of theirs is a row here.

/** Versions that names can be those of, newest first. Where a version is not here, the next older one's names are its. */
export const SEMCONV_VERSIONS = ["1.30", "1.29"] as const;

export type SemconvVersion = (typeof SEMCONV_VERSIONS)[number];

/** By version: what it calls attributes that the table names as the newest does. */
const NAMES: Readonly<Record<SemconvVersion, ReadonlyMap<string, string>>> = {
  "1.30": new Map(),
  "1.29": new Map([["network.interface.name", "system.device"]]),
};

/** The name that `version` has for the table's `name`. */
export function nameIn(version: SemconvVersion, name: string): string {
  return NAMES[version].get(name) ?? name;
}
