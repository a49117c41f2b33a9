/** `npm run lab -- examples`: each example end to end on the datapath, with a table at the end. */
import path from "node:path";
import type { Command } from "commander";
import { Argument, Option } from "commander";
import pc from "picocolors";
import { Dialect } from "../sdk/plan/declaration";
import type { CalicoMode, EnforcerName } from "./datapath/index";
import { DatapathError, datapathProblem, datapathStatus } from "./datapath/index";
import { StoryError } from "./start/stage";
import { elapsed } from "./toolchain/progress";
import type { ExampleName } from "./examples/names";
import { exampleNames, isExampleName } from "./examples/names";
import type { TableEntry } from "./whole-way/index";

type MakeCommand = (name: string, description: string) => Command;

interface Options {
  readonly dataDir: string;
  readonly sample: string;
  readonly all?: boolean;
  readonly cni: EnforcerName;
  readonly calicoMode?: CalicoMode;
  readonly dialect?: Dialect;
}

const tables = path.resolve(__dirname, "..", "reports", "datapath");

/** Adds the command; `command` makes one with the options that all commands of the lab share. */
export function addExamplesCommand(command: MakeCommand): void {
  command("examples", "deploy examples with pulumi up onto a datapath of their own, and prove by packets what they say")
    .addArgument(new Argument("[names...]", `of: ${exampleNames.join(", ")}`).default([...exampleNames], "all of them"))
    .option("--sample <count>", "undeclared paths that are tried from each workload", "5")
    .option("--all", "every undeclared path")
    .addOption(new Option("--cni <name>", "who enforces the policies").choices(["cilium", "calico"]).default("cilium"))
    .addOption(
      new Option(
        "--calico-mode <mode>",
        "with --cni calico: with what the kernel is programmed (default: nftables)",
      ).choices(["nftables", "iptables"]),
    )
    .addOption(
      new Option(
        "--dialect <api>",
        "API of the policies (default: the example's own; with --cni calico that of Calico)",
      ).choices(Object.values(Dialect)),
    )
    .addHelpText(
      "after",
      `
Each example is previewed, deployed by a real Pulumi engine and verified with real packets: what is declared must
pass, a sample of the rest and the metadata addresses must not, and Cilium's Hubble must tell the drops. A policy is
then deleted by hand, which verifying and \`cluster-security diff\` must see, and restored by \`pulumi up --refresh\`.
At last the stack is destroyed. During up and destroy declared and undeclared flows are probed again and again.

The cluster is new and ends with the command. Every probe is written to ${path.relative(process.cwd(), tables)}/.

Exit codes:
  0  everything was as it must be
  1  something was not, or an engine run failed; each is named
  3  no datapath can run here now, or it broke; the reason is printed
  130  interrupted; nothing is left running`,
    )
    .action(async (names: string[], options: Options) => {
      process.exitCode = await deployExamples(names.map(exampleName), options);
    });
}

function exampleName(text: string): ExampleName {
  if (isExampleName(text)) return text;
  throw new Error(`${text} is no example that the lab deploys; there are ${exampleNames.join(", ")}.`);
}

function refuseWhereNoneCanRun(): void {
  const problem = datapathProblem();
  if (problem) throw new DatapathError("not-here", problem);
  if (datapathStatus().running) {
    throw new DatapathError("already-running", "A datapath runs on this machine already: npm run lab -- down ends it.");
  }
}

/** Undeclared paths that are tried from each workload. */
function sampleOf({ sample, all }: Options): number | "all" {
  if (all) return "all";
  const count = Number(sample);
  if (Number.isInteger(count) && count >= 1) return count;
  throw new Error(`--sample takes a number, not ${sample}.`);
}

async function deployExamples(names: readonly ExampleName[], options: Options): Promise<number> {
  refuseWhereNoneCanRun();
  const sample = sampleOf(options);
  // every example and with it Pulumi's SDKs: other commands of the lab do without
  const { loadExample } = await import("./examples/index.js");
  const { dialectsOf, examplesTable, openExamplesLab, problemsOf, runWholeWay } = await import("./whole-way/index.js");
  const { cni, calicoMode } = options;
  const dialect = dialectFor(options, dialectsOf[cni]);
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupted.abort());
  // a cluster of its own beside the one that `up` may have left
  const dataDir = path.join(options.dataDir, "examples");
  const on = await openExamplesLab({ dataDir, cni, ...(calicoMode === undefined ? {} : { calicoMode }) });
  const { lab, cluster, hubble } = on;
  const failures: string[] = [];
  const entries: TableEntry[] = [];
  try {
    for (const name of names) {
      console.log(`\n${pc.bold(`▶ ${name}`)}`);
      const stage = stages();
      try {
        const result = await runWholeWay(await loadExample(name), {
          ...{ lab, cluster, signal: interrupted.signal, sample, tables },
          ...(hubble === undefined ? {} : { hubble }),
          ...(dialect === undefined ? {} : { dialect }),
          onStage: stage.next,
        });
        stage.done();
        const { policy, changed } = result.byHand;
        console.log(`          deleted by hand was ${policy}, on which ${changed.length} of the probes depend`);
        failures.push(...problemsOf(result).map((text) => `${name}: ${text}`));
        entries.push(result);
      } catch (error) {
        stage.done();
        interrupted.signal.throwIfAborted();
        if (!(error instanceof StoryError) && !(error instanceof DatapathError)) throw error;
        failures.push(`${name}: ${error.message}`);
        if (error instanceof StoryError && error.details) console.error(error.details);
        entries.push({ example: name, stopped: error.message });
        // what it left may stand in the way of the next one
        await cluster.untilEmpty();
      }
    }
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    console.error("\nStopped. Nothing is left running.");
    return 130;
  } finally {
    await on.close();
  }
  console.log(`\n${examplesTable(entries)}\n`);
  for (const failure of failures) console.log(`${pc.red("✘")} ${failure}`);
  console.log(
    failures.length === 0 ? `${pc.green("✔")} every example does what it declares` : `${failures.length} wrong`,
  );
  console.log(`every probe: ${path.relative(process.cwd(), tables)}/`);
  return failures.length === 0 ? 0 : 1;
}

/** The API of the policies: the example's own unless something else is asked for, or the enforcer does not read it. */
function dialectFor(
  { cni, calicoMode, dialect }: Options,
  read: readonly [Dialect, ...Dialect[]],
): Dialect | undefined {
  if (calicoMode !== undefined && cni !== "calico") {
    throw new Error("--calico-mode is about Calico: it goes with --cni calico.");
  }
  if (dialect !== undefined && !read.includes(dialect)) {
    throw new Error(`${cni} does not read the policies of --dialect ${dialect}: it reads ${read.join(", ")}.`);
  }
  return dialect ?? (cni === "calico" ? read[0] : undefined);
}

/** One line a stage with the time that it took. */
function stages(): { readonly next: (name: string) => void; readonly done: () => void } {
  let current: { readonly name: string; readonly begun: number } | undefined;
  const done = (): void => {
    if (current) console.log(`  ${elapsed(Date.now() - current.begun).padStart(6)}  ${current.name}`);
    current = undefined;
  };
  const next = (name: string): void => {
    done();
    current = { name, begun: Date.now() };
  };
  return { next, done };
}
