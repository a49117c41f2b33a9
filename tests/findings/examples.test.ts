import assert from "node:assert/strict";
import { evaluate, isViolation } from "../../sdk/findings";
import { Dialect, planMesh } from "../../sdk/plan";
import type { KubeObject } from "../../sdk/reachability";
import { worldOf } from "../plan/world";
import type { Example } from "../support/examples";
import { examples } from "../support/examples";

const stopping = ["critical", "high"];

describe("findings: what the planner writes for the examples", () => {
  let all: readonly Example[];
  before(async () => {
    all = await examples();
    assert.ok(all.length > 4);
  });

  for (const dialect of [Dialect.Cilium, Dialect.Kubernetes, Dialect.Calico]) {
    it(`S1-27: has no critical or high finding in ${dialect}, and nothing is exempt but tier 0 and the host network`, () => {
      for (const { name, declaration, workloads } of all) {
        const { reachability } = worldOf({ ...declaration, dialect }, { workloads });
        const found = evaluate(reachability, { today: "2026-11-21" });
        assert.deepEqual(
          found
            .filter((finding) => isViolation(finding) && stopping.includes(finding.severity))
            .map(({ message }) => message),
          [],
          name,
        );
        const names = found.filter(({ id }) => id === "naming-convention").map(({ message }) => message);
        assert.deepEqual(names, [], name);
        // what is declared may be wide; how it is written may not be wrong
        const wide = ["internet-egress", "internet-exposure"];
        assert.deepEqual(
          found
            .filter((finding) => isViolation(finding) && finding.severity === "medium" && !wide.includes(finding.id))
            .map(({ message, because }) => [message, because]),
          [],
          name,
        );
        const exempt = found.filter((finding) => finding.exempt === true).map(({ message }) => message);
        assert.deepEqual(
          exempt.filter((message) => !/is tier [01]|is on the host network/.test(message)),
          [],
          name,
        );
      }
    });
  }

  it("S1-24: has no finding about the mesh where the namespaces are in it", () => {
    let members = 0;
    for (const { name, declaration, workloads } of all) {
      // names are those of the network's policies
      const { policyNames: _names, ...unnamed } = declaration;
      const planned = planMesh({ ...unnamed, mesh: {} });
      const homes = [...new Set(planned.documents.flatMap(({ object }) => object.metadata.namespace ?? []))];
      const meshed = homes.map((home): KubeObject => ({
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: home, labels: { "istio-injection": "enabled" } },
      }));
      members += meshed.length;
      const documents = planned.documents.map(({ object }): KubeObject => object);
      const { reachability } = worldOf(declaration, { workloads, extra: [...meshed, ...documents] });
      const found = evaluate(reachability).filter(
        (finding) => /^(mtls|mesh)-/.test(finding.id) && isViolation(finding),
      );
      assert.deepEqual(
        // a port that a source outside the mesh has to reach is declared, and shown
        found.filter(({ id }) => id !== "mtls-port-hole").map(({ message, because }) => [message, because]),
        [],
        name,
      );
    }
    assert.ok(members > 4);
  });
});
