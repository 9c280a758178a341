// Whom the user of a kubeconfig stands in for: `as`, `as-uid`, `as-groups` and `as-user-extra`, as the headers of a
// request.

import { isTable } from "../lib/setting.ts";

const UID = "as-uid";
const GROUPS = "as-groups";
const EXTRA = "as-user-extra";

/**
 * @param user `users[].user` of the kubeconfig
 * @throws Error where it is malformed, or needs one header several times, which fetch sends as one with a comma
 */
export function impersonate(user: Record<string, unknown>): Record<string, string> {
  const { as: name = "" } = user;
  if (typeof name !== "string") throw new Error("as is no text");
  const headers: Record<string, string> = {};
  const add = (setting: string, header: string, values: unknown): void => {
    const [value, ...others] = readTexts(setting, values);
    if (others.length > 0) throw new Error(`${setting} has several values, of which only one is supported`);
    if (value !== undefined) headers[header] = value;
  };
  add(UID, "impersonate-uid", user[UID] === undefined ? [] : [user[UID]]);
  add(GROUPS, "impersonate-group", user[GROUPS] ?? []);
  const extra = user[EXTRA] ?? {};
  if (!isTable(extra)) throw new Error(`${EXTRA} is no table`);
  for (const [key, values] of Object.entries(extra)) {
    add(`${EXTRA}.${key}`, `impersonate-extra-${escapeKey(key)}`, values);
  }
  if (name !== "") return { "impersonate-user": name, ...headers };
  if (Object.keys(headers).length > 0) throw new Error(`${UID}, ${GROUPS} and ${EXTRA} need as`);
  return {};
}

function readTexts(setting: string, values: unknown): readonly string[] {
  const texts: readonly unknown[] = Array.isArray(values) ? values : [undefined];
  return texts.map((text) => {
    if (typeof text !== "string") throw new Error(`${setting} has what is no text`);
    return text;
  });
}

/** What no name of a header has is written by its bytes: the API server reads it so. */
function escapeKey(key: string): string {
  return encodeURIComponent(key.toLowerCase()).replaceAll("(", "%28").replaceAll(")", "%29");
}
