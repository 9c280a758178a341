// With the VLAN or the tunnel's id in the key, watching packets packed and unpacked is said: by check, and once in the log.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { openProbe } from "../../src/capture/probe.ts";
import { checkCommand } from "../../src/check.ts";
import { ThreadNamespace } from "../bpf/thread-namespace.ts";
import { writeTemporaryFile } from "../replay/temporary-file.ts";
import { Watching } from "../support/watching.ts";

const WARNING = /key_includes has "tunnel_id", and interface "d0" .* "vx0"/;

let namespace: ThreadNamespace;

beforeEach(() => {
  namespace = new ThreadNamespace();
  // An ifb stands for the network outside: no tunnel, no pod behind it.
  namespace.addLink("d0", "ifb");
  namespace.addLink("vx0", "vxlan", "id", "5", "dstport", "4789");
});
afterEach(() => namespace[Symbol.dispose]());

/** What `mermin check` writes. */
function check(toml: string): { readonly code: number; readonly error: string; readonly out: string } {
  using file = writeTemporaryFile(new TextEncoder().encode(toml), "mermin.toml");
  const written = { out: "", error: "" };
  const code = checkCommand(
    { path: file.path, logLevel: undefined, interfaces: [] },
    {
      standardOutput: (text) => {
        written.out += text;
      },
      standardError: (text) => {
        written.error += text;
      },
    },
  );
  return { code, ...written };
}

test("mermin check warns in one line, and the config is right all the same", () => {
  const { code, error, out } = check('[flow]\nkey_includes = ["tunnel_id"]');
  expect(code).toBe(0);
  expect(error).toMatch(/^warning: [^\n]*\n$/);
  expect(error).toMatch(WARNING);
  expect(out).toContain('key_includes = [ "tunnel_id" ]');
});

test.each([
  '[flow]\nkey_includes = ["vlan"]',
  '[flow]\nkey_includes = ["tunnel_id"]\n[capture]\nexclude = ["vx*"]',
  '[flow]\nkey_includes = ["tunnel_id"]\n[capture]\ninterfaces = ["vx0"]',
])("mermin check says nothing where nothing is told twice: %s", (toml) => {
  expect(check(toml)).toMatchObject({ code: 0, error: "" });
});

test("the log warns once, however often interfaces are looked at", async () => {
  using probe = openProbe({ tableCapacity: 1024, ringBufferBytes: 4096, isReplay: false });
  const alone = new Watching(probe, { interfaces: ["d0"], key_includes: ["tunnel_id"] });
  await alone.settled();
  expect(alone.says("warn")).toBe(false);
  await alone.interfaces.detachAll();
  const watching = new Watching(probe, { interfaces: ["d0", "vx0"], key_includes: ["tunnel_id"] });
  await watching.settled();
  for (let times = 0; times < 3; times++) {
    watching.skip(60_000);
    await watching.settled();
  }
  expect(watching.lines.filter((line) => WARNING.test(line))).toHaveLength(1);
});
