// A glob as steps that are tried all at a time: the time of a name grows with its length and the pattern's alone, also
// where others write the name (a label's key) and the pattern has many stars.

/** take: one character. star: any, each of which leads back to it. go: none, and on to all of these steps at once. */
type Step =
  | { readonly kind: "take"; readonly takes: (character: string) => boolean }
  | { readonly kind: "star" }
  | { readonly kind: "go"; readonly to: number[] };

/** Steps of a pattern, in its order; behind the last one the name matches. */
export type GlobSteps = readonly Step[];

interface OpenBrace {
  /** To where each alternative begins. */
  readonly begins: number[];
  /** From where each but the last one ends, to behind the brace. */
  readonly ends: number[][];
}

/** @throws {SyntaxError} "malformed pattern: …" */
export function parseGlob(pattern: string): GlobSteps {
  const characters = [...pattern];
  const steps: Step[] = [];
  const open: OpenBrace[] = [];
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index] ?? "";
    const brace = open.at(-1);
    if (character === "*") steps.push({ kind: "star" });
    else if (character === "?") steps.push({ kind: "take", takes: () => true });
    else if (character === "[") {
      const end = characters.indexOf("]", index + (characters[index + 1] === "!" ? 3 : 2));
      if (end < 0) throw malformed('"[" is not closed');
      steps.push({ kind: "take", takes: compileSet(characters.slice(index + 1, end)) });
      index = end;
    } else if (character === "{") {
      const begins = [steps.length + 1];
      steps.push({ kind: "go", to: begins });
      open.push({ begins, ends: [] });
    } else if (character === "}") {
      if (brace === undefined) throw malformed('"}" was not opened');
      for (const end of brace.ends) end.push(steps.length);
      open.pop();
    } else if (character === "," && brace !== undefined) {
      const to: number[] = [];
      steps.push({ kind: "go", to });
      brace.ends.push(to);
      brace.begins.push(steps.length);
    } else if (character === "\\") {
      const literal = characters[++index];
      if (literal === undefined) throw malformed('"\\" at the end');
      steps.push(takeOnly(literal));
    } else steps.push(takeOnly(character));
  }
  if (open.length > 0) throw malformed('"{" is not closed');
  return steps;
}

/** Whether the whole name matches. */
export function compileSteps(steps: GlobSteps): (name: string) => boolean {
  // Where the name may be in the pattern, before and behind a character; each step once.
  let [now, next] = [new Uint32Array(steps.length + 1), new Uint32Array(steps.length + 1)];
  const reached = new Float64Array(steps.length + 1);
  let turn = 0;
  const last = steps.length - 1;
  const endsInStar = steps[last]?.kind === "star";
  const reach = (at: number, places: Uint32Array, count: number): number => {
    if (reached[at] === turn) return count;
    reached[at] = turn;
    const step = steps[at];
    let total = count;
    if (step?.kind === "go") {
      for (const other of step.to) total = reach(other, places, total);
      return total;
    }
    places[total++] = at;
    return step?.kind === "star" ? reach(at + 1, places, total) : total;
  };
  return (name) => {
    turn++;
    let count = reach(0, now, 0);
    for (const character of name) {
      if (count === 0) return false;
      // The rest is the star's.
      if (endsInStar && reached[last] === turn) return true;
      turn++;
      let total = 0;
      for (let place = 0; place < count; place++) {
        const at = now[place] ?? 0;
        const step = steps[at];
        if (step?.kind === "star") total = reach(at, next, total);
        else if (step?.kind === "take" && step.takes(character)) total = reach(at + 1, next, total);
      }
      [now, next, count] = [next, now, total];
    }
    return reached[steps.length] === turn;
  };
}

function takeOnly(literal: string): Step {
  return { kind: "take", takes: (character) => character === literal };
}

function compileSet(set: readonly string[]): (character: string) => boolean {
  const isNegated = set[0] === "!";
  const members = isNegated ? set.slice(1) : set;
  const ranges: (readonly [low: number, high: number])[] = [];
  for (let index = 0; index < members.length; index++) {
    const low = members[index] ?? "";
    const isRange = members[index + 1] === "-" && index + 2 < members.length;
    const high = isRange ? (members[index + 2] ?? "") : low;
    if (isRange && low > high) throw malformed(`range "${low}-${high}" is empty`);
    ranges.push([codeOf(low), codeOf(high)]);
    if (isRange) index += 2;
  }
  return (character) => {
    const code = codeOf(character);
    return ranges.some(([low, high]) => code >= low && code <= high) !== isNegated;
  };
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

function malformed(reason: string): SyntaxError {
  return new SyntaxError(`malformed pattern: ${reason}`);
}
