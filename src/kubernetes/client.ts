// Asks the API server: one GET at a time over fetch, with the cluster's own TLS. Comes in: paths. Goes out: responses
// whose bodies are still to be read, or the reason why there is none.

import { isTable } from "../lib/setting.ts";
import { readBounded } from "./body.ts";
import type { ClusterAccess } from "./credentials.ts";

/** What the API server refused, as its Status says it. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** HTTP's, or `code` of a Status in a watch. */
  readonly status: number;
  /** Retry-After; undefined where it says none. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    facts: { readonly status: number; readonly retryAfterMs?: number | undefined },
  ) {
    super(message);
    this.status = facts.status;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

export interface ApiRequest {
  /** From the root on: `/api/v1/pods`. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly accept: string;
  /** Ends the request, and its body too. */
  readonly signal: AbortSignal;
}

/** An API server and who asks it. */
export class KubernetesClient {
  readonly #access: ClusterAccess;
  readonly #userAgent: string;

  constructor(access: ClusterAccess, userAgent: string) {
    this.#access = access;
    this.#userAgent = userAgent;
  }

  /** @throws ApiError where the API server answers with anything but success; Error where it does not answer */
  async get({ path, query, accept, signal }: ApiRequest): Promise<Response> {
    const { server, headers, tls, proxy = false } = await this.#access.find();
    const response = await fetchPlainly(`${server}${path}?${new URLSearchParams(query)}`, {
      headers: { ...headers, accept, "user-agent": this.#userAgent },
      tls,
      signal,
      // A token goes to the API server alone, and there without the proxies of the environment.
      redirect: "error",
      proxy,
    });
    if (response.ok) return response;
    if (response.status === 401) this.#access.renew();
    throw await describeRefusal(response, `${new URL(server).pathname.replace(/\/$/, "")}${path}`);
  }
}

/** The runtime's own hint to developers is left out of the reason. */
async function fetchPlainly(url: string, init: BunFetchRequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new Error(error.message.replace(/\s*For more information, pass .*$/s, ""), { cause: error });
  }
}

/** More of a refusal is not read. */
const REFUSAL_BYTES = 65_536;
const LONGEST_REASON = 300;
/** No answer of a server, or of what stands before it, silences the agent for longer. */
const LONGEST_RETRY_S = 300;

async function describeRefusal(response: Response, path: string): Promise<ApiError> {
  const { status, headers } = response;
  let reason = response.statusText;
  try {
    const text = new TextDecoder().decode(await readBounded(response, REFUSAL_BYTES));
    const told: unknown = text.startsWith("{") ? JSON.parse(text) : undefined;
    if (isTable(told) && typeof told["message"] === "string") reason = told["message"];
  } catch {
    // Its status says enough.
  }
  const seconds = Number(headers.get("retry-after"));
  const [line = ""] = reason.split("\n");
  // The path may be what is wrong, of the server's URL too.
  const place = status === 404 ? `: ${path}` : "";
  return new ApiError(`${status} ${line.slice(0, LONGEST_REASON)}`.trim() + place, {
    status,
    retryAfterMs:
      Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, LONGEST_RETRY_S) * 1000 : undefined,
  });
}
