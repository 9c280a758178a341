// How binding an attribute is, as one column of the attribute table.

/**
 * When the attribute is there, in the words of the semantic conventions. `required`: always; `conditional`: always
 * where the condition holds; `recommended`: where it holds and the value has a name; `opt_in`: where the config asks for it.
 */
export type Requirement =
  | { readonly level: "required" }
  | { readonly level: "conditional" | "recommended" | "opt_in"; readonly when: string };

export const REQUIRED: Requirement = { level: "required" };

/** @param when the condition in words */
export function conditional(when: string): Requirement {
  return { level: "conditional", when };
}

/** @param when the condition in words, that there is a name among it */
export function recommended(when: string): Requirement {
  return { level: "recommended", when };
}
