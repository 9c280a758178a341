// Why a collector could not be reached, in words, with what to do. The messages of the platform name whole URLs.

const UNTRUSTED = "its certificate is of an authority that is not trusted; set tls.ca_cert";

const NOT_TLS = "its port does not speak TLS; is the endpoint http?";
const UNKNOWN_NAME = "the name of the host cannot be looked up";

const WORDS: Readonly<Record<string, string>> = {
  ConnectionRefused: "connection refused",
  ECONNREFUSED: "connection refused",
  ConnectionClosed: "connection closed before the answer",
  ECONNRESET: "connection closed before the answer",
  EPIPE: "connection closed before the answer",
  ETIMEDOUT: "connection timed out",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  FailedToOpenSocket: "no connection to the host",
  ENOTFOUND: "the name of the host is not known",
  EAI_AGAIN: "the name of the host cannot be looked up now",
  DNSException: UNKNOWN_NAME,
  EPROTO: NOT_TLS,
  WRONG_VERSION_NUMBER: NOT_TLS,
  Malformed_HTTP_Response: "its port does not speak HTTP",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name; set tls.server_name",
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; set tls.ca_cert",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
};

/** One line; the code alone where there are no words for it. */
export function describeNetworkError(error: unknown): string {
  if (!(error instanceof Error)) return "failed";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return WORDS[code] ?? (code === "" ? error.message : code);
}

/** The same for a text that tells of it somewhere; undefined where there are no words for that. */
export function findNetworkError(text: string): string | undefined {
  if (/self.signed certificate in|unable to (?:get|verify)/i.test(text)) return UNTRUSTED;
  if (text.includes("Protocol error")) return "its port does not speak gRPC; is it that of OTLP over HTTP?";
  if (text.startsWith("Name resolution failed")) return UNKNOWN_NAME;
  const words = text.match(/\w+/g) ?? [];
  return words.map((word) => WORDS[word]).find((known) => known !== undefined);
}
