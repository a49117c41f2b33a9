import { strict as assert } from "node:assert";
import { ruleJudges } from "../../lab/monitoring/programs";
import type { Alert } from "../../sdk/monitoring/index";
import { Dialect } from "../../sdk/plan/index";
import {
  everything,
  everythingInAmbientMesh,
  everythingOnCalico,
  watched,
  watchedExamples,
  type Watched,
} from "./declarations";
import { lintRules, testRules } from "./promtool";
import { ciliumScenarios, declarationScenarios, denialScenarios, meshScenarios, calicoScenarios } from "./scenarios";

describe("monitoring: rules, judged by promtool", function () {
  this.timeout(600_000);
  let judges: Awaited<ReturnType<typeof ruleJudges>> = [];
  before(async function () {
    judges = await ruleJudges();
    if (judges.length === 0) this.skip();
  });

  it("S0-09 S2-15 promtool finds nothing to say about the rules of any example, in any policy API", async () => {
    const all: Watched[] = [watched("in a mesh", everythingInAmbientMesh)];
    for (const dialect of Object.values(Dialect)) all.push(...(await watchedExamples(dialect)));
    const files = all.map(({ monitoring }) => monitoring.rules);
    for (const judge of judges) assert.equal(await lintRules(judge, files), "");
  });

  it("S1-25 S2-08 S2-11 S2-16 each alert fires when it has to, for its owner, and is silent otherwise", async () => {
    const cilium = watched("everything", everything);
    const calico = watched("on Calico", everythingOnCalico);
    const mesh = watched("in a mesh", everythingInAmbientMesh);
    for (const judge of judges) {
      const said = await Promise.all([
        testRules(judge, cilium.monitoring.rules, [...ciliumScenarios(cilium), ...declarationScenarios()]),
        testRules(judge, calico.monitoring.rules, calicoScenarios()),
        testRules(judge, mesh.monitoring.rules, meshScenarios(mesh)),
      ]);
      assert.deepEqual(said, ["", "", ""]);
    }
    // no alert without a scenario in which it fires
    const fired = [
      ...ciliumScenarios(cilium),
      ...declarationScenarios(),
      ...calicoScenarios(),
      ...meshScenarios(mesh),
    ].flatMap(({ moments }) => moments.flatMap(({ firing }) => firing.map((text) => text.split(" ")[0])));
    const isNotice = ({ severity }: Alert): boolean => severity === "info";
    for (const { monitoring } of [cilium, calico, mesh]) {
      const silent = monitoring.alerts.filter((alert) => !isNotice(alert) && !fired.includes(alert.name));
      assert.deepEqual(
        silent.map(({ name }) => name),
        [],
      );
    }
  });

  it("S2-11 denials are judged by the declaration of every example: cut, tried and undeclared reach their owners", async () => {
    const examples = await watchedExamples(Dialect.Cilium);
    for (const judge of judges.slice(-1)) {
      for (const example of examples) {
        const all = denialScenarios(example);
        const told = ["DeclaredFlowCut", "MetadataEndpointTried", "UndeclaredFlowDenied"].map((name) =>
          all.find(({ about }) => about.includes(name)),
        );
        // one may be about two of them
        const scenarios = [...new Set(told)].filter((scenario) => scenario !== undefined);
        assert.equal(await testRules(judge, example.monitoring.rules, scenarios), "", example.name);
      }
    }
  });
});
