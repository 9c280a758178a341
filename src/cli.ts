// argv → Command. Says what is wrong with a command line; never runs anything.

import { findNearest } from "./lib/nearest.ts";

/** What the command line says about the config; the fields of the loader's ConfigFlags. */
export interface ConfigOptions {
  readonly path: string | undefined;
  readonly logLevel: string | undefined;
  readonly interfaces: readonly string[];
}

export type Command =
  | { readonly kind: "run"; readonly options: ConfigOptions }
  | {
      readonly kind: "replay";
      readonly file: string;
      readonly format: (typeof REPLAY_FORMATS)[number] | undefined;
      readonly options: ConfigOptions;
    }
  | { readonly kind: "check"; readonly options: ConfigOptions }
  | { readonly kind: "bpf"; readonly action: BpfAction; readonly options: ConfigOptions }
  | { readonly kind: "version" }
  /** Text for standard output. */
  | { readonly kind: "help"; readonly text: string }
  /** One line for standard error; exit code 2. */
  | { readonly kind: "usage"; readonly problem: string };

const REPLAY_FORMATS = ["pretty", "ndjson", "otlp-json"] as const;

/** What `mermin bpf` does. */
export type BpfAction = (typeof BPF_ACTIONS)[number];

const BPF_ACTIONS = ["list", "prune", "uninstall"] as const;

type OptionName = "config" | "log-level" | "interface" | "format" | "help" | "version";

interface Option {
  readonly letter?: string;
  /** Absent: the option takes no value. */
  readonly value?: string;
  readonly help: string;
}

interface Syntax {
  readonly usage: string;
  readonly summary: string;
  readonly details: string;
  readonly argument?: string;
  readonly options: readonly OptionName[];
}

interface Parsed {
  readonly values: ReadonlyMap<OptionName, readonly string[]>;
  readonly positional: readonly string[];
}

const OPTIONS: Readonly<Record<OptionName, Option>> = {
  config: { letter: "c", value: "FILE", help: "config file in TOML; else MERMIN_CONFIG_PATH; else defaults" },
  interface: {
    letter: "i",
    value: "PATTERN",
    help: "interface name or glob, may be repeated; instead of capture.interfaces",
  },
  format: {
    value: "FORMAT",
    help: "pretty, ndjson or otlp-json on standard output, instead of the exporters of the config",
  },
  "log-level": { value: "LEVEL", help: "error, warn, info or debug, on standard error" },
  version: { letter: "V", help: "print the version and exit" },
  help: { letter: "h", help: "print this text and exit" },
};

const COMMANDS = {
  run: {
    usage: "mermin run [-c FILE] [-i PATTERN]... [--log-level LEVEL]",
    summary: "watch interfaces and export their flows",
    details:
      "Attaches to the configured interfaces, tells every flow as a span, and goes on until SIGINT or SIGTERM.\nWithout a config: every interface that is up, but loopback and members of a bond; spans to standard output.",
    options: ["config", "interface", "log-level", "help"],
  },
  replay: {
    usage: "mermin replay FILE [--format pretty|ndjson|otlp-json] [-c FILE] [--log-level LEVEL]",
    summary: "run a capture file through the same program and pipeline",
    details:
      "FILE is pcap or pcapng. The packets' own times are the clock. Spans go to the exporters of the config,\nor with --format to standard output.",
    argument: "a capture file",
    options: ["config", "format", "log-level", "help"],
  },
  check: {
    usage: "mermin check [-c FILE] [-i PATTERN]... [--log-level LEVEL]",
    summary: "validate a config and print the effective one",
    details:
      "Prints every setting as TOML, as file, environment and flags make it; secrets are hidden.\nA config that is wrong gives one line for each error, and exit code 2.",
    options: ["config", "interface", "log-level", "help"],
  },
  bpf: {
    usage: "mermin bpf list|prune|uninstall [-c FILE]",
    summary: "what Mermin has in the kernel, and taking it out",
    details:
      "list: programs, maps, links, filters and pins, where they are and which process holds them.\nprune: removes pins of older versions.\nuninstall: removes every link, filter, qdisc and pin of Mermin that no process holds; refuses while an agent runs.",
    argument: "list, prune or uninstall",
    options: ["config", "help"],
  },
  version: { usage: "mermin version", summary: "print the version", details: "", options: ["help"] },
} as const satisfies Readonly<Record<string, Syntax>>;

type CommandName = keyof typeof COMMANDS;

/** Reads the arguments after the program's own name. Never throws: what is wrong is a Command of kind "usage". */
export function parseCommand(argv: readonly string[]): Command {
  const [first, ...rest] = argv;
  if (first === undefined) return usage('No command given; try "mermin --help"');
  if (first === "--help" || first === "-h") return { kind: "help", text: formatOverview() };
  if (first === "--version" || first === "-V") return { kind: "version" };
  if (first === "help") return helpFor(rest[0]);
  if (!isCommandName(first)) return unknownCommand(first);
  const syntax: Syntax = COMMANDS[first];
  const parsed = parseOptions(rest, syntax, first);
  if (typeof parsed === "string") return usage(parsed);
  if (parsed.values.has("help")) return { kind: "help", text: formatHelp(syntax) };
  const expected = syntax.argument === undefined ? 0 : 1;
  if (parsed.positional.length < expected)
    return usage(`mermin ${first} needs ${syntax.argument}; usage: ${syntax.usage}`);
  const surplus = parsed.positional[expected];
  if (surplus !== undefined)
    return usage(`mermin ${first} does not take "${surplus}"; usage: ${syntax.usage}`);
  return buildCommand(first, parsed);
}

