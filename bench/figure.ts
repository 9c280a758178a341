// What a step found: figures, and how they stand to what is to be reached. Prints nothing, decides no exit code.

/** One measured number. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit:
    | "ns"
    | "ms"
    | "s"
    | "µs"
    | "MB"
    | "%"
    | "×"
    | "/s"
    | "Gbit/s"
    | "packets"
    | "spans"
    | "requests"
    | "instructions"
    | "lost";
  /** The figure to reach, inclusive; absent where the number only explains another. */
  readonly reach?: { readonly atMost: number } | { readonly atLeast: number };
}

/** Figures of one step, with how they were measured. */
export interface Measurement {
  readonly title: string;
  /** One sentence: load, instrument, runs. */
  readonly method: string;
  readonly figures: readonly Figure[];
}

/** What every step is given. */
export interface Ground {
  /** Scratch directory with the compiled `traffic`, `empty.bpf.o` and `sink.bpf.o`; removed at the end. */
  readonly directory: string;
  /** Device of this network namespace; a veth whose other end is in `peer`. */
  readonly device: string;
  /** Name of the other network namespace, and of the memory cgroup that a step may make. */
  readonly peer: string;
  readonly peerAddress: string;
}

/** "reached", "missed", or "" where there is nothing to reach. */
export function verdict(figure: Figure): string {
  if (figure.reach === undefined) return "";
  const isReached =
    "atMost" in figure.reach ? figure.value <= figure.reach.atMost : figure.value >= figure.reach.atLeast;
  return isReached ? "reached" : "missed";
}

/** Columns of a figure's row: name, value with unit, figure to reach, verdict. */
export function row(figure: Figure): readonly [string, string, string, string] {
  const { reach, unit } = figure;
  const wanted =
    reach === undefined ? "" : "atMost" in reach ? `≤ ${text(reach.atMost)}` : `≥ ${text(reach.atLeast)}`;
  return [
    figure.name,
    `${text(figure.value)} ${unit}`,
    wanted === "" ? "" : `${wanted} ${unit}`,
    verdict(figure),
  ];
}

/** The middle of `values`; the upper one where their number is even. @throws RangeError where there are none. */
export function median(values: readonly number[]): number {
  const middle = values.toSorted((a, b) => a - b)[values.length >> 1];
  if (middle === undefined) throw new RangeError("No values to take the median of");
  return middle;
}

function text(value: number): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 3;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}
