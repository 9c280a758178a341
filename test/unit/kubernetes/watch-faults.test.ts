// What a real API server cannot be made to answer: faults of the stream, old servers, refusals that ask for patience.

import { describe, expect, test } from "bun:test";
import { EMPTY_LIST, metadataOf, refusal, serveApi, watchLines } from "../../support/fake-api-server.ts";

describe("KindWatch", () => {
  test("takes Endpoints where slices are not served", async () => {
    await using fake = serveApi((url) => {
      if (url.pathname.includes("discovery.k8s.io")) return refusal(404);
      if (url.searchParams.has("watch")) return new Promise(() => {});
      const subsets = [
        {
          addresses: [{ ip: "192.0.2.10" }, { ip: "10.1.0.1", targetRef: { kind: "Pod" } }],
          notReadyAddresses: [{ ip: "192.0.2.11" }],
          ports: [{ port: 443 }],
        },
      ];
      return Response.json({ ...EMPTY_LIST, items: [{ metadata: metadataOf("legacy"), subsets }] });
    });
    await using watcher = fake.watch("EndpointSlice");
    await watcher.until(() => watcher.isSynced);
    expect(watcher.find("EndpointSlice", "legacy")).toMatchObject({
      serviceName: "legacy",
      addresses: ["192.0.2.10", "192.0.2.11"],
      ports: [{ port: 443, protocol: "TCP" }],
    });
  });

  test("lists again after 410 in the stream, and tells nothing that it knows", async () => {
    let watches = 0;
    await using fake = serveApi((url) => {
      if (!url.searchParams.has("watch"))
        return Response.json({ ...EMPTY_LIST, items: [{ metadata: metadataOf("a") }] });
      watches++;
      return watchLines({ type: "ERROR", object: { kind: "Status", code: 410, message: "too old" } });
    });
    await using watcher = fake.watch("Namespace");
    await watcher.until(() => watches > 2);
    expect(watcher.statsOf("Namespace").lists).toBeGreaterThan(2);
    expect(watcher.events).toHaveLength(1);
    expect(watcher.lines).toEqual([]);
  });

  test("follows bookmarks, and resumes behind what came before the stream broke off", async () => {
    const asked: (string | null)[] = [];
    await using fake = serveApi((url) => {
      if (!url.searchParams.has("watch")) return Response.json(EMPTY_LIST);
      asked.push(url.searchParams.get("resourceVersion"));
      const added = { type: "ADDED", object: { metadata: metadataOf("b", "9") } };
      const bookmark = { type: "BOOKMARK", object: { metadata: { resourceVersion: "12" } } };
      if (asked.length === 1) return new Response(`${JSON.stringify(added)}\n{"type":"ADDED","obj`);
      return asked.length === 2 ? watchLines(bookmark) : new Promise(() => {});
    });
    await using watcher = fake.watch("Namespace");
    await watcher.until(() => asked.length === 3);
    expect(asked).toEqual(["7", "9", "12"]);
    expect(watcher.names("Namespace")).toEqual(["b"]);
  });

  test("lists from the first page again when a later page is refused", async () => {
    const asked: (string | null)[] = [];
    await using fake = serveApi((url) => {
      if (url.searchParams.has("watch")) return new Promise(() => {});
      asked.push(url.searchParams.get("continue"));
      if (asked.length === 2) return refusal(410);
      const next = asked.length < 4 ? { continue: "second" } : {};
      const items = [{ metadata: metadataOf(asked.at(-1) ?? "first") }];
      return Response.json({ metadata: { resourceVersion: "8", ...next }, items });
    });
    await using watcher = fake.watch("Namespace");
    await watcher.until(() => watcher.isSynced);
    expect(asked).toEqual([null, "second", null, "second"]);
    expect(watcher.names("Namespace")).toEqual(["first", "second"]);
  });

  test("waits as long as it is told to", async () => {
    const times: number[] = [];
    await using fake = serveApi((url) => {
      if (url.searchParams.has("watch")) return new Promise(() => {});
      times.push(performance.now());
      return times.length === 1 ? refusal(429, { "retry-after": "1" }) : Response.json(EMPTY_LIST);
    });
    await using watcher = fake.watch("Namespace");
    await watcher.until(() => watcher.isSynced);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(990);
  });

  test("asks again soon for what is refused at first: an API server that begins knows no rights", async () => {
    let asked = 0;
    await using fake = serveApi((url) => {
      if (url.searchParams.has("watch")) return new Promise(() => {});
      asked++;
      return asked < 3 ? refusal(403) : Response.json(EMPTY_LIST);
    });
    // Were the longest wait taken, the test would not see its end.
    await using watcher = fake.watch("Namespace", { backoff: { first: 5, longest: 1_000_000 } });
    await watcher.until(() => watcher.statsOf("Namespace").state === "synced");
    expect(watcher.lines.filter((line) => line.includes("WARN"))).toHaveLength(1);
  });

  test.each([
    ["no JSON", () => new Response("<html>")],
    ["no list", () => Response.json({ metadata: { resourceVersion: "7" } })],
    ["no resourceVersion", () => Response.json({ items: [] })],
    ["a page that leads to itself", () => Response.json({ metadata: { continue: "x" }, items: [] })],
  ])("survives %s for a list", async (_, answer) => {
    let asked = 0;
    await using fake = serveApi((url) => {
      if (url.searchParams.has("watch")) return new Promise(() => {});
      asked++;
      return asked < 3 ? answer() : Response.json(EMPTY_LIST);
    });
    await using watcher = fake.watch("Namespace");
    await watcher.until(() => watcher.isSynced);
    expect(watcher.lines.filter((line) => line.includes("cannot watch namespaces"))).toHaveLength(1);
  });

  test("gives up a line that has no end, and objects that have no name", async () => {
    let watches = 0;
    await using fake = serveApi((url) => {
      if (!url.searchParams.has("watch"))
        return Response.json({ ...EMPTY_LIST, items: [{}, 5, null, { metadata: { uid: 1 } }] });
      watches++;
      if (watches > 1) return new Promise(() => {});
      const part = new Uint8Array(1024 * 1024).fill(0x20);
      return new Response(
        new ReadableStream({
          pull(controller): void {
            controller.enqueue(part);
          },
        }),
      );
    });
    await using watcher = fake.watch("Namespace");
    await watcher.until(() => watches > 1);
    expect(watcher.lines.join("")).toContain("a line of more than 16777216 bytes");
    expect(watcher.events).toEqual([]);
  });
});
