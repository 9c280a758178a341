// Where an API server does not go on: paths that it does not serve, places in the stream that lead nowhere, streams
// that end at once or never say anything.

import { describe, expect, test } from "bun:test";
import {
  EMPTY_LIST,
  type FakeApiServer,
  metadataOf,
  refusal,
  serveApi,
  watchLines,
} from "../../support/fake-api-server.ts";
import { Watcher } from "../../support/kubernetes-watcher.ts";

const BACKOFF = { first: 5, longest: 20 };
/** Of timers that do not fire while a test runs; not too long for them. */
const NEVER_MS = 1_000_000_000;
const AGENTS = 12;

const isWatch = (url: URL): boolean => url.searchParams.has("watch");
const forever = (): Promise<Response> => new Promise(() => {});
const listOf = (...names: readonly string[]): Response =>
  Response.json({ ...EMPTY_LIST, items: names.map((name) => metadataOf(name)).map(wrap) });
const wrap = (metadata: object): object => ({ metadata });
const warningsOf = ({ lines }: Watcher): readonly string[] => lines.filter((line) => line.includes("WARN"));
const againOf = ({ lines }: Watcher): number =>
  lines.filter((line) => line.includes("watching again")).length;

describe("KindWatch", () => {
  test.each(["Pod", "Service", "NetworkPolicy", "Job", "EndpointSlice"] as const)(
    "takes a %s that is not found for a failure, until it is",
    async (kind) => {
      let isFound = false;
      await using fake = serveApi((url) => {
        if (!isFound) return new Response("404 page not found", { status: 404 });
        return isWatch(url) ? forever() : listOf("a");
      }, "/proxied");
      await using watcher = fake.watch(kind);
      await watcher.until(() => watcher.statsOf(kind).lists > 4);
      expect(watcher.isSynced).toBe(false);
      expect(warningsOf(watcher)).toHaveLength(1);
      expect(warningsOf(watcher)[0]).toMatch(/404 Not Found: \/proxied\/apis?\/[a-z0-9./]*v1\/[a-z]+ /);
      isFound = true;
      await watcher.until(() => watcher.isSynced);
      expect(watcher.names(kind)).toEqual(["a"]);
      expect(againOf(watcher)).toBe(1);
    },
  );

  test("keeps what it knows of a kind whose watch is not found for a while", async () => {
    let watches = 0;
    await using fake = serveApi((url) => {
      if (!isWatch(url)) return listOf("a");
      watches++;
      return watches < 5 ? refusal(404) : openStream(bookmark("8"));
    });
    await using watcher = fake.watch("Service");
    await watcher.until(() => watches === 5);
    await watcher.until(() => againOf(watcher) === 1);
    expect(watcher.events).toHaveLength(1);
    expect(watcher.statsOf("Service")).toMatchObject({ lists: 1, state: "synced" });
  });

  test("takes an optional kind for gone only where its list is not found", async () => {
    let watches = 0;
    let isServed = true;
    await using fake = serveApi((url) => {
      if (!isServed) return refusal(404);
      if (!isWatch(url)) return listOf("edge");
      watches++;
      return watches < 3 ? refusal(404) : forever();
    });
    await using watcher = fake.watch("Gateway");
    await watcher.until(() => watches === 3);
    expect(watcher.events).toHaveLength(1);
    isServed = false;
    await using other = fake.watch("Gateway");
    await other.until(() => other.statsOf("Gateway").state === "absent");
    expect(other.isSynced).toBe(true);
    isServed = true;
    await other.until(() => other.statsOf("Gateway").state === "synced");
    expect([...warningsOf(watcher), ...warningsOf(other)]).toEqual([]);
  });

  test("waits before the next watch where each ends at once", async () => {
    const asked = new Map<string, number>();
    const count = (url: URL): void => {
      asked.set(url.pathname, (asked.get(url.pathname) ?? 0) + 1);
    };
    await using fake = serveApi((url) => {
      if (!isWatch(url)) return Response.json(EMPTY_LIST);
      count(url);
      return watchLines();
    });
    await using _patient = fake.watch("Pod", { backoff: { first: NEVER_MS, longest: NEVER_MS } });
    await using quick = fake.watch("Namespace");
    await quick.until(() => asked.has("/api/v1/pods"));
    const before = asked.get("/api/v1/namespaces") ?? 0;
    await quick.until(() => (asked.get("/api/v1/namespaces") ?? 0) > before + 20);
    expect(asked.get("/api/v1/pods")).toBe(1);
  });

  test("gives up a stream whose bytes make no line", async () => {
    let watches = 0;
    await using fake = serveApi((url) => {
      if (!isWatch(url)) return Response.json(EMPTY_LIST);
      watches++;
      return watches > 1 ? forever() : new Response(trickle());
    });
    await using watcher = fake.watch("Namespace", { silenceMs: 100 });
    await watcher.until(() => watches > 1);
    expect(warningsOf(watcher)).toEqual([]);
  });

  test("goes on behind the newest version, whatever a bookmark says", async () => {
    const asked: (string | null)[] = [];
    await using fake = serveApi((url) => {
      if (!isWatch(url)) return Response.json(EMPTY_LIST);
      asked.push(url.searchParams.get("resourceVersion"));
      if (asked.length > 1) return forever();
      return watchLines(
        ...["12", "9", "", "100", "99", "1e9"].map(bookmark),
        bookmark("101"),
        bookmark("13"),
      );
    });
    await using watcher = fake.watch("Namespace");
    await watcher.until(() => asked.length > 1);
    expect(asked).toEqual(["7", "101"]);
  });

  test.each([
    ["a version of the future", false, () => refusal(504)],
    [
      "an error in the stream",
      true,
      () => watchLines({ type: "ERROR", object: { code: 500, message: "no such event" } }),
    ],
    ["a line that is no JSON", true, () => new Response("{]\n")],
    ["a line of 100 MB", true, () => new Response(endlessLine(100))],
  ])("lists again where the stream goes on with %s for ever", async (_, isStream, answer) => {
    let watches = 0;
    await using fake = serveApi((url) => {
      if (!isWatch(url)) return listOf("a");
      watches++;
      return watches < 8 ? answer() : openStream(bookmark("8"));
    });
    await using watcher = fake.watch("Namespace");
    await watcher.until(() => watches === 8 && watcher.statsOf("Namespace").failure === "");
    // After each three.
    expect(watcher.statsOf("Namespace").lists).toBe(3);
    expect(watcher.events).toHaveLength(1);
    if (isStream) expect(warningsOf(watcher)).toHaveLength(1);
  });

  test.each([401, 403, 429, 503])("lists nothing again where a watch is refused with %d", async (status) => {
    let watches = 0;
    await using fake = serveApi((url) => {
      if (!isWatch(url)) return Response.json(EMPTY_LIST);
      watches++;
      return refusal(status);
    });
    await using watcher = fake.watch("Namespace");
    await watcher.until(() => watches > 6);
    expect(watcher.statsOf("Namespace").lists).toBe(1);
  });

  test("comes back apart from others that were told to wait as long", async () => {
    const times: number[] = [];
    await using fake = serveApi((url) => {
      if (isWatch(url)) return forever();
      times.push(performance.now());
      return times.length <= AGENTS ? refusal(429, { "retry-after": "1" }) : Response.json(EMPTY_LIST);
    });
    await using agents = new AsyncDisposableStack();
    const watchers = Array.from({ length: AGENTS }, () => agents.use(fake.watch("Namespace")));
    for (const watcher of watchers) await watcher.until(() => watcher.isSynced);
    const [firsts, seconds] = [times.slice(0, AGENTS), times.slice(AGENTS)];
    expect(Math.min(...seconds) - Math.min(...firsts)).toBeGreaterThan(990);
    // Half a second is what chance adds at most: of so many, hardly ever less than this.
    expect(Math.max(...seconds) - Math.min(...seconds)).toBeGreaterThan(150);
  });
});

