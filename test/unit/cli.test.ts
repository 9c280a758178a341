import { describe, expect, test } from "bun:test";
import { formatOverview, parseCommand } from "../../src/cli.ts";

const NO_OPTIONS = { path: undefined, logLevel: undefined, interfaces: [] };

describe("parseCommand", () => {
  test("reads every form of an option", () => {
    const expected = {
      kind: "run",
      options: { path: "a.toml", logLevel: "debug", interfaces: ["eth0", "en*"] },
    };
    for (const argv of [
      ["run", "-c", "a.toml", "-i", "eth0", "-i", "en*", "--log-level", "debug"],
      ["run", "-ca.toml", "-ieth0", "--interface=en*", "--log-level=debug"],
      ["run", "--interface", "eth0", "--config=a.toml", "--log-level", "debug", "-ien*"],
    ]) {
      expect(parseCommand(argv)).toEqual(expected as ReturnType<typeof parseCommand>);
    }
  });

  test("reads replay's file before, between and after options", () => {
    for (const argv of [
      ["replay", "x.pcap", "--format", "ndjson"],
      ["replay", "--format=ndjson", "x.pcap"],
      ["replay", "--format", "ndjson", "--", "x.pcap"],
    ]) {
      expect(parseCommand(argv)).toEqual({
        kind: "replay",
        file: "x.pcap",
        format: "ndjson",
        options: NO_OPTIONS,
      });
    }
  });

  test("takes what follows -- for the file even where it looks like an option", () => {
    expect(parseCommand(["replay", "--", "-x.pcap"])).toMatchObject({ kind: "replay", file: "-x.pcap" });
  });

  test("reads check and version", () => {
    expect(parseCommand(["check", "-c", "a.toml"])).toMatchObject({
      kind: "check",
      options: { path: "a.toml" },
    });
    for (const argv of [["version"], ["--version"], ["-V"]])
      expect(parseCommand(argv)).toEqual({ kind: "version" });
  });

  test.each([
    [[], 'No command given; try "mermin --help"'],
    [["rnu"], 'Unknown command "rnu"; did you mean "run"?'],
    [["frobnicate"], 'Unknown command "frobnicate"; try "mermin --help"'],
    [["-c", "x"], 'Unknown option "-c" before a command; try "mermin --help"'],
    [["run", "--confg", "x"], 'Unknown option "--confg" for mermin run; did you mean --config?'],
    [["run", "-x"], 'Unknown option "-x" for mermin run; try "mermin run --help"'],
    [["run", "--format", "ndjson"], 'Unknown option "--format" for mermin run; try "mermin run --help"'],
    [
      ["run", "extra"],
      'mermin run does not take "extra"; usage: mermin run [-c FILE] [-i PATTERN]... [--log-level LEVEL]',
    ],
    [["check", "--help=yes"], "--help takes no value"],
    [["replay", "x", "--format", "xml"], '--format "xml" must be one of pretty, ndjson, otlp-json'],
  ])("%p is a usage error of one line", (argv, problem) => {
    expect(parseCommand(argv)).toEqual({ kind: "usage", problem });
  });

  test.each([
    [["run", "-c"]],
    [["run", "--config="]],
    [["run", "-i", ""]],
    [["replay"]],
    [["replay", "a", "b"]],
  ])("%p is a usage error that says what is missing or too much", (argv) => {
    const command = parseCommand(argv);
    expect(command.kind).toBe("usage");
    if (command.kind === "usage")
      expect(command.problem).toMatch(/^[^\n]*(needs a value|needs a capture file|does not take)[^\n]*$/);
  });

  test.each(["list", "prune", "uninstall"] as const)("reads mermin bpf %s", (action) => {
    const options = { path: "m.toml", logLevel: undefined, interfaces: [] };
    expect(parseCommand(["bpf", action, "-c", "m.toml"])).toEqual({ kind: "bpf", action, options });
  });

  test.each([
    [["bpf"], "mermin bpf needs list, prune or uninstall"],
    [["bpf", "lst"], 'not "lst"; did you mean "list"?'],
    [["bpf", "everything"], 'mermin bpf does list, prune or uninstall, not "everything"'],
    [["bpf", "list", "prune"], 'does not take "prune"'],
  ])("%p is a usage error that names what there is", (argv, problem) => {
    const command = parseCommand(argv);
    expect(command).toMatchObject({ kind: "usage" });
    if (command.kind === "usage") expect(command.problem).toContain(problem);
  });

  test("has help for every command that the overview lists, by both spellings", () => {
    const commands = [...formatOverview().matchAll(/^ {2}([a-z]+) {2,}/gm)].map((match) => match[1] ?? "");
    expect(commands).toEqual(["run", "replay", "check", "bpf", "version"]);
    for (const name of commands) {
      const help = parseCommand([name, "--help"]);
      expect(help).toEqual(parseCommand(["help", name]));
      expect(help.kind === "help" && help.text).toStartWith(`Usage: mermin ${name}`);
    }
    expect(parseCommand(["--help"])).toEqual({ kind: "help", text: formatOverview() });
  });
});
