// One page of a list, as the API server has it.

import { readBounded } from "./body.ts";
import type { KubernetesClient } from "./client.ts";
import { tableAt, textOf } from "./json.ts";

export interface ListPage {
  readonly bytes: number;
  readonly items: readonly unknown[];
  /** Where the next one begins; "" behind the last. */
  readonly next: string;
  readonly version: string;
}

interface PageRequest {
  readonly path: string;
  readonly accept: string;
  /** `next` of the page before; "" for the first. */
  readonly from: string;
  readonly signal: AbortSignal;
}

const PAGE_OBJECTS = 100;
const PAGE_BYTES = 256 * 1024 * 1024;
const TIMEOUT_MS = 60_000;
const decoder = new TextDecoder();

/** @throws ApiError; Error where there is no answer, or one that is no page */
export async function getPage(
  client: KubernetesClient,
  { path, accept, from, signal }: PageRequest,
): Promise<ListPage> {
  const response = await client.get({
    path,
    // Without a resourceVersion: newer API servers answer from memory, and older ones in pages, as they do not with "0".
    query: { limit: String(PAGE_OBJECTS), ...(from === "" ? {} : { continue: from }) },
    accept,
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  const body = await readBounded(response, PAGE_BYTES);
  const page: unknown = JSON.parse(decoder.decode(body));
  const { items } = tableAt(page);
  const metadata = tableAt(page, "metadata");
  if (!Array.isArray(items) && items !== null) throw new Error("a list without items");
  const next = textOf(metadata["continue"]);
  if (next !== "" && next === from) throw new Error("a page that leads to itself");
  return { bytes: body.length, items: items ?? [], next, version: textOf(metadata["resourceVersion"]) };
}
