// How long records wait for exporters. Comes in: which of them are crowded. Goes out: a moment to go on. On the export
// thread.

/** The part of an exporter that is waited for. */
export interface Waited {
  readonly hasRoom: boolean;
  room(): Promise<void>;
}

/**
 * Waits for room at every exporter, so that a burst pushes nothing out of a queue. An exporter that is still crowded
 * after its wait is slow, not bursting: beside others it is waited for no more until it has had room again, and drops
 * its oldest rather than hold up the rest. An exporter alone is waited for each time.
 */
export class Patience {
  readonly #exporters: readonly Waited[];
  readonly #slow = new Set<Waited>();

  constructor(exporters: readonly Waited[]) {
    this.#exporters = exporters;
  }

  /** Never rejects. */
  async wait(): Promise<void> {
    const crowded = this.#exporters.filter((exporter) => !exporter.hasRoom);
    for (const exporter of this.#slow) if (exporter.hasRoom) this.#slow.delete(exporter);
    if (crowded.length > 0) await Promise.all(crowded.map((exporter) => this.#waitFor(exporter)));
  }

  async #waitFor(exporter: Waited): Promise<void> {
    if (this.#slow.has(exporter)) return;
    await exporter.room();
    if (!exporter.hasRoom && this.#exporters.length > 1) this.#slow.add(exporter);
  }
}
