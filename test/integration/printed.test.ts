// What commands print, where it cannot be written.

import { describe, expect, test } from "bun:test";

const BINARY = new URL("../../dist/mermin", import.meta.url).pathname;

describe.each(["check", "version", "--help"])("mermin %s", (command) => {
  test("fails where standard output is full, and says so", () => {
    const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", `exec "${BINARY}" ${command} >/dev/full`]);
    expect(stderr.toString()).toBe(
      "mermin: Cannot write to standard output: no space left on the file system\n",
    );
    expect(exitCode).toBe(1);
  });

  test("is done where the reader has gone", () => {
    const script = `exec 3> >(exec true); wait $!; "${BINARY}" ${command} >&3; echo $? >&2`;
    const { stderr } = Bun.spawnSync(["bash", "-c", script]);
    expect(stderr.toString()).toBe("0\n");
  });
});
