// Certificates that a test makes for itself, by openssl: an authority, and what it signs.

import { join } from "node:path";
import { runCommand } from "./namespace-process.ts";

/** A certificate and its key, as paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"];

/** Makes an authority whose files are `NAME.pem` and `NAME.key` in `folder`. */
export function makeAuthority(folder: string, name: string): Certificate {
  const made = filesOf(folder, name);
  runCommand([
    ...["openssl", "req", "-x509", ...NEW_KEY, "-keyout", made.key, "-out", made.cert],
    ...["-subj", `/CN=${name}`, "-addext", "keyUsage=critical,keyCertSign"],
  ]);
  return made;
}

/**
 * Makes a certificate for servers and clients, signed by `authority`, beside it or in place of the one of that name.
 * @param names as OpenSSL writes alternative names: `DNS:collector.test`, `IP:127.0.0.1`
 */
export function issueCertificate(
  authority: Certificate,
  folder: string,
  name: string,
  names: readonly string[],
): Certificate {
  const made = filesOf(folder, name);
  runCommand([
    ...["openssl", "req", "-x509", ...NEW_KEY, "-keyout", made.key, "-out", made.cert],
    ...["-CA", authority.cert, "-CAkey", authority.key, "-subj", `/CN=${name}`],
    ...["-addext", `subjectAltName=${names.join(",")}`, "-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-addext", "extendedKeyUsage=serverAuth,clientAuth"],
  ]);
  return made;
}

function filesOf(folder: string, name: string): Certificate {
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
}
