// Sections of the config that may be there more than once.

import * as v from "valibot";

/** A section written as one table, `[name]`, or as a list of them, `[[name]]`; a list once read. */
export type RepeatableSection<T> = v.GenericSchema<unknown, readonly T[]> & {
  /** The schema of one table. */
  readonly repeated: v.GenericSchema<unknown, T>;
};

/** Problems are told at the table's own path where there is one, with its place where there is a list. */
export function repeatableSection<T>(section: v.GenericSchema<unknown, T>): RepeatableSection<T> {
  const single = v.pipe(
    section,
    v.transform((item): readonly T[] => [item]),
  );
  const list = v.array(section);
  const schema: v.GenericSchema<unknown, readonly T[]> = v.lazy((input) =>
    Array.isArray(input) ? list : single,
  );
  return Object.assign(schema, { repeated: section });
}
