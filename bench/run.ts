// `make bench`: every benchmark in one run, as a table on standard output and in bench/README.md. Slowness is told, not
// punished; the exit code is 1 only where a step broke. Usage: bun bench/run.ts [STEP]...

import { measureAttach } from "./attach.ts";
import { measureBefore } from "./before.ts";
import { measureEffect } from "./effect.ts";
import { measureEncoding } from "./encoding.ts";
import { type Ground, type Measurement, row } from "./figure.ts";
import { groundOf, INSIDE, runInside } from "./ground.ts";
import { measureHook } from "./hook.ts";
import { measureKubernetes } from "./kubernetes.ts";
import { measureMemory } from "./memory.ts";
import { measureNewFlows } from "./new-flows.ts";
import { measureOverload } from "./overload.ts";
import { measureProgram } from "./program.ts";
import { describeMachine, writeFigures } from "./readme.ts";
import { measureRestart } from "./restart.ts";
import { measureScan } from "./scan.ts";
import { withSink } from "./sink.ts";
import { measureSpans } from "./spans.ts";
import { measureStart } from "./start.ts";

type Step = (ground: Ground) => Measurement | Promise<Measurement>;

const STEPS: Readonly<Record<string, Step>> = {
  program: measureProgram,
  before: measureBefore,
  hook: (ground) => withSink(ground, measureHook),
  flows: (ground) => withSink(ground, measureNewFlows),
  spans: (ground) => withSink(ground, measureSpans),
  overload: (ground) => withSink(ground, measureOverload),
  scan: measureScan,
  memory: (ground) => withSink(ground, measureMemory),
  effect: measureEffect,
  start: (ground) => withSink(ground, measureStart),
  attach: measureAttach,
  restart: (ground) => withSink(ground, measureRestart),
  encode: measureEncoding,
  kubernetes: measureKubernetes,
};

async function main([first, ...rest]: readonly string[]): Promise<number> {
  if (first === INSIDE) return await runSteps(rest);
  const names = first === undefined ? [] : [first, ...rest];
  const unknown = names.find((name) => STEPS[name] === undefined);
  if (unknown === undefined) return await runInside(names);
  console.error(`There is no step ${unknown}; there are ${Object.keys(STEPS).join(", ")}`);
  return 2;
}

/** Runs the named steps, or all; only a whole run is written down. Returns the exit code. */
async function runSteps(args: readonly string[]): Promise<number> {
  const { ground, names } = groundOf(args);
  const measurements: Measurement[] = [];
  let broken = 0;
  const machine = describeMachine();
  console.log(machine);
  for (const [name, step] of Object.entries(STEPS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const started = performance.now();
    try {
      const measurement = await step(ground);
      print(measurement, (performance.now() - started) / 1000);
      measurements.push(measurement);
    } catch (error) {
      broken++;
      console.error(`\nThe step ${name} broke: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (names.length === 0 && broken === 0) writeFigures(measurements, machine);
  return broken === 0 ? 0 : 1;
}

function print({ title, method, figures }: Measurement, seconds: number): void {
  console.log(`\n${title} (${seconds.toFixed(0)} s)\n  ${method}`);
  for (const [name, value, wanted, verdict] of figures.map(row)) {
    console.log(`  ${name.padEnd(72)} ${value.padStart(14)}  ${wanted.padEnd(16)} ${verdict}`.trimEnd());
  }
}

process.exitCode = await main(process.argv.slice(2));
