import { expect, test } from "bun:test";
import { type ApiError, KubernetesClient } from "../../../src/kubernetes/client.ts";

test("KubernetesClient takes no longer a Retry-After than five minutes: timers overflow", async () => {
  const refusal = (): Response => new Response("", { status: 429, headers: { "retry-after": "99999999" } });
  await using fake = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: refusal });
  const access = {
    server: `http://127.0.0.1:${fake.port}`,
    find: async () => ({ headers: {}, tls: {} }),
    renew: () => undefined,
  };
  const asked = new KubernetesClient(access, "test").get({
    path: "/api/v1/pods",
    query: {},
    accept: "application/json",
    signal: new AbortController().signal,
  });
  const { retryAfterMs } = await asked.then(
    () => ({ retryAfterMs: undefined }),
    (error: ApiError) => error,
  );
  expect(retryAfterMs).toBe(300_000);
});