describe("ClusterWatch", () => {
  test("warns once of what all kinds meet, and says once that it is over", async () => {
    let isUp = false;
    await using fake = serveApi((url) => {
      if (!isUp) return refusal(503);
      return isWatch(url) ? forever() : Response.json(EMPTY_LIST);
    });
    await using watcher = watchAll(fake);
    await watcher.until(() => watcher.kinds.every((kind) => watcher.statsOf(kind).lists > 2));
    expect(warningsOf(watcher)).toHaveLength(1);
    isUp = true;
    await watcher.until(() => watcher.isSynced);
    expect(againOf(watcher)).toBe(1);
  });

  test("warns of each kind that may not be read", async () => {
    await using fake = serveApi((url) => {
      if (/\/(pods|nodes)$/.test(url.pathname)) return refusal(403);
      return isWatch(url) ? forever() : Response.json(EMPTY_LIST);
    });
    await using watcher = watchAll(fake);
    await watcher.until(() => ["Pod", "Node"].every((kind) => isForbidden(watcher, kind)));
    expect(warningsOf(watcher)).toHaveLength(2);
  });
});

function isForbidden(watcher: Watcher, kind: string): boolean {
  return watcher.kinds.some((one) => one === kind && watcher.statsOf(one).state === "forbidden");
}

function watchAll({ access }: FakeApiServer): Watcher {
  return new Watcher(access, { backoff: BACKOFF });
}

function bookmark(resourceVersion: string): object {
  return { type: "BOOKMARK", object: { metadata: { resourceVersion } } };
}

/** A watch that stays open behind its lines. */
function openStream(...events: readonly object[]): Response {
  const text = events.map((event) => `${JSON.stringify(event)}\n`).join("");
  return new Response(
    new ReadableStream({
      async pull(controller): Promise<void> {
        controller.enqueue(new TextEncoder().encode(text));
        await forever();
      },
    }),
  );
}

function trickle(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller): Promise<void> {
      await Bun.sleep(10);
      controller.enqueue(new Uint8Array([0x20]));
    },
  });
}

function endlessLine(megabytes: number): ReadableStream<Uint8Array> {
  const part = new Uint8Array(1024 * 1024).fill(0x20);
  let sent = 0;
  return new ReadableStream({
    pull(controller): void {
      if (sent++ < megabytes) controller.enqueue(part);
      else controller.close();
    },
  });
}
