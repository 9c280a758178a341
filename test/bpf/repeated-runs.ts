// A worker: runs a program of its parent's probe over one packet, again and again, on a CPU of its own.

import { loadLibrary } from "../../src/capture/library.ts";
import type { Probe } from "../../src/capture/probe.ts";

/** What is run. */
export interface RepeatedRuns {
  readonly handle: Probe["handle"];
  readonly frame: Uint8Array;
  readonly packets: number;
}

/** Word of struct merminbpf_test_packet. */
const REPEAT = 8;
const TEST_WORDS = 12;

addEventListener("message", ({ data }: MessageEvent<RepeatedRuns>) => {
  const test = new Uint32Array(TEST_WORDS);
  test[REPEAT] = data.packets;
  postMessage(loadLibrary().merminbpf_test_run(data.handle, data.frame, data.frame.length, test));
});
