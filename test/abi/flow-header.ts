// A header, by default bpf/flow.h, as the compiler lays it out: offset and size of every field, value of every constant.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const HEADER = join(import.meta.dir, "..", "..", "bpf", "flow.h");

export interface Field {
  readonly offset: number;
  readonly size: number;
}

/** Bytes; structs, fields and constants by their names in the header. */
export interface Layout {
  readonly structs: ReadonlyMap<string, ReadonlyMap<string, Field>>;
  readonly sizes: ReadonlyMap<string, number>;
  readonly constants: ReadonlyMap<string, number>;
}

/** @throws Error where the compiler refuses the header */
export function compileLayout(header: string = HEADER): Layout {
  const structs = new Map<string, Map<string, Field>>();
  const constants = new Map<string, number>();
  const sizes = new Map<string, number>();
  for (const [kind, name = "", ...rest] of compileAndRun(header)) {
    if (kind === "constant") constants.set(name, Number(rest[0]));
    else if (kind === "size") sizes.set(name, Number(rest[0]));
    else {
      const fields = structs.get(name) ?? new Map<string, Field>();
      structs.set(name, fields.set(rest[0] ?? "", { offset: Number(rest[1]), size: Number(rest[2]) }));
    }
  }
  return { structs, sizes, constants };
}

/** @throws Error where there is no such field */
export function findField({ structs }: Layout, struct: string, field: string): Field {
  const found = structs.get(struct)?.get(field);
  if (found === undefined) throw new Error(`no field ${struct}.${field}`);
  return found;
}

/** Names of the fields of each struct, and of the constants of each enum, as the header writes them. */
function declared(header: string): {
  readonly fields: readonly [string, string][];
  readonly enumerators: readonly string[];
} {
  const text = readFileSync(header, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  const fields: [string, string][] = [];
  for (const [, name = "", body = ""] of text.matchAll(/struct (\w+) \{([^}]*)\};/g)) {
    for (const [, field = ""] of body.matchAll(/(\w+)(?:\s*\[\w+\])*;/g)) fields.push([name, field]);
  }
  const enumerators = [...text.matchAll(/enum \w+ \{([^}]*)\};/g)].flatMap(([, body = ""]) =>
    [...body.matchAll(/(\w+)\s*=/g)].map(([, name = ""]) => name),
  );
  return { fields, enumerators: header === HEADER ? [...enumerators, "MERMIN_SCHEMA_VERSION"] : enumerators };
}

/** Compiles a program that prints offset, size and value of everything declared, and reads what it prints. */
function compileAndRun(header: string): readonly string[][] {
  const { fields, enumerators } = declared(header);
  const names = new Set(fields.map(([name]) => name));
  const lines = [
    "#include <stddef.h>",
    "#include <stdio.h>",
    `#include "${header}"`,
    "int main(void) {",
    ...fields.map(
      ([name, field]) =>
        `printf("field ${name} ${field} %zu %zu\\n", offsetof(struct ${name}, ${field}), sizeof(((struct ${name} *)0)->${field}));`,
    ),
    ...[...names].map((name) => `printf("size ${name} %zu\\n", sizeof(struct ${name}));`),
    ...enumerators.map((name) => `printf("constant ${name} %d\\n", (int)${name});`),
    "}",
  ];
  const directory = mkdtempSync(join(tmpdir(), "layout-"));
  try {
    const [source, program] = [join(directory, "layout.c"), join(directory, "layout")];
    writeFileSync(source, lines.join("\n"));
    run("cc", "-o", program, source);
    const printed = run(program).trim().split("\n");
    return printed.map((line) => line.split(" "));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function run(...command: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command]);
  if (exitCode !== 0) throw new Error(`${command[0]}: ${stderr.toString()}`);
  return stdout.toString();
}
