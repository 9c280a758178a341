// A transport whose answers a test writes down, and gives when it wants.

import type { SendOutcome, Transport } from "../../../src/export/send-outcome.ts";

export interface Attempt {
  readonly request: Uint8Array<ArrayBuffer>;
  readonly answer: (outcome: SendOutcome) => void;
}

export interface ScriptedTransport extends Transport {
  /** Attempts that are not answered yet, the oldest first. */
  readonly waiting: Attempt[];
  /** Attempts so far, and most that waited at once. */
  readonly attempts: () => number;
  readonly mostConcurrent: () => number;
}

export const SENT: SendOutcome = { status: "sent", rejected: 0, message: undefined };

export function retryOutcome(retryAfterMs?: number): SendOutcome {
  return { status: "retry", reason: "unavailable", retryAfterMs, cause: new Error("not now") };
}

/** @param answer gives the answer at once where it returns one */
export function scriptTransport(answer?: (request: Uint8Array) => SendOutcome): ScriptedTransport {
  const waiting: Attempt[] = [];
  let [attempts, mostConcurrent] = [0, 0];
  return {
    host: "collector.example",
    isUnverified: false,
    waiting,
    attempts: () => attempts,
    mostConcurrent: () => mostConcurrent,
    send: async (request) => {
      attempts++;
      if (answer !== undefined) return answer(request);
      const { promise, resolve } = Promise.withResolvers<SendOutcome>();
      waiting.push({ request, answer: resolve });
      mostConcurrent = Math.max(mostConcurrent, waiting.length);
      return await promise;
    },
    [Symbol.dispose]: () => {},
  };
}
