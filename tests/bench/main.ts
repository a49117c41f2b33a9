/**
 * `npm run bench`: time, peak memory and growth of the engine, each measurement in a process of its own.
 *
 * `npm run bench -- --help` lists the options.
 */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import Table from "cli-table3";
import { Command, InvalidArgumentError, Option } from "commander";
import { dump } from "js-yaml";
import { ToolchainError } from "../../lab/toolchain";
import { Dialect } from "../../sdk/plan";
import type { KubeObject } from "../../sdk/reachability";
import { measureAudit } from "./audit";
import { compareWith, type Comparison } from "./against";
import { benchObjects, sizes, type BenchOptions } from "./generator";
import { measure, run, type Measurement } from "./measure";
import { measurePack } from "./pack";

const repository = path.join(__dirname, "..", "..");

interface Row {
  readonly size: string;
  readonly dialects: string;
  readonly measurement: string;
  readonly seconds: number;
  readonly megabytes?: number;
  readonly pairs?: number;
  /** This row's time and pairs over those of the same measurement at the size before. */
  readonly timeRatio?: number;
  readonly pairsRatio?: number;
  readonly note?: string;
}

interface BenchArguments {
  readonly json: boolean;
  readonly sizes: readonly Size[];
  readonly dialects: readonly BenchOptions["dialects"][];
  readonly seed: number;
  readonly write?: string;
  readonly cli: boolean;
  readonly largest: boolean;
  readonly against?: string;
  readonly rounds: number;
}

type Size = readonly [workloads: number, policies: number];

/** Reads the command line; prints help, and ends with 2 where an option is unknown or its value wrong. */
function readArguments(): BenchArguments {
  const program = new Command("npm run bench --")
    .description("Time, peak memory and growth of the reachability engine; each measurement in a process of its own.")
    .option("--json", "print one JSON document in place of a table", false)
    .option("--sizes <list>", "workloads x policies: 400x200,1000x500", parseSizes, sizes)
    .option("--dialects <list>", "kubernetes, mixed", parseDialects, ["kubernetes", "mixed"])
    .option("--seed <number>", "seed of the generated clusters", parseSeed, 1)
    .option("--largest", "also 20,000 x 10,000 (kubernetes only), for the growth beyond the budget", false)
    .option("--no-cli", "leave out the command line tool's own measurement")
    .option("--against <commit>", "only the engine, beside that of an older commit: how much slower it is")
    .option("--rounds <number>", "with --against: how often each is measured; the least time counts", parseRounds, 5)
    .addOption(new Option("--write <file>", "only write the last of the sizes as one YAML file"))
    .addHelpText(
      "after",
      `
Examples:
  npm run bench
  npm run bench -- --sizes 400x200,1000x500 --dialects kubernetes --no-cli
  npm run bench -- --against v0.1.0 --sizes 1000x500,4000x2000
  npm run bench -- --write cluster.yaml --sizes 10000x5000`,
    )
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? 0 : 2);
    });
  return program.parse().opts<BenchArguments>();
}

