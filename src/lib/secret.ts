// Settings whose value is never printed, or is read from a file for as long as the agent runs.

import * as v from "valibot";
import { documented, type SettingFacts, tableOf } from "./setting.ts";

/** A text, or the file that holds it: read again when it changes, its last newline is not part of it. */
export type Secret = string | { readonly file: string };

const MESSAGE = 'must be a string or { file = "path" }';
const ALLOWED = 'string or `{ file = "path" }`';

const secretSchema: v.GenericSchema<unknown, Secret> = v.union(
  [v.string(), v.strictObject({ file: v.string() })],
  MESSAGE,
);

/** One secret; empty where there is none. */
export function secretSetting(facts: SettingFacts): v.GenericSchema<unknown, Secret> {
  return v.pipe(v.optional(secretSchema, ""), documented({ ...facts, form: "secret", allowed: ALLOWED }));
}

/** Secrets under free names, each accepted by `nameProblem`: it returns undefined, or what is wrong with the name. */
export function secretsSetting(
  nameProblem: (name: string) => string | undefined,
  facts: SettingFacts,
): v.GenericSchema<unknown, Readonly<Record<string, Secret>>> {
  const schema = v.pipe(
    tableOf(secretSchema),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const message = Object.keys(dataset.value).map(nameProblem).find(Boolean);
      if (message !== undefined) addIssue({ message });
    }),
  );
  const allowed = 'strings or `{ file = "path" }`';
  return v.pipe(v.optional(schema, {}), documented({ ...facts, form: "secrets", allowed }));
}

/** The path of a file, empty where there is none; a relative one starts at the folder of the config file. */
export function pathSetting(facts: SettingFacts): v.GenericSchema<unknown, string> {
  return v.pipe(
    v.optional(v.string("must be a string"), ""),
    documented({ ...facts, form: "path", allowed: "path of a file" }),
  );
}
