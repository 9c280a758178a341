// What the next scan reads: everything, or only flows with news. Comes in: what befell the table since the last scan of
// everything. Goes out: a reach. Never reads a flow.

import type { ScanReach } from "../capture/record.ts";
import type { FlowTimeouts } from "./lifecycle.ts";

/**
 * Scans for news between two of everything. Only those find that an entry is gone, or that a packet was counted which
 * a processor that stood still had stamped with the generation before.
 */
const MOST_NEWS_SCANS = 15;

/** By what quiet flows were judged that a scan for news passes over. */
interface Judgement {
  readonly timeouts: FlowTimeouts;
  /** Of what the node knows, see DirectionContext. */
  readonly revision: number;
}

/** The reach of one scan after the other. */
export class ReachPlan {
  readonly #maySeekNews: boolean;
  #newsScans = MOST_NEWS_SCANS;
  #judgement: Judgement | undefined;

  /** @param maySeekNews false: every scan is of everything */
  constructor(maySeekNews: boolean) {
    this.#maySeekNews = maySeekNews;
  }

  /** The reach of the scan that begins. */
  next(judgement: Judgement): ScanReach {
    const { timeouts, revision } = judgement;
    const isSame = timeouts === this.#judgement?.timeouts && revision === this.#judgement.revision;
    if (this.#maySeekNews && isSame && this.#newsScans < MOST_NEWS_SCANS) {
      this.#newsScans++;
      return "news";
    }
    this.#judgement = judgement;
    this.#newsScans = 0;
    return "all";
  }

  /** The next scan has to read everything. */
  wantAll(): void {
    this.#newsScans = MOST_NEWS_SCANS;
  }
}