async function main(): Promise<void> {
  const values = readArguments();
  const { dialects, seed } = values;
  if (values.write !== undefined) {
    const [workloads, policies] = values.sizes.at(-1) ?? [400, 200];
    writeYaml(values.write, benchObjects({ workloads, policies, seed, dialects: dialects[0] ?? "kubernetes" }));
    return;
  }
  const plan = dialects.flatMap((dialect) =>
    [...values.sizes, ...(values.largest && dialect === "kubernetes" ? [[20_000, 10_000] as const] : [])].map(
      ([workloads, policies]): BenchOptions => ({ workloads, policies, seed, dialects: dialect }),
    ),
  );
  if (values.against !== undefined) {
    printComparison(values, await compareWith(values.against, plan, values.rounds));
    return;
  }
  const rows: Row[] = [];
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-bench-"));
  try {
    for (const options of plan) {
      for (const row of await measureSize(folder, options, values.cli)) {
        rows.push(withRatios(row, rows));
        if (!values.json) process.stderr.write(`${row.dialects} ${row.size} ${row.measurement}: ${row.seconds} s\n`);
      }
    }
    rows.push(await measureExplain(folder, seed));
    for (const dialect of Object.values(Dialect)) rows.push(await measurePlan(dialect));
    rows.push(await measureRender());
    rows.push(...(await measureLiveAudit(values.cli)));
    for (const lines of [250_000, 500_000]) rows.push(withRatios(await measureFlows(folder, lines), rows));
    for (const { measurement, seconds, ratio, cpuRatio, budget } of await measurePack()) {
      const cpu = cpuRatio === undefined ? "" : ` (${round(cpuRatio)} in computing time)`;
      const note = `${round(ratio)} times an empty compiled pack${cpu}; the budget is ${budget}`;
      rows.push({ size: "2000 resources", dialects: "kubernetes", measurement, seconds: round(seconds), note });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const about = aboutRun(seed);
  process.stdout.write(
    values.json ? `${JSON.stringify({ ...about, rows }, undefined, 2)}\n` : `${tableOf(about, rows)}\n`,
  );
}

function aboutRun(seed: number): Record<string, unknown> {
  return {
    date: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    seed,
  };
}

function printComparison({ json, against, seed }: BenchArguments, rows: readonly Comparison[]): void {
  const about = { ...aboutRun(seed), against };
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...about, rows }, undefined, 2)}\n`);
    return;
  }
  const head = [
    "workloads × policies",
    "dialects",
    "measurement",
    `${against} (CPU s)`,
    "now (CPU s)",
    "ratio",
    "note",
  ];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { size, dialects, measurement, before, now, ratio, note = "" } of rows) {
    table.push([size, dialects, measurement, before.toFixed(2), now.toFixed(2), ratio.toFixed(3), note]);
  }
  process.stdout.write(`${headline(about)}\n${table.toString()}\n`);
}

function headline(about: Record<string, unknown>): string {
  return Object.entries(about)
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(", ");
}

async function measureSize(folder: string, options: BenchOptions, cli: boolean): Promise<Row[]> {
  const size = `${options.workloads} × ${options.policies}`;
  const objects = benchObjects(options);
  const json = path.join(folder, "cluster.json");
  writeFileSync(json, JSON.stringify(objects));
  const result = await measure(path.join(__dirname, "child.ts"), "matrix", json);
  const base = { size, dialects: options.dialects };
  const rows: Row[] = [
    { ...base, measurement: "compile", seconds: round(result.compileMs / 1000) },
    {
      ...base,
      measurement: "compile + matrix",
      seconds: round(result.totalMs / 1000),
      megabytes: result.maxRssMb,
      pairs: result.pairs,
      ...noteOf(result),
    },
  ];
  const program = cliCommand();
  if (cli && program) {
    const yaml = path.join(folder, "cluster.yaml");
    const output = path.join(folder, "matrix.json");
    writeYaml(yaml, objects);
    const [command = "", ...args] = program;
    const whole = await run(command, [...args, "matrix", "--format", "json", yaml], output);
    rows.push({
      ...base,
      measurement: "CLI: matrix --format json, one YAML file",
      seconds: round(whole.seconds),
      ...(whole.maxRssMb === undefined ? {} : { megabytes: whole.maxRssMb }),
      note: `${Math.round(statSync(yaml).size / 1e6)} MB of YAML, ${Math.round(statSync(output).size / 1e6)} MB of JSON${args.includes("tsx/cjs") ? ", transpiled at start" : ""}`,
    });
  }
  return rows;
}

/** Explain all pairs of 200 workloads under 100 policies. */
async function measureExplain(folder: string, seed: number): Promise<Row> {
  const json = path.join(folder, "explain.json");
  writeFileSync(json, JSON.stringify(benchObjects({ workloads: 200, policies: 100, seed, dialects: "mixed" })));
  const result = await measure(path.join(__dirname, "child.ts"), "explain", json);
  return {
    size: "200 × 100",
    dialects: "mixed",
    measurement: "compile + explain all pairs",
    seconds: round(result.totalMs / 1000),
    megabytes: result.maxRssMb,
    pairs: result.pairs,
    ...noteOf(result),
  };
}

/** Planning a declaration of 500 namespaces and 5,000 flows: CPU seconds. */
async function measurePlan(dialect: Dialect): Promise<Row> {
  const { stdout } = await run(process.execPath, ["--require", "tsx/cjs", path.join(__dirname, "plan.ts"), dialect]);
  const { seconds, maxRssMb, documents } = JSON.parse(stdout) as Record<"seconds" | "maxRssMb" | "documents", number>;
  return {
    size: "500 namespaces, 5,000 flows",
    dialects: dialect,
    measurement: "plan",
    seconds: round(seconds),
    megabytes: maxRssMb,
    note: `${documents} policies; CPU time; the budget is 2 s`,
  };
}

/** Rendering a large declaration for Flux with the proof of its order: CPU seconds, and how many plans they are. */
async function measureRender(): Promise<Row> {
  const { stdout } = await run(process.execPath, ["--require", "tsx/cjs", path.join(__dirname, "render.ts")]);
  const { seconds, ratio, policies, maxRssMb } = JSON.parse(stdout) as Record<
    "seconds" | "ratio" | "policies" | "maxRssMb",
    number
  >;
  return {
    size: "300 workloads, 900 flows",
    dialects: Dialect.Cilium,
    measurement: "render for Flux",
    seconds: round(seconds),
    megabytes: maxRssMb,
    note: `${policies} objects; CPU time, ${round(ratio)} times the plan alone; the budget is 1 s`,
  };
}

/** Auditing a live cluster by its API server, which the lab starts; nothing where its tools are not there. */
async function measureLiveAudit(cli: boolean): Promise<Row[]> {
  const program = cliCommand();
  if (!cli || program === undefined) return [];
  const cost = await measureAudit(program).catch((error: unknown) => {
    if (!(error instanceof ToolchainError)) throw error;
    process.stderr.write(`audit was not measured: ${error.message}\n`);
    return undefined;
  });
  if (cost === undefined) return [];
  const { policies, pods, seconds, maxRssMb, madeIn } = cost;
  return [
    {
      size: `${policies.toLocaleString("en")} policies, ${pods.toLocaleString("en")} pods`,
      dialects: Dialect.Kubernetes,
      measurement: "CLI: audit --context",
      seconds: round(seconds),
      ...(maxRssMb === undefined ? {} : { megabytes: maxRssMb }),
      note: `over HTTP; the budget is 15 s (the objects were made in ${Math.round(madeIn)} s)`,
    },
  ];
}

/** Reading full lines of Hubble, one in a hundred of them broken: CPU seconds. */
async function measureFlows(folder: string, lines: number): Promise<Row> {
  const file = path.join(folder, "flows.log");
  const child = (mode: string): Promise<{ stdout: string }> =>
    run(process.execPath, ["--require", "tsx/cjs", path.join(__dirname, "flows.ts"), mode, String(lines), file]);
  await child("write");
  const read = JSON.parse((await child("read")).stdout) as Record<
    "seconds" | "maxRssMb" | "megabytes" | "lines" | "records" | "passedOver" | "notUnderstood" | "classes",
    number
  >;
  if (read.records + read.passedOver + read.notUnderstood !== lines || read.notUnderstood !== lines / 100) {
    throw new Error(`the numbers of a recording do not add up: ${JSON.stringify(read)}`);
  }
  return {
    size: `${lines.toLocaleString("en")} flows`,
    dialects: "Hubble",
    measurement: "read a recording",
    seconds: round(read.seconds),
    megabytes: read.maxRssMb,
    note: `${read.megabytes} MB, ${read.notUnderstood} broken; CPU time; the budget of 1,000,000 is 60 s and 300 MB`,
  };
}

function noteOf(result: Measurement): { note?: string } {
  return result.problems > 0 ? { note: `${result.problems} problems in the snapshot` } : {};
}

/** The built CLI where there is one, else its source through tsx (slower to start). */
function cliCommand(): string[] | undefined {
  const built = path.join(repository, "bin", "sdk", "cli", "main.js");
  if (existsSync(built)) return [process.execPath, built];
  const source = path.join(repository, "sdk", "cli", "main.ts");
  return existsSync(source) ? [process.execPath, "--require", "tsx/cjs", source] : undefined;
}

function withRatios(row: Row, before: readonly Row[]): Row {
  const previous = before.findLast((one) => one.dialects === row.dialects && one.measurement === row.measurement);
  if (!previous) return row;
  return {
    ...row,
    timeRatio: round(row.seconds / previous.seconds),
    ...(row.pairs && previous.pairs ? { pairsRatio: round(row.pairs / previous.pairs) } : {}),
  };
}

function tableOf(about: Record<string, unknown>, rows: readonly Row[]): string {
  const table = new Table({
    head: [
      "workloads × policies",
      "dialects",
      "measurement",
      "seconds",
      "peak MB",
      "allowed pairs",
      "time ratio",
      "pairs ratio",
      "note",
    ],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    table.push([
      row.size,
      row.dialects,
      row.measurement,
      row.seconds.toFixed(2),
      row.megabytes ?? "",
      row.pairs?.toLocaleString("en") ?? "",
      row.timeRatio ?? "",
      row.pairsRatio ?? "",
      row.note ?? "",
    ]);
  }
  return `${headline(about)}\n${table.toString()}`;
}

function writeYaml(file: string, objects: readonly KubeObject[]): void {
  writeFileSync(file, objects.map((object) => dump(object, { noRefs: true, lineWidth: -1 })).join("---\n"));
}

function parseSizes(text: string): readonly Size[] {
  return text.split(",").map((part): Size => {
    const match = /^(\d+)x(\d+)$/.exec(part.trim());
    if (!match) throw new InvalidArgumentError(`"${part}" is not a size: write it as 1000x500`);
    return [Number(match[1]), Number(match[2])];
  });
}

function parseDialects(text: string): readonly BenchOptions["dialects"][] {
  return text.split(",").map((part) => {
    if (part === "kubernetes" || part === "mixed") return part;
    throw new InvalidArgumentError(`"${part}" is no set of dialects: kubernetes or mixed`);
  });
}

function parseSeed(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a whole number`);
  return Number(text);
}

function parseRounds(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a number of rounds: 1 or more`);
  return Number(text);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
