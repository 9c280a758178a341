// Whether another program keeps packets from ours: the device counts on, our hook does not, and somebody runs before
// us. Comes in: counters of both, and who is before us. Goes out: which hooks are shadowed. Touches no kernel.

/** Packets at ingress (received) and at egress (sent). */
export type BothSides = readonly [ingress: number, egress: number];

/** Checks in a row in which the device counted and the hook did not. */
const SILENT_CHECKS = 2;

interface Side {
  device: number;
  hook: number;
  silentChecks: number;
  /** Programs that were there before ours when the hook was found silent; empty: not shadowed. */
  shadowedBy: readonly number[];
}

/** One interface's hooks. */
export class Shadow {
  readonly #sides: readonly [Side, Side];

  constructor(device: BothSides, hook: BothSides) {
    const side = (at: 0 | 1): Side => ({
      device: device[at],
      hook: hook[at],
      silentChecks: 0,
      shadowedBy: [],
    });
    this.#sides = [side(0), side(1)];
  }

  /** Takes the counters of now. A hook that counts is not shadowed, or no longer. */
  observe(device: BothSides, hook: BothSides): void {
    this.#sides.forEach((side, at) => {
      const [isPassed, isSeen] = [(device[at] ?? 0) > side.device, (hook[at] ?? 0) > side.hook];
      if (isSeen) Object.assign(side, { silentChecks: 0, shadowedBy: [] });
      else if (isPassed) side.silentChecks++;
      Object.assign(side, { device: device[at], hook: hook[at] });
    });
  }

  /** Whether a hook was silent long enough to ask who is before it. */
  get isSuspect(): boolean {
    return this.#sides.some(({ silentChecks }) => silentChecks >= SILENT_CHECKS);
  }

  /** Takes who runs before ours: whoever is before a silent hook shadows it; where nobody is, nothing does. */
  judge(before: readonly [readonly number[], readonly number[]]): void {
    this.#sides.forEach((side, at) => {
      const programs = before[at] ?? [];
      if (programs.length === 0) side.shadowedBy = [];
      else if (side.silentChecks >= SILENT_CHECKS) side.shadowedBy = programs;
    });
  }

  /** Ids of the programs that shadow a hook of this interface; empty: none does. */
  get programs(): readonly number[] {
    return [...new Set(this.#sides.flatMap(({ shadowedBy }) => shadowedBy))];
  }
}
