import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiError, KubernetesClient } from "../../../src/kubernetes/client.ts";
import type { Credentials } from "../../../src/kubernetes/credentials.ts";
import { type Certificate, issueCertificate, makeAuthority } from "../../support/certificates.ts";
import { startConnectProxy } from "../../support/connect-proxy.ts";
import { accessTo, refusal, serveApi } from "../../support/fake-api-server.ts";

const TOKEN = { authorization: "Bearer secret" };

let folder: string;
let authority: Certificate;
let own: Certificate;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mermin-client-"));
  authority = makeAuthority(folder, "authority");
  own = issueCertificate(authority, folder, "own", ["IP:127.0.0.1", "IP:::1", "DNS:kubernetes.test"]);
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (path: string): string => readFileSync(path, "utf8");

/** Status and text of the answer, or the error. */
async function ask(credentials: Partial<Credentials> & Pick<Credentials, "server">): Promise<unknown> {
  const client = new KubernetesClient(accessTo(credentials), "test");
  const request = { path: "/api/v1/pods", query: {}, accept: "application/json" };
  try {
    const response = await client.get({ ...request, signal: AbortSignal.timeout(10_000) });
    return await response.text();
  } catch (error) {
    return error;
  }
}

function serveTls(hostname: string, certificate: Certificate): ReturnType<typeof Bun.serve> {
  const tls = { cert: read(certificate.cert), key: read(certificate.key) };
  return Bun.serve({
    port: 0,
    hostname,
    tls,
    fetch: ({ headers }) => new Response(headers.get("authorization")),
  });
}

describe("KubernetesClient", () => {
  test("takes no longer a Retry-After than five minutes: timers overflow", async () => {
    await using fake = serveApi(() => refusal(429, { "retry-after": "99999999" }));
    const error = await ask(await fake.access.find());
    expect(error instanceof ApiError && error.retryAfterMs).toBe(300_000);
  });

  test("names the path of what is not found, that of the server's URL too", async () => {
    await using fake = serveApi(() => new Response("404 page not found", { status: 404 }), "/k8s/c-1");
    expect(String(await ask(await fake.access.find()))).toBe("ApiError: 404 Not Found: /k8s/c-1/api/v1/pods");
  });

  test("shows its token to nobody it is sent on to", async () => {
    const seen: (string | null)[] = [];
    await using other = serveApi((_, { headers }) => {
      seen.push(headers.get("authorization"));
      return new Response("{}");
    });
    const { server: elsewhere } = await other.access.find();
    await using fake = serveApi((url) => Response.redirect(`${elsewhere}${url.pathname}`, 307));
    const { server } = await fake.access.find();
    expect(String(await ask({ server, headers: TOKEN }))).toContain("Redirect");
    expect(seen).toEqual([]);
  });

  test("shows its token to no proxy of the environment", async () => {
    const seen: string[] = [];
    await using proxy = serveApi((url) => {
      seen.push(url.pathname);
      return new Response("proxy");
    });
    await using fake = serveApi(() => new Response("direct"));
    const { server } = await fake.access.find();
    const names = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) process.env[name] = (await proxy.access.find()).server;
    try {
      // So that it would be asked, were it not told otherwise.
      expect(await (await fetch(server)).text()).toBe("proxy");
      expect(await ask({ server, headers: TOKEN })).toBe("direct");
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
    expect(seen).toEqual(["/"]);
  });

  test("goes through the proxy that it is told to use, which sees neither token nor path", async () => {
    await using server = serveTls("127.0.0.1", own);
    using proxy = await startConnectProxy();
    const url = `https://127.0.0.1:${server.port}`;
    const tls = { ca: read(authority.cert) };
    expect(await ask({ server: url, headers: TOKEN, tls, proxy: proxy.url })).toBe("Bearer secret");
    expect(proxy.requests).toHaveLength(1);
    expect(proxy.requests[0]).toStartWith(`CONNECT 127.0.0.1:${server.port} `);
    expect(proxy.requests[0]).not.toMatch(/secret|pods/);
  });

  test("trusts an authority that is replaced, and no more the one before", async () => {
    const later = makeAuthority(folder, "later");
    await using before = serveTls("127.0.0.1", own);
    const server = `https://127.0.0.1:${before.port}`;
    expect(await ask({ server, headers: TOKEN, tls: { ca: read(authority.cert) } })).toBe("Bearer secret");
    // The connection that is open was trusted by the old one.
    expect(String(await ask({ server, headers: TOKEN, tls: { ca: read(later.cert) } }))).toContain("verify");
    await using after = serveTls("127.0.0.1", issueCertificate(later, folder, "new", ["IP:127.0.0.1"]));
    const renewed = `https://127.0.0.1:${after.port}`;
    expect(await ask({ server: renewed, headers: TOKEN, tls: { ca: read(later.cert) } })).toBe(
      "Bearer secret",
    );
  });

  test("reaches an API server by IPv6, and by another name than its address", async () => {
    await using server = serveTls("::1", own);
    const [url, ca] = [`https://[::1]:${server.port}`, read(authority.cert)];
    expect(await ask({ server: url, headers: TOKEN, tls: { ca } })).toBe("Bearer secret");
    const named = { ca, serverName: "kubernetes.test" };
    expect(await ask({ server: url, headers: TOKEN, tls: named })).toBe("Bearer secret");
    const wrong = { ca, serverName: "elsewhere.test" };
    expect(String(await ask({ server: url, headers: TOKEN, tls: wrong }))).toContain("ALTNAME");
  });
});
