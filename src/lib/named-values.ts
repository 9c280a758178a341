// Attributes that belong together and are told by many records.

/** A name and its value; a list is told as a list. */
export type NamedValue = readonly [name: string, value: string | readonly string[]];

/**
 * Made once and never changed, so that who writes it may keep its own form of it, by this object's identity. Names are
 * different from each other.
 */
export interface NamedValues {
  readonly entries: readonly NamedValue[];
}
