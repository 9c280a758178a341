// A setting that is on, off, or decided by what the agent finds.

import * as v from "valibot";
import { documented, type SettingFacts } from "./setting.ts";

export type Switch = "auto" | boolean;

/** `"auto"`, `true` or `false`. */
export function switchSetting(initial: Switch, facts: SettingFacts): v.GenericSchema<unknown, Switch> {
  const message = 'must be "auto", true or false';
  const schema = v.union([v.boolean(message), v.literal("auto", message)], message);
  return v.pipe(
    v.optional(schema, initial),
    documented({ ...facts, form: "boolean", allowed: '"auto", true, false' }),
  );
}
