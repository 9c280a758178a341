import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openAccess } from "../../../src/kubernetes/credentials.ts";
import { issueCertificate, makeAuthority } from "../../support/certificates.ts";

const folder = mkdtempSync(join(tmpdir(), "mermin-kubeconfig-"));
afterAll(() => rmSync(folder, { recursive: true }));

const PATH = join(folder, "kubeconfig");
const SERVER = "https://192.0.2.1:6443";
const authority = makeAuthority(folder, "authority");
const own = issueCertificate(authority, folder, "own", ["DNS:own.test"]);
const other = issueCertificate(authority, folder, "other", ["DNS:other.test"]);

function write({ cluster = {}, user = {} }: { readonly cluster?: object; readonly user?: object }): void {
  const content = {
    "current-context": "a",
    contexts: [{ name: "a", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: SERVER, ...cluster } }],
    users: [{ name: "u", user }],
  };
  writeFileSync(PATH, JSON.stringify(content));
}

function open(kubeconfigPath = PATH): ReturnType<typeof openAccess> {
  return openAccess({ kubeconfigPath, environment: {} });
}

/** Why a kubeconfig is of no use; one line that names it. */
async function problemOf(path = PATH): Promise<string> {
  const problem = await open(path)
    .find()
    .then(
      () => "none",
      (error: Error) => error.message,
    );
  expect(problem).toStartWith(`Cannot use the kubeconfig "${path}": `);
  expect(problem).not.toContain("\n");
  return problem.replace(/^.*?": /, "");
}

async function headersOf(user: object): Promise<Readonly<Record<string, string>>> {
  write({ user });
  return (await open().find()).headers;
}

describe("openKubeconfig", () => {
  test("reads no file before it is asked, and one that comes late", async () => {
    const late = join(folder, "late");
    const access = open(late);
    expect(access.find()).rejects.toThrow("no such file");
    write({ user: { tokenFile: "late-token" } });
    writeFileSync(late, readFileSync(PATH));
    access.renew();
    expect(access.find()).rejects.toThrow("late-token");
    writeFileSync(join(folder, "late-token"), "\n");
    expect(access.find()).rejects.toThrow("tokenFile: the file is empty");
    writeFileSync(join(folder, "late-token"), "good\n");
    const { server, headers } = await findSoon(access);
    expect([server, headers]).toEqual([SERVER, { authorization: "Bearer good" }]);
  });

  test.each([
    ["{", "YAML"],
    ["5", "it is no kubeconfig"],
    ["{}", "current-context is missing"],
    ["current-context: a", 'its context "a" is missing'],
    [
      "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]",
      'its cluster "c" is missing',
    ],
    [
      `current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: '${SERVER}'}}]\nusers: [{}]`,
      "users[0].name is missing",
    ],
  ])("refuses %j", async (content, problem) => {
    writeFileSync(PATH, content);
    expect(await problemOf()).toContain(problem);
  });

  test.each([
    [{ server: "h" }, "its server is no http or https URL"],
    [{ server: "ftp://h" }, "its server is no http or https URL"],
    [{ server: "https://h?a=b" }, "or one with a user or a query"],
    [{ server: "https://me:word@h" }, "or one with a user or a query"],
    [{ "proxy-url": "socks5://me:word@h" }, "its proxy-url is no http or https URL"],
    [{ "certificate-authority-data": btoa("garbage") }, "certificate-authority: the file has no PEM"],
    [{ "certificate-authority": "/nowhere" }, "/nowhere"],
  ])("refuses a cluster with %j", async (cluster, problem) => {
    write({ cluster });
    expect(await problemOf()).toContain(problem);
    expect(await problemOf()).not.toContain("word");
  });

  test.each([
    [{ token: 12_345 }, "token is no text"],
    [{ username: "me", password: 1 }, "password is no text"],
    [{ "client-certificate": own.cert }, "client-key is missing"],
    [
      { "client-certificate": own.cert, "client-key": other.key },
      "the key is not that of client-certificate",
    ],
    [{ "auth-provider": { name: "gcp" } }, "auth-provider is not supported"],
    [{ exec: { command: "x", args: [1] } }, "users[].user.exec.args has what is no text"],
    [{ "as-groups": ["admins"] }, "as-uid, as-groups and as-user-extra need as"],
    [{ as: 1 }, "as is no text"],
    [{ as: "a", "as-groups": "admins" }, "as-groups has what is no text"],
    [{ as: "a", "as-groups": ["b", "c"] }, "as-groups has several values, of which only one is supported"],
    [{ as: "a", "as-user-extra": { k: ["b", "c"] } }, "as-user-extra.k has several values"],
    [{ as: "a", "as-user-extra": [] }, "as-user-extra is no table"],
  ])("refuses a user with %j", async (user, problem) => {
    write({ user });
    expect(await problemOf()).toContain(problem);
  });

  test("shows a token file before a token, a token before a password, and whom it stands in for", async () => {
    writeFileSync(join(folder, "token"), "of-file");
    const password = { username: "me", password: "hünter2" };
    expect(await headersOf({ ...password, token: "own", tokenFile: "token" })).toEqual({
      authorization: "Bearer of-file",
    });
    expect(await headersOf({ ...password, token: "own" })).toEqual({ authorization: "Bearer own" });
    const basic = `Basic ${Buffer.from("me:hünter2").toString("base64")}`;
    expect(await headersOf(password)).toEqual({ authorization: basic });
    const extra = { "Example.com/Scope (new)": ["all"] };
    const user = { as: "a", "as-uid": "7", "as-groups": ["b"], "as-user-extra": extra };
    expect(await headersOf(user)).toEqual({
      "impersonate-user": "a",
      "impersonate-uid": "7",
      "impersonate-group": "b",
      "impersonate-extra-example.com%2Fscope%20%28new%29": "all",
    });
  });

  test("shows a user that changes, and nobody to a server that does", async () => {
    write({ user: { token: "first" } });
    const access = open();
    expect((await access.find()).headers).toEqual({ authorization: "Bearer first" });
    write({ user: { token: "second" } });
    access.renew();
    expect((await access.find()).headers).toEqual({ authorization: "Bearer second" });
    write({ cluster: { server: "https://192.0.2.2" }, user: { token: "third" } });
    access.renew();
    expect(access.find()).rejects.toThrow(`its server is https://192.0.2.2 now, and was ${SERVER}: restart`);
  });

  test("takes a proxy and paths of the server, without the slashes at its end", async () => {
    write({ cluster: { server: "https://h/k8s/c-1//", "proxy-url": "http://proxy:3128" } });
    expect(await open().find()).toMatchObject({ server: "https://h/k8s/c-1", proxy: "http://proxy:3128" });
  });
});

describe("openServiceAccount", () => {
  const environment = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
  const account = (): ReturnType<typeof openAccess> =>
    openAccess({ kubeconfigPath: "", environment, serviceAccountFolder: folder });

  test("shows no empty token, and trusts no file that is no certificate", async () => {
    writeFileSync(join(folder, "token"), "\n");
    writeFileSync(join(folder, "ca.crt"), readFileSync(authority.cert));
    expect(account().find()).rejects.toThrow(`service account in "${folder}": token: the file is empty`);
    writeFileSync(join(folder, "token"), "good\n");
    expect(await account().find()).toMatchObject({
      server: "https://[fd00::1]:443",
      headers: { authorization: "Bearer good" },
      tls: { ca: readFileSync(authority.cert, "utf8") },
      proxy: undefined,
    });
    writeFileSync(join(folder, "ca.crt"), "-----BEGIN");
    expect(account().find()).rejects.toThrow("ca.crt: the file has no PEM certificate");
  });
});

/** Files are looked at each second. */
async function findSoon(
  access: ReturnType<typeof openAccess>,
): Promise<Awaited<ReturnType<typeof access.find>>> {
  const deadline = performance.now() + 5000;
  for (;;) {
    try {
      return await access.find();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await Bun.sleep(50);
    }
  }
}
