// What is wrong with a config, before it is known where it was said.

export interface Problem {
  readonly path: readonly string[];
  /** Continues the setting's name: "must be …", "is not a setting". */
  readonly message: string;
}

/** All that is wrong with a config, a line each; the message is those lines. Ends the process with code 2. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join("\n"), options);
    this.name = "ConfigError";
    this.problems = problems;
  }
}
