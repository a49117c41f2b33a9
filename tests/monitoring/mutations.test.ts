import { strict as assert } from "node:assert";
import { ruleJudges } from "../../lab/monitoring/programs";
import type { RuleFile } from "../../sdk/monitoring/index";
import { isRecording } from "../../sdk/monitoring/index";
import { everything, everythingInAmbientMesh, everythingOnCalico, watched } from "./declarations";
import type { Scenario } from "./promtool";
import { testRules } from "./promtool";
import { calicoScenarios, ciliumScenarios, declarationScenarios, meshScenarios } from "./scenarios";

/** A rule that was broken in one way. */
interface Mutant {
  readonly title: string;
  /** Alerts whose scenarios have to notice; all scenarios where absent. */
  readonly about?: string;
  readonly rules: RuleFile;
}

const never = "vector(0) > 1";
const always = 'label_replace(vector(1), "owner", "nobody", "", "")';

/** Each rule once with an expression that never returns anything, each alert also with one that always does. */
function mutantsOf(rules: RuleFile): Mutant[] {
  const seen = new Set<string>();
  return rules.groups.flatMap((group, at) =>
    group.rules.flatMap((rule, index): Mutant[] => {
      const name = isRecording(rule) ? rule.record : rule.alert;
      // a row of a table is like its neighbours
      if (seen.has(name)) return [];
      seen.add(name);
      const broken = (expr: string): RuleFile => ({
        groups: rules.groups.map((one, place) =>
          place === at
            ? { ...one, rules: one.rules.map((other, n) => (n === index ? { ...rule, expr } : other)) }
            : one,
        ),
      });
      if (isRecording(rule)) return [{ title: `${name} records nothing`, rules: broken(never) }];
      if (rule.labels["severity"] === "info") return [];
      return [
        { title: `${name} never fires`, about: name, rules: broken(never) },
        { title: `${name} always fires`, about: name, rules: broken(always) },
      ];
    }),
  );
}

/** One text of all expressions replaced by another. */
function replaced(rules: RuleFile, from: string, to: string): RuleFile {
  return JSON.parse(JSON.stringify(rules).replaceAll(from, to)) as RuleFile;
}

describe("monitoring: the tests of the rules notice each broken rule (with MONITORING_MUTATIONS=1)", function () {
  this.timeout(0);
  before(async function () {
    if (process.env["MONITORING_MUTATIONS"] !== "1" || (await ruleJudges()).length === 0) this.skip();
  });

  it("is red for every rule that returns nothing or everything, and for every guard against noise that is gone", async () => {
    const judge = (await ruleJudges()).at(-1);
    assert.ok(judge);
    const cilium = watched("everything", everything);
    const mesh = watched("in a mesh", everythingInAmbientMesh);
    const { rules } = cilium.monitoring;
    const onCilium = [...ciliumScenarios(cilium), ...declarationScenarios()];
    const guards: Mutant[] = [
      { title: "ICMP counts", rules: replaced(rules, ',protocol=~\\"TCP|UDP\\"', ""), about: "UndeclaredFlowDenied" },
      { title: "what passes does not matter", rules: replaced(rules, "cluster_security:passed:rate", "gone:rate") },
      { title: "no second window", rules: replaced(rules, "cluster_security:denied:rate30m > 0.005", "vector(1)") },
      { title: "nothing is waited for", rules: replaced(rules, '"for":', '"keep_firing_for":') },
      { title: "any agent's counter is new", rules: replaced(rules, " and on (instance) (up offset 10m == 1)", "") },
      { title: "no least traffic", rules: replaced(rules, "cluster_security:verdicts:rate5m > 0.1", "vector(1)") },
    ];
    const all: (readonly [Mutant, readonly Scenario[]])[] = [
      ...[...mutantsOf(rules), ...guards].map((mutant) => [mutant, onCilium] as const),
      ...mutantsOf(watched("on Calico", everythingOnCalico).monitoring.rules)
        .filter(({ about }) => calicoScenarios().some((scenario) => scenario.about.includes(about ?? "")))
        .map((mutant) => [mutant, calicoScenarios()] as const),
      ...mutantsOf(mesh.monitoring.rules)
        .filter(({ title }) => /Mesh|Plaintext|mesh_/.test(title))
        .map((mutant) => [mutant, meshScenarios(mesh)] as const),
    ];
    const survivors: string[] = [];
    for (const [{ title, about, rules: broken }, scenarios] of all) {
      const own = scenarios.filter((scenario) => about === undefined || scenario.about.includes(about));
      if ((await testRules(judge, broken, own)) === "") survivors.push(title);
    }
    assert.deepEqual(survivors, []);
  });
});
