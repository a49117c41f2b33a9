import { strict as assert } from "node:assert";
import { ruleJudges } from "../../lab/monitoring/programs";
import { everything, everythingInAmbientMesh, everythingOnCalico, watched, type Watched } from "./declarations";
import type { Mutant } from "./mutants";
import { mutantsOf } from "./mutants";
import { planScenarios } from "./scenarios/plan";
import type { Scenario } from "./promtool";
import { failingSuites, readableRules } from "./promtool";
import { ciliumScenarios } from "./scenarios/agents";
import { calicoScenarios } from "./scenarios/calico";
import { declarationScenarios } from "./scenarios/ends";
import { meshScenarios } from "./scenarios/mesh";

/** `1`: all; another text: a regular expression of titles. */
const wanted = process.env["MONITORING_MUTATIONS"];

/** About how long promtool takes: evaluations. */
function costOf({ moments, evaluation = "1m" }: Scenario): number {
  return minutes(moments.at(-1)?.at ?? "0m") / minutes(evaluation);
}

function minutes(text: string): number {
  const units: Readonly<Record<string, number>> = { h: 60, m: 1, s: 1 / 60 };
  return [...text.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, count, unit = "m"]) => sum + Number(count) * (units[unit] ?? 1),
    0,
  );
}

/**
 * The scenarios that can notice a mutant: those of the alerts that it decides about first, then the others, for what must
 * stay silent in them; the quickest first.
 */
function judgesOf({ about, rule, group }: Mutant, scenarios: readonly Scenario[]): readonly Scenario[] {
  const all = scenarios.filter(({ groups }) => groups?.includes(group) ?? true);
  const quickest = all.sort((a, b) => costOf(a) - costOf(b));
  const names = about.length === 0 ? [rule] : about;
  const isAbout = (scenario: Scenario): boolean => names.some((name) => scenario.about.includes(name));
  return [...quickest.filter(isAbout), ...(about.length === 0 ? [] : quickest.filter((each) => !isAbout(each)))];
}

/** Titles of the mutants that no scenario notices. Each round asks one scenario about each mutant that is left. */
async function survivors(
  judge: Awaited<ReturnType<typeof ruleJudges>>[number],
  all: readonly (readonly [Mutant, readonly Scenario[]])[],
): Promise<readonly string[]> {
  let left = all.map(([mutant, scenarios]) => ({ mutant, scenarios: judgesOf(mutant, scenarios) }));
  const survived: string[] = [];
  for (let round = 0; left.length > 0; round += 1) {
    const asked = left.map(({ mutant, scenarios }) => ({
      name: mutant.title,
      rules: mutant.rules,
      scenarios: scenarios.slice(round, round + 1),
      alerts: mutant.about,
    }));
    survived.push(...asked.filter(({ scenarios }) => scenarios.length === 0).map(({ name }) => name));
    const noticed = await failingSuites(
      judge,
      asked.filter(({ scenarios }) => scenarios.length > 0),
    );
    left = left.filter(({ mutant, scenarios }) => scenarios.length > round && !noticed.has(mutant.title));
  }
  return survived;
}

/** Mutants of rules about which scenarios are, as far as they are rules that Prometheus reads. */
async function mutantsIn(
  judge: Awaited<ReturnType<typeof ruleJudges>>[number],
  { name, monitoring }: Watched,
  scenarios: readonly Scenario[],
  pattern: RegExp,
  isTaken: (title: string) => boolean = () => true,
): Promise<readonly (readonly [Mutant, readonly Scenario[]])[]> {
  const all = mutantsOf(name, monitoring.rules).filter(({ title }) => isTaken(title) && pattern.test(title));
  if (all.length === 0) return [];
  const readable = await readableRules(
    judge,
    all.map(({ rules }) => rules),
  );
  return all.filter((_, index) => readable[index]).map((mutant) => [mutant, scenarios] as const);
}

/** Broken rules that do what the whole ones do, each with the reason. Titles without the windows that they are alike in. */
const equivalent: readonly { readonly title: RegExp; readonly why: string; readonly count: number }[] = [
  {
    title: /:drops:rate(?:1m|5m|30m): without matcher reason=~/,
    why: "who reads what is recorded asks for a reason: more is recorded, and nobody reads it",
    count: 3,
  },
  {
    title: /:denied:rate(?:1m|5m|30m): without matcher reason="POLICY_DENY"/,
    why: "only two reasons are recorded, and the other one is in the result already",
    count: 3,
  },
];

describe("monitoring: the tests of the rules notice each broken rule", function () {
  this.timeout(0);

  it("is red for each of the rules that return nothing or everything, or lose a part (with MONITORING_MUTATIONS=1, or a regular expression of their titles)", async function () {
    const judge = (await ruleJudges()).at(-1);
    if (judge === undefined || wanted === undefined || wanted === "") return this.skip();
    const cilium = watched("everything", everything);
    const mesh = watched("in a mesh", everythingInAmbientMesh);
    const onCilium = [...ciliumScenarios(cilium), ...planScenarios(cilium), ...declarationScenarios()];
    const pattern = new RegExp(wanted === "1" ? "" : wanted);
    const all = [
      ...(await mutantsIn(judge, cilium, onCilium, pattern)),
      ...(await mutantsIn(judge, watched("on Calico", everythingOnCalico), calicoScenarios(), pattern, (title) =>
        /Calico: (?:Felix|WireGuard|Enforcement|PolicyPropagation|FlowEvents)/.test(title),
      )),
      ...(await mutantsIn(judge, mesh, meshScenarios(mesh), pattern, (title) =>
        /: (?:Mesh|Plaintext|.*mesh_)/.test(title),
      )),
    ];
    const survived = await survivors(judge, all);
    const left = survived.filter((title) => !equivalent.some((each) => each.title.test(title)));
    console.log(
      `      ${all.length} broken rules, ${survived.length - left.length} of them the same in effect, ${left.length} not noticed`,
    );
    // a list of its own: mocha cuts a difference that is long
    if (left.length > 0) assert.fail(`not noticed:\n${left.join("\n")}`);
    if (wanted !== "1") return;
    // an entry that is noticed by now, or stands for nothing, has to go
    for (const { title, count, why } of equivalent) {
      assert.equal(survived.filter((each) => title.test(each)).length, count, `${String(title)}: ${why}`);
    }
  });
});