/** The text of `mermin --help`. */
export function formatOverview(): string {
  const names = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return [
    "Mermin tells the network flows of this machine as OpenTelemetry spans, each packet counted once.",
    "",
    "Usage: mermin COMMAND [OPTIONS]",
    "",
    "Commands:",
    ...names,
    "",
    "Options:",
    ...formatOptions(["version", "help"]),
    "",
    '"mermin COMMAND --help" tells more of a command.',
    "Exit codes: 0 done, 1 failed, 2 usage or config error.",
    "",
  ].join("\n");
}

function formatHelp({ usage: line, summary, details, options }: Syntax): string {
  const lead = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
  const body = details === "" ? [lead] : [lead, "", details];
  return [`Usage: ${line}`, "", ...body, "", "Options:", ...formatOptions(options), ""].join("\n");
}

function formatOptions(names: readonly OptionName[]): readonly string[] {
  return names.map((name) => {
    const { letter, value, help } = OPTIONS[name];
    const forms = `${letter === undefined ? "   " : `-${letter},`} --${name}${value === undefined ? "" : ` ${value}`}`;
    return `  ${forms.padEnd(27)}${help}`;
  });
}

function helpFor(name: string | undefined): Command {
  if (name === undefined) return { kind: "help", text: formatOverview() };
  return isCommandName(name) ? { kind: "help", text: formatHelp(COMMANDS[name]) } : unknownCommand(name);
}

function unknownCommand(name: string): Command {
  if (name.startsWith("-")) return usage(`Unknown option "${name}" before a command; try "mermin --help"`);
  const nearest = findNearest(name, Object.keys(COMMANDS));
  const hint = nearest === undefined ? 'try "mermin --help"' : `did you mean "${nearest}"?`;
  return usage(`Unknown command "${name}"; ${hint}`);
}

/** Options may stand before and after the argument, as `--name value`, `--name=value`, `-n value`, `-nvalue`; `--` ends them. */
function parseOptions(argv: readonly string[], syntax: Syntax, command: string): Parsed | string {
  const values = new Map<OptionName, string[]>();
  const positional: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const token = argv[index] ?? "";
    if (token === "--") {
      positional.push(...argv.slice(index + 1));
      break;
    }
    if (!token.startsWith("-") || token === "-") {
      positional.push(token);
      continue;
    }
    const { written, name, attached } = splitToken(token, syntax);
    if (name === undefined) return unknownOption(written, syntax, command);
    const takesValue = OPTIONS[name].value !== undefined;
    if (!takesValue && attached !== undefined) return `${written} takes no value`;
    const value = takesValue ? (attached ?? argv[++index]) : "";
    if (value === undefined || (takesValue && value === ""))
      return `${written} needs a value: ${OPTIONS[name].help}`;
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return { values, positional };
}

function splitToken(
  token: string,
  { options }: Syntax,
): {
  readonly written: string;
  readonly name: OptionName | undefined;
  readonly attached: string | undefined;
} {
  if (!token.startsWith("--")) {
    const name = options.find((option) => OPTIONS[option].letter === token[1]);
    return { written: token.slice(0, 2), name, attached: token.length > 2 ? token.slice(2) : undefined };
  }
  const equals = token.indexOf("=");
  const written = equals < 0 ? token : token.slice(0, equals);
  const name = options.find((option) => `--${option}` === written);
  return { written, name, attached: equals < 0 ? undefined : token.slice(equals + 1) };
}

function unknownOption(written: string, { options }: Syntax, command: string): string {
  const nearest = findNearest(
    written,
    options.map((option) => `--${option}`),
  );
  const hint = nearest === undefined ? `try "mermin ${command} --help"` : `did you mean ${nearest}?`;
  return `Unknown option "${written}" for mermin ${command}; ${hint}`;
}

function buildCommand(name: CommandName, { values, positional }: Parsed): Command {
  const options: ConfigOptions = {
    path: values.get("config")?.at(-1),
    logLevel: values.get("log-level")?.at(-1),
    interfaces: values.get("interface") ?? [],
  };
  switch (name) {
    case "run":
    case "check":
      return { kind: name, options };
    case "version":
      return { kind: "version" };
    case "bpf": {
      const written = positional[0] ?? "";
      const action = BPF_ACTIONS.find((each) => each === written);
      if (action !== undefined) return { kind: "bpf", action, options };
      const nearest = findNearest(written, BPF_ACTIONS);
      const hint = nearest === undefined ? "" : `; did you mean "${nearest}"?`;
      return usage(`mermin bpf does list, prune or uninstall, not "${written}"${hint}`);
    }
    case "replay": {
      const format = values.get("format")?.at(-1);
      const known = REPLAY_FORMATS.find((each) => each === format);
      if (format !== undefined && known === undefined) {
        return usage(`--format "${format}" must be one of ${REPLAY_FORMATS.join(", ")}`);
      }
      return { kind: "replay", file: positional[0] ?? "", format: known, options };
    }
    default:
      return name satisfies never;
  }
}

function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}

function usage(problem: string): Command {
  return { kind: "usage", problem };
}
