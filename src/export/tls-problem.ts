// What is wrong with PEM files, in words: the platform says of most of it only that there is no connection.

import { createPrivateKey, X509Certificate } from "node:crypto";

export interface PemTexts {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** Names the setting; undefined where nothing is wrong that can be seen without a peer. */
export function findTlsProblem({ ca, cert, key }: PemTexts): string | undefined {
  if (ca !== undefined && read(() => new X509Certificate(ca)) === undefined) {
    return "tls.ca_cert: the file has no PEM certificate";
  }
  const certificate = cert === undefined ? undefined : read(() => new X509Certificate(cert));
  if (cert !== undefined && certificate === undefined) {
    return "tls.client_cert: the file has no PEM certificate";
  }
  const privateKey = key === undefined ? undefined : read(() => createPrivateKey(key));
  if (key !== undefined && privateKey === undefined) {
    return "tls.client_key: the file has no PEM key, or one with a passphrase";
  }
  if (certificate === undefined || privateKey === undefined) return undefined;
  if (certificate.checkPrivateKey(privateKey)) return undefined;
  return "tls.client_key: the key is not that of tls.client_cert";
}

function read<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
