// Who the agent is to a real API server: service account, tokens, client certificates, plug-ins, and whom it trusts.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openAccess } from "../../src/kubernetes/credentials.ts";
import { hasCluster } from "../../src/kubernetes/has-cluster.ts";
import { issueCertificate, makeAuthority } from "../support/certificates.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import {
  AGENT_ACCOUNT,
  AGENT_NAMESPACE,
  grantShippedRole,
  makeAccount,
  makeToken,
  mountAccount,
  openFromPod,
  requestToken,
  TOLERATED_S,
  writeKubeconfig,
} from "../support/kubernetes-access.ts";
import {
  describeWithKubernetes,
  type KubernetesServer,
  startKubernetes,
} from "../support/kubernetes-server.ts";
import { Watcher } from "../support/kubernetes-watcher.ts";

describeWithKubernetes("openAccess", () => {
  let server: KubernetesServer;

  beforeAll(async () => {
    server = await startKubernetes();
    await grantShippedRole(server);
  }, 90_000);

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  const kubeconfig = (name: string, parts: { readonly cluster?: object; readonly user: object }) =>
    openAccess({ kubeconfigPath: writeKubeconfig(server, name, parts), environment: {} });

  const base64 = (path: string): string => readFileSync(path).toString("base64");

  /** Whether it gets to see the cluster. */
  async function expectSynced(access: ReturnType<typeof openAccess>): Promise<void> {
    await using watcher = new Watcher(access, { kinds: ["Namespace"] });
    await watcher.until(() => watcher.statsOf("Namespace").state === "synced");
    expect(watcher.names("Namespace")).toContain(AGENT_NAMESPACE);
  }

  /** The one line that is logged. */
  async function refusalOf(access: ReturnType<typeof openAccess>): Promise<string> {
    await using watcher = new Watcher(access, { kinds: ["Namespace"] });
    await watcher.until(() => watcher.lines.length > 0);
    expect(watcher.isSynced).toBe(false);
    return watcher.lines.join("");
  }

  test("finds a cluster by the service account and the environment, or by a kubeconfig", async () => {
    const serviceAccountFolder = await mountAccount(server, "found");
    const environment = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: "443" };
    expect(hasCluster({ kubeconfigPath: "", environment, serviceAccountFolder })).toBe(true);
    expect(hasCluster({ kubeconfigPath: "", environment: {}, serviceAccountFolder })).toBe(false);
    expect(hasCluster({ kubeconfigPath: "", environment, serviceAccountFolder: "/nowhere" })).toBe(false);
    expect(hasCluster({ kubeconfigPath: "/some/file", environment: {} })).toBe(true);
    expect(() => openAccess({ kubeconfigPath: "", environment: {} })).toThrow("KUBERNETES_SERVICE_HOST");
    const six = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
    const found = await openAccess({ kubeconfigPath: "", environment: six, serviceAccountFolder }).find();
    expect(found.server).toBe("https://[fd00::1]:443");
  });

  test("reads a rotated token again, and comes back after one that is refused", async () => {
    using proxy = await startCuttingProxy(server.port);
    await using watcher = new Watcher(await openFromPod(server, { name: "rotated", port: proxy.port }), {
      kinds: ["Namespace"],
    });
    await watcher.until(() => watcher.isSynced);
    // Every token of the account is refused from here on.
    const path = `/api/v1/namespaces/${AGENT_NAMESPACE}/serviceaccounts/${AGENT_ACCOUNT}`;
    await server.request("DELETE", path);
    await makeAccount(server);
    await watcher.until(() => {
      proxy.cut();
      return watcher.lines.some((line) => line.includes("401"));
    });
    await mountAccount(server, "rotated");
    await watcher.until(() => watcher.lines.some((line) => line.includes("watching again")));
    await server.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "after-rotation" } });
    await watcher.until(() => watcher.find("Namespace", "after-rotation") !== undefined);
    expect(watcher.statsOf("Namespace").lists).toBe(1);
  });

  test("comes through with a token of the future once it is valid, and with a new one when it has expired", async () => {
    using proxy = await startCuttingProxy(server.port);
    const path = join(server.folder, "times", "token");
    const access = await openFromPod(server, { name: "times", port: proxy.port });
    writeFileSync(path, await makeToken(server, { from: TOLERATED_S + 3, until: 600 }));
    await using watcher = new Watcher(access, { kinds: ["Namespace"] });
    await watcher.until(() => watcher.lines.some((line) => line.includes("401")));
    await watcher.until(() => watcher.isSynced);
    expect(watcher.lines.filter((line) => line.includes("WARN"))).toHaveLength(1);
    const { lists } = watcher.statsOf("Namespace");

    // Valid for two seconds more; the API server goes on to take for some seconds what it took.
    writeFileSync(path, await makeToken(server, { from: -600, until: 2 - TOLERATED_S }));
    await watcher.until(() => {
      proxy.cut();
      return watcher.lines.filter((line) => line.includes("401")).length === 2;
    });
    expect(watcher.names("Namespace")).toContain(AGENT_NAMESPACE);
    writeFileSync(path, await requestToken(server));
    await watcher.until(() => watcher.lines.at(-1)?.includes("watching again") === true);
    expect(watcher.statsOf("Namespace").lists).toBe(lists);
  }, 60_000);

  test("takes a token, a token file and a client certificate of a kubeconfig, by path and inside it", async () => {
    const token = await requestToken(server);
    writeFileSync(join(server.folder, "token-file"), token);
    const own = issueCertificate(server.authority, server.folder, "mermin", ["DNS:mermin.test"]);
    await expectSynced(kubeconfig("token", { user: { token } }));
    await expectSynced(kubeconfig("token-file", { user: { tokenFile: "token-file" } }));
    await expectSynced(
      kubeconfig("paths", { user: { "client-certificate": "mermin.pem", "client-key": own.key } }),
    );
    const data = { "client-certificate-data": base64(own.cert), "client-key-data": base64(own.key) };
    await expectSynced(kubeconfig("data", { user: data }));
    expect(await refusalOf(kubeconfig("nobody", { user: {} }))).toMatch(/40[13]/);
  });

  test("asks an exec plug-in, says where it runs, and asks again for what is refused", async () => {
    const plugin = join(server.folder, "plugin.sh");
    const status = (token: string): string =>
      JSON.stringify({
        kind: "ExecCredential",
        apiVersion: "client.authentication.k8s.io/v1",
        status: { token },
      });
    // The first answer is refused; what it is told comes with the second.
    writeFileSync(
      plugin,
      `#!/bin/sh
[ "$1" = print ] && [ "$FLAVOUR" = test ] || exit 3
printf '%s' "$KUBERNETES_EXEC_INFO" >'${server.folder}/exec-info'
[ -e '${server.folder}/asked' ] || { touch '${server.folder}/asked'; echo '${status("stale")}'; exit; }
echo '${status(await requestToken(server))}'
`,
    );
    chmodSync(plugin, 0o755);
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "./plugin.sh",
      args: ["print"],
      env: [{ name: "FLAVOUR", value: "test" }],
      provideClusterInfo: true,
    };
    await expectSynced(kubeconfig("exec", { user: { exec } }));
    const told: unknown = JSON.parse(readFileSync(join(server.folder, "exec-info"), "utf8"));
    expect(told).toMatchObject({
      kind: "ExecCredential",
      spec: { interactive: false, cluster: { server: server.url } },
    });
  });

  test("names the plug-in that fails", async () => {
    const failing = { command: "/bin/sh", args: ["-c", "echo no login >&2; exit 1"] };
    expect(await refusalOf(kubeconfig("failing", { user: { exec: failing } }))).toContain(
      'Cannot run the credential plug-in "/bin/sh": no login',
    );
    const empty = { command: "/bin/echo", args: ['{"status":{}}'] };
    expect(await refusalOf(kubeconfig("empty", { user: { exec: empty } }))).toContain("neither a token nor");
  });

  test("trusts the cluster's authority alone, under the server's name", async () => {
    const user = { token: await requestToken(server) };
    const other = makeAuthority(server.folder, "other");
    expect(
      await refusalOf(kubeconfig("other", { cluster: { "certificate-authority": other.cert }, user })),
    ).toContain("WARN");
    const name = { "tls-server-name": "elsewhere.test" };
    expect(await refusalOf(kubeconfig("name", { cluster: name, user }))).toContain("WARN");
    await expectSynced(kubeconfig("named", { cluster: { "tls-server-name": "kubernetes.test" }, user }));
    const blind = { "certificate-authority": other.cert, "insecure-skip-tls-verify": true };
    await expectSynced(kubeconfig("blind", { cluster: blind, user }));
  });

  test("begins without its kubeconfig, warns once, and goes on when that comes", async () => {
    const path = join(server.folder, "late.kubeconfig");
    const access = openAccess({ kubeconfigPath: path, environment: {} });
    await using watcher = new Watcher(access, { kinds: ["Namespace", "Pod", "Service"] });
    await watcher.until(() => watcher.kinds.every((kind) => watcher.statsOf(kind).lists > 2));
    expect(watcher.lines).toHaveLength(1);
    expect(watcher.lines[0]).toContain(`Cannot use the kubeconfig "${path}": `);
    const user = { token: await requestToken(server), "client-certificate": "late.pem" };
    writeKubeconfig(server, "late", { user });
    await watcher.until(() => watcher.statsOf("Pod").failure.includes("late.pem"));
    writeKubeconfig(server, "late", { user: { token: user.token } });
    await watcher.until(() => watcher.isSynced);
    expect(watcher.lines.filter((line) => line.includes("WARN"))).toHaveLength(1);
  });

  test("stands in for whom the kubeconfig says, with group, uid and the rest", async () => {
    const token = "administrator";
    const nobody = {
      token,
      as: "nobody",
      "as-uid": "uid-7",
      "as-user-extra": { "Example.com/Scope": ["all"] },
    };
    expect(await refusalOf(kubeconfig("as", { user: nobody }))).toContain('User "nobody" cannot list');
    const user = { ...nobody, "as-groups": ["system:masters"] };
    const access = kubeconfig("as-groups", { user });
    await expectSynced(access);
    const { headers } = await access.find();
    const answer = await fetch(`${server.url}/apis/authentication.k8s.io/v1/selfsubjectreviews`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      tls: { ca: readFileSync(server.authority.cert, "utf8") },
      body: '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}',
    });
    expect(await answer.json()).toMatchObject({
      status: {
        userInfo: {
          username: "nobody",
          uid: "uid-7",
          groups: ["system:masters", "system:authenticated"],
          extra: { "example.com/scope": ["all"] },
        },
      },
    });
  });

  test("warns once that nothing is found where the kubeconfig has a path too many, and says where", async () => {
    const cluster = { server: `${server.url}/elsewhere` };
    await using watcher = new Watcher(kubeconfig("path", { cluster, user: { token: "administrator" } }));
    await watcher.until(() => watcher.statsOf("Pod").lists > 3);
    expect(watcher.isSynced).toBe(false);
    const warnings = watcher.lines.filter((line) => line.includes("WARN"));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/404 .*: \/elsewhere\/apis?\//);
  });
});
