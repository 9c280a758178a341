// Says again and again that a collector's certificate is not looked at, so that nobody forgets it.

import type { LogFields, Logger } from "../lib/log.ts";

const HOUR_MS = 3_600_000;

/** Warns now and each hour until disposed. */
export function warnOfUnverified(log: Logger, fields: LogFields): Disposable {
  const warn = (): void =>
    log.warn("tls.insecure_skip_verify: anyone on the way can read and change what is exported", fields);
  warn();
  const timer = setInterval(warn, HOUR_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
