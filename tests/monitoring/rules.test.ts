import { strict as assert } from "node:assert";
import { loadExample } from "../../lab/examples/index";
import { exampleNames } from "../../lab/examples/names";
import { ruleJudges } from "../../lab/monitoring/programs";
import { MonitoredEnforcer } from "../../sdk/monitoring/index";
import { Dialect } from "../../sdk/plan/index";
import {
  atTheBeginning,
  everything,
  everythingInAmbientMesh,
  everythingInSidecarMesh,
  everythingOnCalico,
  watched,
  watchedExamples,
  watchedExamplesInMesh,
  type Watched,
} from "./declarations";
import { endScenarios, planScenarios } from "./scenarios/plan";
import type { Suite } from "./promtool";
import { lintRules, testRules } from "./promtool";
import { agentScenarios, ciliumScenarios } from "./scenarios/agents";
import { calicoScenarios } from "./scenarios/calico";
import { declarationScenarios } from "./scenarios/ends";
import { meshOwnerScenarios, meshScenarios } from "./scenarios/mesh";

/**
 * Rules, and scenarios out of their plan for each alert that they have. What happens to one pair is judged with one
 * declaration, and with MONITORING_MUTATIONS=1 with all.
 */
function onCilium(example: Watched, isWhole = process.env["MONITORING_MUTATIONS"] === "1"): Suite {
  const own = isWhole ? ciliumScenarios(example) : agentScenarios(example);
  const scenarios = [...own, ...planScenarios(example)];
  return { name: example.name, rules: example.monitoring.rules, scenarios };
}

function onCalico(example: Watched): Suite {
  return { name: `${example.name} on Calico`, rules: example.monitoring.rules, scenarios: calicoScenarios() };
}

function inMesh(example: Watched): Suite {
  return { name: example.name, rules: example.monitoring.rules, scenarios: meshScenarios(example) };
}

/** Of an example that is in a mesh like `whole`: owners, and that the rules are the same text. */
function inSameMesh(example: Watched, whole: Watched): Suite {
  const rulesOf = ({ monitoring }: Watched) => monitoring.rules.groups.find(({ name }) => name === meshGroup)?.rules;
  assert.deepEqual(rulesOf(example), rulesOf(whole), example.name);
  return { ...inMesh(example), scenarios: meshOwnerScenarios(example) };
}

function ending(example: Watched): Suite {
  return { name: `what ends in ${example.name}`, rules: example.monitoring.rules, scenarios: endScenarios(example) };
}

/** Alerts without a scenario in which they fire; what is only to be known needs none. */
function neverFiring({ monitoring }: Watched, { scenarios }: Suite): string[] {
  const fired = new Set(scenarios.flatMap(({ moments }) => moments.flatMap(({ firing }) => firing)).map(nameOf));
  const ends = monitoring.alerts.some(({ name }) => /^(Bypass|Exception|Review)Overdue$/.test(name));
  return monitoring.alerts
    .filter(({ name, severity }) => severity !== "info" && !fired.has(name) && !(ends && /Overdue$/.test(name)))
    .map(({ name }) => name);
}

const meshGroup = "cluster-security-istio";

const nameOf = (text: string): string => text.split(" ")[0] ?? "";

describe("monitoring: rules, judged by promtool", function () {
  this.timeout(900_000);
  let judges: Awaited<ReturnType<typeof ruleJudges>> = [];
  before(async function () {
    judges = await ruleJudges();
    if (judges.length === 0) this.skip();
  });

  it("S0-09 S2-15 promtool finds nothing to say about the rules of any example, in any policy API, under any enforcer", async () => {
    const all: Watched[] = [
      watched("everything", everything),
      watched("on Calico", everythingOnCalico),
      watched("in a mesh", everythingInAmbientMesh),
      watched("in a mesh of sidecars", everythingInSidecarMesh),
      ...(await watchedExamplesInMesh()),
    ];
    for (const dialect of Object.values(Dialect)) {
      all.push(...(await watchedExamples(dialect)));
      if (dialect === Dialect.Cilium || dialect === Dialect.Calico) continue;
      for (const enforcer of Object.values(MonitoredEnforcer))
        all.push(...(await watchedExamples(dialect, { enforcer })));
    }
    const files = all.map(({ monitoring }) => monitoring.rules);
    for (const judge of judges) assert.equal(await lintRules(judge, files), "");
  });

  it("S1-25 S2-08 S2-11 S2-16 each alert fires when it has to, for its owner, and is silent otherwise", async () => {
    const cilium = watched("everything", everything);
    const calico = watched("everything", everythingOnCalico);
    const mesh = [watched("in a mesh", everythingInAmbientMesh), watched("with sidecars", everythingInSidecarMesh)];
    const ends = { name: "what ends", rules: cilium.monitoring.rules, scenarios: declarationScenarios() };
    const suites = [onCilium(cilium, true), ends, onCalico(calico), ...mesh.map(inMesh), ending(cilium)];
    for (const judge of judges) assert.equal(await testRules(judge, suites), "");
    const all = { ...onCilium(cilium, true), scenarios: suites.flatMap(({ scenarios }) => scenarios) };
    for (const each of [cilium, calico, ...mesh]) assert.deepEqual(neverFiring(each, all), [], each.name);
  });

  it("S2-08 S2-11 the same for every example, on Cilium, on Calico and in a mesh: each declared pair, namespace and boundary", async () => {
    const examples = await watchedExamples(Dialect.Cilium);
    const mesh = watched("in a mesh", everythingInAmbientMesh);
    const suites = [
      ...examples.map((example) => onCilium(example)),
      ...(await watchedExamples(Dialect.Calico)).map(onCalico),
      ...(await watchedExamplesInMesh()).map((example) => inSameMesh(example, mesh)),
      ...(await Promise.all(
        exampleNames.map(async (name) => ending(watched(name, atTheBeginning((await loadExample(name)).declaration)))),
      )),
    ];
    for (const example of examples) assert.deepEqual(neverFiring(example, onCilium(example)), [], example.name);
    for (const judge of judges) assert.equal(await testRules(judge, suites), "");
  });
});
