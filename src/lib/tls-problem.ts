// What is wrong with PEM texts, in words: the platform says of most of it only that there is no connection.

import { createPrivateKey, X509Certificate } from "node:crypto";

/** Each as a text, or as the name of the setting that has it. */
export type PemTexts<T = string | undefined> = Readonly<Record<"ca" | "cert" | "key", T>>;

/** Names the setting; undefined where nothing is wrong that can be seen without a peer. */
export function findTlsProblem({ ca, cert, key }: PemTexts, names: PemTexts<string>): string | undefined {
  if (ca !== undefined && read(() => new X509Certificate(ca)) === undefined) {
    return `${names.ca}: the file has no PEM certificate`;
  }
  const certificate = cert === undefined ? undefined : read(() => new X509Certificate(cert));
  if (cert !== undefined && certificate === undefined) {
    return `${names.cert}: the file has no PEM certificate`;
  }
  const privateKey = key === undefined ? undefined : read(() => createPrivateKey(key));
  if (key !== undefined && privateKey === undefined) {
    return `${names.key}: the file has no PEM key, or one with a passphrase`;
  }
  if (certificate === undefined || privateKey === undefined) return undefined;
  if (certificate.checkPrivateKey(privateKey)) return undefined;
  return `${names.key}: the key is not that of ${names.cert}`;
}

function read<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
