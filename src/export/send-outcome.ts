// The border between what decides when a request is sent (request-sender.ts) and what carries it (transport-*.ts).

/**
 * What became of one attempt.
 * `sent`: acknowledged, but for `rejected` spans that the collector said it refused (partial success).
 * `rejected`: refused for good, sending it again is useless. `too_large`: a smaller one may be taken.
 * `retry`: it may be sent again, not before `retryAfterMs` where the collector asked for that.
 */
export type SendOutcome =
  | { readonly status: "sent"; readonly rejected: number; readonly message: string | undefined }
  | { readonly status: "rejected" | "too_large"; readonly cause: Error }
  | {
      readonly status: "retry";
      readonly reason: RetryReason;
      readonly retryAfterMs: number | undefined;
      readonly cause: Error;
    };

/** It could not be reached, it did not answer in time, or it answered that it takes nothing now. */
export type RetryReason = "unreachable" | "timeout" | "unavailable";

/**
 * Makes one attempt; connects where it has to. Never rejects, and resolves within the configured timeout, whatever the
 * collector does; at once when `signal` aborts.
 */
export type SendRequest = (request: Uint8Array<ArrayBuffer>, signal: AbortSignal) => Promise<SendOutcome>;

/** Carries requests to one collector. */
export interface Transport extends Disposable {
  readonly send: SendRequest;
  /** Of the collector, for the log: without user name and path. */
  readonly host: string;
  /** Whether it takes any certificate. */
  readonly isUnverified: boolean;
}
