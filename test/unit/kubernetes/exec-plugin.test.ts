import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ExecPlugin } from "../../../src/kubernetes/exec-plugin.ts";
import { until } from "../../collector/until.ts";

const CLUSTER = { name: "test", server: "https://127.0.0.1:1", skipTLSVerify: false };
const TOKEN = '{"status":{"token":"good"}}';

function plugin(script: string, timeoutMs?: number): ExecPlugin {
  const exec = { command: "/bin/sh", args: ["-c", script] };
  const environment = { PATH: process.env["PATH"] };
  const options = { cluster: CLUSTER, folder: "/", environment };
  return new ExecPlugin(exec, timeoutMs === undefined ? options : { ...options, timeoutMs });
}

/** A script that does `first` when it runs first, and gives a token after that. */
async function findTwice(first: string): Promise<{ failure: string; token: string | undefined }> {
  const folder = mkdtempSync(join(tmpdir(), "mermin-plugin-"));
  const mark = join(folder, "ran");
  try {
    const asked = plugin(`if [ -e ${mark} ]; then echo '${TOKEN}'; else : > ${mark}; ${first}; fi`, 500);
    const failure = await asked.find().then(
      () => "",
      (error: Error) => error.message,
    );
    expect(existsSync(mark)).toBeTrue();
    return { failure, token: (await asked.find()).token };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("ExecPlugin asks again after an answer that has no credentials", async () => {
  expect(await findTwice("echo '{}'")).toEqual({
    failure:
      'Cannot run the credential plug-in "/bin/sh": it gave neither a token nor a certificate with its key',
    token: "good",
  });
});

test("ExecPlugin ends a command that hangs, and runs it again", async () => {
  const { failure, token } = await findTwice("exec sleep 600");
  expect(failure).toStartWith('Cannot run the credential plug-in "/bin/sh": it takes longer than 0.5 s');
  expect(token).toBe("good");
});

test("ExecPlugin ends what a command that hangs has begun, and one that prints for ever", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mermin-plugin-"));
  const path = join(folder, "pid");
  const begin = (output: string): string => `sleep 600 ${output} & echo $! > ${path}`;
  try {
    for (const [script, problem] of [
      [`${begin("")}; wait`, "it takes longer than 2 s"],
      [`${begin(">/dev/null 2>&1")}; exec yes`, "it prints too much"],
    ] as const) {
      await expect(plugin(script, 2000).find()).rejects.toThrow(problem);
      const pid = Number(await Bun.file(path).text());
      await until(() => !isRunning(pid));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("ExecPlugin does not tell what a command printed that gives a bare token", async () => {
  const { failure } = await findTwice("echo eyJhbGciOiJSUzI1NiJ9");
  expect(failure).toBe('Cannot run the credential plug-in "/bin/sh": what it prints is no JSON');
});

test("ExecPlugin gives a command no input to wait for", async () => {
  const asked = plugin(`cat > /dev/null; echo '${TOKEN}'`, 5000);
  expect((await asked.find()).token).toBe("good");
});

test("ExecPlugin keeps what it was given until that expires", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mermin-plugin-"));
  const counted = join(folder, "runs");
  const until = (time: string): string =>
    `echo x >> ${counted}; echo '{"status":{"token":"a","expirationTimestamp":"${time}"}}'`;
  try {
    for (const [time, runs] of [
      ["2100-01-01T00:00:00Z", 1],
      ["2000-01-01T00:00:00Z", 2],
    ] as const) {
      writeFileSync(counted, "");
      const asked = plugin(until(time));
      await asked.find();
      await asked.find();
      expect((await Bun.file(counted).text()).length).toBe(2 * runs);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Whoever adopts it may leave it unburied. */
function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
