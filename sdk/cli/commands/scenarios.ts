import type { ClusterSecurityDeclaration, Plan } from "../../plan";
import { parseAddress } from "../../reachability";
import { holdsScenarios, scenariosText } from "../../scenarios";
import { declarationIn, planOfToday } from "../declaration-file";
import { usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { answerFor } from "../http";
import { isModule } from "../module-file";
import { netassertTests } from "../print/netassert";
import type { JudgedScenario, ScenarioFormat } from "../print/scenarios";
import { printScenarios, scenarioSummary } from "../print/scenarios";
import { scenariosOf, type DerivedScenarios } from "../scaffold/scenarios";
import type { FoundScenario, ScenarioFile } from "../scenarios-file";
import { contentOf, foundScenarios, scenarioFile, scenarioTextOf } from "../scenarios-file";
import { exitCodeOf, load, note, notes, type Loaded } from "../snapshot";
import { newOutputOf, outputOf, type CommonOptions } from "./options";

export interface ScenariosOptions extends Omit<CommonOptions, "format"> {
  /** What the scenarios are held against: files, folders, `context=NAME`. None: they are only made. */
  readonly policies: readonly string[];
  readonly sample: string;
  readonly all: boolean;
  readonly outside: readonly string[];
  readonly overwrite: boolean;
  readonly format?: "yaml" | "netassert" | ScenarioFormat;
}

/** `cluster-security scenarios`: expected connections of a declaration, or of a file, held against policies. */
export async function scenarios(file: string, options: ScenariosOptions): Promise<ExitCode> {
  const format = options.format ?? (options.policies.length > 0 ? "table" : "yaml");
  if (options.policies.length === 0 && format !== "yaml" && format !== "netassert") {
    throw usageError(
      `--format ${format} shows what came of scenarios: name what they are held against with --policies`,
    );
  }
  const { list, derived } = await scenariosIn(file, options);
  if (format === "yaml") {
    if (derived === undefined) throw usageError(`"${file}" holds scenarios already: name policies with --policies`);
    // people edit it
    const output = newOutputOf(options);
    output.write(list.text);
    await output.end();
    notes(
      derived.left.map((line) => `no scenario for ${line}`),
      "parts without a scenario",
      options,
    );
    return exitCodes.ok;
  }
  const output = outputOf(options);
  const loaded = options.policies.length === 0 ? undefined : await load(options.policies, options);
  const snapshot = loaded?.snapshot ?? derived?.snapshot;
  if (snapshot === undefined) {
    throw usageError(
      `--policies: name the manifests, or the declaration: ${format} needs the workloads that "${file}" is about`,
    );
  }
  const found = foundScenarios(list, snapshot);
  if (format === "netassert") {
    // of a declaration nobody knows which controllers there are
    const { text, left } = netassertTests(
      found,
      snapshot.workloads,
      loaded === undefined ? () => "deployment" : undefined,
    );
    output.write(text);
    await output.end();
    notes(
      left.map((line) => `left out: ${line}`),
      "scenarios left out",
      options,
    );
    if (loaded === undefined)
      note("note: workloads are taken for Deployments; --policies tells what they are", options);
    return loaded === undefined ? exitCodes.ok : exitCodeOf([loaded], options);
  }
  if (loaded === undefined) throw usageError("--policies: name the policies");
  const judged = found.map((each) => judge(each, loaded));
  output.write(printScenarios(judged, format));
  await output.end();
  if (format !== "table") note(scenarioSummary(judged), options);
  if (judged.some(({ result }) => result === "failed")) return exitCodes.no;
  return judged.some(({ result }) => result === "unknown") ? exitCodes.incomplete : exitCodeOf([loaded], options);
}

/** What the policies say of a scenario. With holes in what was read, no answer is certain. */
function judge({ scenario, flow }: FoundScenario, loaded: Loaded): JudgedScenario {
  const { verdict, condition } = answerFor(loaded, flow);
  const observed = loaded.holes ? "unknown" : verdict;
  const result = observed === "unknown" ? "unknown" : observed === scenario.expect ? "passed" : "failed";
  return { scenario, observed, result, ...(condition === undefined ? {} : { condition }) };
}

/** The scenarios of a file, or those of a declaration. */
async function scenariosIn(
  file: string,
  options: ScenariosOptions,
): Promise<{ readonly list: ScenarioFile; readonly derived?: DerivedScenarios }> {
  if (!isModule(file)) {
    const text = scenarioTextOf(file);
    if (holdsScenarios(contentOf(file, text))) return { list: scenarioFile(file, text) };
    // what is neither is told as a declaration would be
    declarationIn(file, text);
  }
  const { declaration, plan } = await planOfToday(file);
  const derived = derive(declaration, plan, options);
  const left =
    derived.left.length > shownInFile
      ? [...derived.left.slice(0, shownInFile), `and ${derived.left.length - shownInFile} more`]
      : derived.left;
  const text = scenariosText(derived.groups, file, left);
  return { list: { file, text, scenarios: derived.groups.flatMap(({ scenarios: some }) => some) }, derived };
}

const shownInFile = 20;

function derive(declaration: ClusterSecurityDeclaration, plan: Plan, options: ScenariosOptions): DerivedScenarios {
  for (const address of options.outside) {
    if (parseAddress(address) === undefined) throw usageError(`--outside: "${address}" is no address`);
  }
  const sample = Number(options.sample);
  if (!Number.isInteger(sample) || sample < 0) {
    throw usageError(`--sample: "${options.sample}" is no whole number of 0 or more`);
  }
  return scenariosOf(declaration, plan, { sample: options.all ? "all" : sample, outside: options.outside });
}
