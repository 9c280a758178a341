// The agent's log: one line an event on standard error, as text or JSON. Each thread makes its own logger.

import { writeSync } from "node:fs";

/** From the most severe on; a logger writes its own level and those before it. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Values beside the message; undefined ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  readonly error: (message: string, fields?: LogFields) => void;
  readonly warn: (message: string, fields?: LogFields) => void;
  readonly info: (message: string, fields?: LogFields) => void;
  readonly debug: (message: string, fields?: LogFields) => void;
  /** Whether lines of `level` are written: for callers whose fields cost something. */
  readonly isEnabled: (level: LogLevel) => boolean;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  /** Takes one line with its newline; standard error by default. */
  readonly write?: (line: string) => void;
  /** Wall clock; `new Date()` by default. */
  readonly now?: () => Date;
}

/**
 * A logger of `options.level` and above. Text lines are `TIME LEVEL message key=value …`, JSON lines have the keys
 * `time` (RFC 3339, UTC, milliseconds), `level`, `message` and the fields. A line that cannot be written is dropped.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { format, write = writeToStandardError, now = () => new Date() } = options;
  const limit = LOG_LEVELS.indexOf(options.level);
  const isEnabled = (level: LogLevel): boolean => LOG_LEVELS.indexOf(level) <= limit;
  const formatLine = format === "json" ? formatJson : formatText;
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (isEnabled(level)) write(`${formatLine(now(), level, message, fields)}\n`);
    };
  return { error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug"), isEnabled };
}

function formatText(time: Date, level: LogLevel, message: string, fields: LogFields): string {
  let line = `${time.toISOString()} ${level.toUpperCase().padEnd(5)} ${escapeControls(message)}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) line += ` ${name}=${formatValue(value)}`;
  }
  return line;
}

function formatJson(time: Date, level: LogLevel, message: string, fields: LogFields): string {
  return JSON.stringify({ ...fields, time: time.toISOString(), level, message });
}

function formatValue(value: string | number | boolean): string {
  const text = String(value);
  return typeof value === "string" && (text === "" || /[\s="\\\p{Cc}]/u.test(text))
    ? JSON.stringify(text)
    : text;
}

function escapeControls(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => JSON.stringify(control).slice(1, -1));
}

/** Synchronous, so that lines of both threads keep their order and the last one before an exit is not lost. */
function writeToStandardError(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // A closed or full standard error must not stop the agent, and there is nowhere else to say so.
  }
}
