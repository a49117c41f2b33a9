import assert from "node:assert/strict";
import { formatPath } from "../../sdk/property-path";

describe("paths of properties", () => {
  it("are written as Pulumi writes them, with keys quoted that are no words", () => {
    assert.equal(formatPath(["flows", 3, "ports", 0, "port"]), "flows[3].ports[0].port");
    assert.equal(
      formatPath(["workloads", "shop/api", "labels", "app.kubernetes.io/name"]),
      'workloads["shop/api"].labels["app.kubernetes.io/name"]',
    );
    assert.equal(formatPath(["namespaces", "kube-system"]), "namespaces.kube-system");
    assert.equal(formatPath([]), "");
  });

  it("name a workload as it is where it is the argument itself", () => {
    assert.equal(formatPath(["shop/api", "ports"]), "shop/api.ports");
  });
});
