// A reader of the OpenMetrics 1.0 text format, strict in what our exposition uses of it: written from the format's
// grammar, knowing nothing of the table of metrics.

export interface ReadSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface ReadFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ReadSample[];
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=[a-zA-Z_])|$)/y;

/** Families by name. Throws at the first offence against the format. */
export function readOpenMetrics(text: string): ReadonlyMap<string, ReadFamily> {
  if (!text.endsWith("\n# EOF\n")) throw new Error("does not end in # EOF");
  const families = new Map<string, { type: string; help: string; samples: ReadSample[] }>();
  const seen = new Set<string>();
  let current = "";
  for (const line of text.slice(0, -"# EOF\n".length).split("\n").slice(0, -1)) {
    const declaration = /^# (TYPE|HELP) (\S+) (.+)$/.exec(line);
    if (declaration !== null) {
      const [, keyword, name = "", rest = ""] = declaration;
      if (keyword === "TYPE") {
        if (families.has(name)) throw new Error(`family ${name} is declared twice`);
        families.set(name, { type: rest, help: "", samples: [] });
        current = name;
      } else {
        const family = families.get(name);
        if (family === undefined || name !== current) throw new Error(`HELP of ${name} outside its family`);
        family.help = unescapeText(rest);
      }
      continue;
    }
    const sample = readSample(line);
    const family = families.get(current);
    if (family === undefined) throw new Error(`sample before any family: ${line}`);
    const expected = family.type === "counter" ? `${current}_total` : current;
    if (sample.name !== expected)
      throw new Error(`sample ${sample.name} in family ${current} of type ${family.type}`);
    if (family.type === "counter" && sample.value < 0) throw new Error(`counter below 0: ${line}`);
    const identity = `${sample.name} ${JSON.stringify([...sample.labels].sort())}`;
    if (seen.has(identity)) throw new Error(`series twice: ${identity}`);
    seen.add(identity);
    family.samples.push(sample);
  }
  return families;
}

function readSample(line: string): ReadSample {
  const match = SAMPLE.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const [, name = "", labelText = "", valueText = ""] = match;
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < labelText.length) {
    const label = LABEL.exec(labelText);
    if (label === null) throw new Error(`malformed labels: ${line}`);
    if (labels.has(label[1] ?? "")) throw new Error(`label twice: ${line}`);
    labels.set(label[1] ?? "", unescapeText(label[2] ?? ""));
  }
  const value = Number(valueText);
  if (valueText === "" || !Number.isFinite(value)) throw new Error(`not a number: ${line}`);
  return { name, labels, value };
}

function unescapeText(text: string): string {
  return text.replace(/\\([\\"n])/g, (_, character: string) => (character === "n" ? "\n" : character));
}
