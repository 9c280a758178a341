import { afterAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Credentials } from "../../../src/export/credentials.ts";
import { until } from "../../collector/until.ts";
import { issueCertificate, makeAuthority } from "../../support/certificates.ts";
import { otlpConfig } from "../../support/otlp-config.ts";

const folder = mkdtempSync(join(tmpdir(), "mermin-credentials-"));
afterAll(() => rmSync(folder, { recursive: true }));

const ENDPOINT = new URL("https://collector.example");

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function headersOf(written: Readonly<Record<string, unknown>>, endpoint = ENDPOINT): Record<string, string> {
  return new Credentials(otlpConfig(written), endpoint).headers();
}

describe("Credentials", () => {
  test("makes headers of what is configured", () => {
    const auth = { basic: { username: "me", password: { file: file("word", "hünter2\n") } } };
    const encoded = `Basic ${Buffer.from("me:hünter2").toString("base64")}`;
    expect(headersOf({ auth, headers: { "X-Tenant": "a" } })).toEqual({
      "x-tenant": "a",
      authorization: encoded,
    });
    expect(headersOf({ auth: { bearer: { token: "t" } } })).toEqual({ authorization: "Bearer t" });
    const url = new URL("https://me:p%40ss@collector.example");
    expect(headersOf({}, url)).toEqual({ authorization: `Basic ${btoa("me:p@ss")}` });
  });

  test("takes up a secret that was replaced, by a rename or by a link to another folder", async () => {
    for (const version of ["one", "two"]) {
      mkdirSync(join(folder, version));
      file(`${version}/token`, `${version}\n`);
    }
    symlinkSync("one", join(folder, "now"));
    const token = { file: join(folder, "now", "token") };
    const credentials = new Credentials(otlpConfig({ auth: { bearer: { token } } }), ENDPOINT);
    const one = credentials.headers();
    expect(one).toEqual({ authorization: "Bearer one" });
    expect(credentials.hasOther(one)).toBe(false);
    symlinkSync("two", join(folder, "next"));
    renameSync(join(folder, "next"), join(folder, "now"));
    await until(() => credentials.headers()["authorization"] === "Bearer two");
    renameSync(file("new", "three"), token.file);
    // Also for a second request that was refused while the first one looked.
    for (let i = 0; i < 2; i++) expect(credentials.hasOther({ authorization: "Bearer two" })).toBe(true);
    expect(credentials.headers()).toEqual({ authorization: "Bearer three" });
    rmSync(token.file);
    expect(credentials.hasOther({ authorization: "Bearer three" })).toBe(false);
    expect(credentials.headers()).toEqual({ authorization: "Bearer three" });
  });

  test("names the setting and the file that is not there", () => {
    const absent = join(folder, "absent");
    const tls = new Credentials(otlpConfig({ tls: { ca_cert: absent } }), ENDPOINT);
    expect(() => tls.tls()).toThrow(`tls.ca_cert "${absent}": no such file`);
    const bearer = new Credentials(otlpConfig({ auth: { bearer: { token: { file: folder } } } }), ENDPOINT);
    expect(() => bearer.headers()).toThrow(`auth.bearer.token "${folder}": it is a folder`);
  });

  test("gives the same TLS material until a file has another text", () => {
    const authority = makeAuthority(folder, "authority");
    const [one, two] = ["one", "two"].map((name) => issueCertificate(authority, folder, name, ["DNS:a"]));
    const text = (path: string | undefined): string => readFileSync(path ?? "", "utf8");
    const [cert, key, ca] = [text(one?.cert), text(one?.key), text(authority.cert)];
    const tls = { client_cert: file("cert", cert), client_key: file("key", key), ca_cert: file("ca", ca) };
    const credentials = new Credentials(otlpConfig({ tls }), ENDPOINT);
    const before = credentials.tls();
    expect(before).toMatchObject({ cert, key });
    expect(before.ca?.[0]).toBe(ca);
    expect(before.ca?.length).toBeGreaterThan(50);
    expect(credentials.tls()).toBe(before);
    renameSync(file("cert.new", text(two?.cert)), tls.client_cert);
    credentials.hasOther({});
    expect(() => credentials.tls()).toThrow("tls.client_key: the key is not that of tls.client_cert");
    renameSync(file("key.new", text(two?.key)), tls.client_key);
    credentials.hasOther({});
    expect(credentials.tls()).toMatchObject({ cert: text(two?.cert), key: text(two?.key) });
    for (const [path, problem] of [
      [tls.ca_cert, "tls.ca_cert: the file has no PEM certificate"],
      [tls.client_key, "tls.client_key: the file has no PEM key, or one with a passphrase"],
      [tls.client_cert, "tls.client_cert: the file has no PEM certificate"],
    ] as const) {
      const good = text(path);
      writeFileSync(path, "nothing");
      credentials.hasOther({});
      expect(() => credentials.tls()).toThrow(problem);
      writeFileSync(path, good);
    }
    credentials.hasOther({});
    expect(credentials.tls()).toMatchObject({ cert: text(two?.cert) });
    expect(new Credentials(otlpConfig({}), ENDPOINT).tls()).toEqual({
      ca: undefined,
      cert: undefined,
      key: undefined,
    });
  });

  test("has no header for a token whose file is empty, and other headers then", () => {
    const path = file("emptied", "first");
    const credentials = new Credentials(
      otlpConfig({ auth: { bearer: { token: { file: path } } } }),
      ENDPOINT,
    );
    const first = credentials.headers();
    expect(credentials.hasOther(first)).toBe(false);
    file("emptied", "");
    expect(credentials.hasOther(first)).toBe(true);
    expect(() => credentials.headers()).toThrow("auth.bearer.token: its file is empty");
  });

  test("says which header cannot be sent, and never its value", () => {
    const token = { file: file("broken", "hunter2\nhunter3\n") };
    expect(() => headersOf({ auth: { bearer: { token } } })).toThrow(
      "header authorization: its value has a character that no header may have",
    );
    const absent = { file: join(folder, "absent") };
    expect(() => headersOf({ headers: { a: absent } })).toThrow("no such file");
  });
});
