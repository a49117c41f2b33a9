import path from "node:path";
import { crdFolder } from "../../lab/crds/index";
import { prometheusRule } from "../../sdk/monitoring/index";
import { Dialect } from "../../sdk/plan/index";
import { assertValid } from "../plan/crd-schema";
import { everything, everythingInAmbientMesh, everythingOnCalico, watched, watchedExamples } from "./declarations";

describe("monitoring: objects of Prometheus' operator", () => {
  it("S0-09 have no field that the published definitions lack, and no value that they refuse", async () => {
    const folder = path.join(await crdFolder("prometheus-operator"), "example", "prometheus-operator-crd");
    const all = [
      ...[everything, everythingOnCalico, everythingInAmbientMesh].map((declaration) => watched("x", declaration)),
      ...(await watchedExamples(Dialect.Cilium)),
    ];
    const metadata = { name: "cluster-security", namespace: "monitoring" };
    for (const { monitoring } of all) {
      assertValid(folder, prometheusRule(monitoring.rules, metadata));
      for (const { apiVersion, kind, spec } of monitoring.monitors) {
        if (kind !== "Service") assertValid(folder, { apiVersion, kind, ...{ metadata, spec } });
      }
    }
  });
});
