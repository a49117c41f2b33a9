/** Arguments that are refused, as Pulumi's own run-time and its plugin server take them. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import {
  CalicoCni,
  ChartValuesError,
  CiliumCni,
  ClusterSecurity,
  DeclarationError,
  Dialect,
  EgressPolicy,
  IstioMesh,
  MeshIdentity,
  ServiceFlows,
  Tenant,
  TieredPolicies,
  flow,
  namespace,
  tcp,
  workload,
} from "../../sdk/index";
import { register, warningsOf } from "./monitor";

const parts = {
  namespaces: [namespace("shop")],
  workloads: [workload("shop/web")],
  flows: [flow("web").to("nobody").on(tcp(70_000)).because("pages").ownedBy("web")],
};
const badWorkload = { workloads: [{ name: "web" }] };

/** A mistake in each component, and the paths of the properties that it is about. */
const mistakes: Readonly<Record<string, { make: () => unknown; paths: readonly RegExp[] }>> = {
  "ClusterSecurity: an unknown workload and a port out of range": {
    make: () => new ClusterSecurity("s", parts),
    paths: [/^flows\[0\]\.to/, /^flows\[0\]\.ports\[0\]/],
  },
  "ClusterSecurity: a CNI that does not read the policies": {
    make: () => new ClusterSecurity("s", { dialect: Dialect.Calico, cni: {} }),
    paths: [/^dialect$/],
  },
  "ServiceFlows: an unknown workload": {
    make: () => new ServiceFlows("s", parts),
    paths: [/^flows\[0\]\.to/, /ports/],
  },
  "MeshIdentity: an unknown workload": {
    make: () => new MeshIdentity("s", { mesh: {}, ...parts }),
    paths: [/^flows\[0\]\.to/, /ports/],
  },
  "TieredPolicies: a workload without a namespace": {
    make: () => new TieredPolicies("s", badWorkload as never),
    paths: [/^workloads\[0\]/],
  },
  "Tenant: a name that is none": {
    make: () =>
      new Tenant("s", {
        tenant: { name: "A B", namespaces: ["shop"] },
        neighbours: [{ name: "C D", namespaces: ["books"] }],
        namespaces: [namespace("shop")],
      }),
    paths: [/^tenant\.name$/, /^neighbours\[0\]\.name$/],
  },
  "EgressPolicy: a range that is none": {
    make: () =>
      new EgressPolicy("s", {
        namespace: "shop",
        ranges: [{ cidr: "10.0.0.0/99", ports: [tcp(443)], reason: "payments", owner: "shop" }],
      }),
    paths: [/^ranges\[0\]\.cidr/],
  },
  "CiliumCni: an option without effect": {
    make: () => new CiliumCni("s", { existing: true, auditMode: true }),
    paths: [/^auditMode$/],
  },
  "CalicoCni: a version that is too old": { make: () => new CalicoCni("s", { version: "3.1.0" }), paths: [/./] },
  "IstioMesh: a version that is none": { make: () => new IstioMesh("s", { version: "latest" }), paths: [/./] },
};

describe("arguments that are refused", () => {
  for (const [title, { make, paths }] of Object.entries(mistakes)) {
    it(`${title}: Pulumi's input error, nothing registered, one line a problem, no stack trace to show`, async () => {
      let refusal: unknown;
      const all = await register(() => {
        try {
          make();
        } catch (error) {
          refusal = error;
        }
      });
      assert.deepEqual(all, []);
      assert.ok(refusal instanceof DeclarationError || refusal instanceof ChartValuesError, String(refusal));
      // what ends a Node.js program with the message alone (pulumi: cmd/run/run.ts)
      assert.ok(pulumi.RunError.isInstance(refusal));
      // what the plugin server hands to the engine property by property (pulumi: provider/server.ts)
      assert.ok(pulumi.InputPropertiesError.isInstance(refusal));
      const details = refusal as unknown as pulumi.InputPropertiesError;
      const { errors = [], message } = details;
      assert.equal(errors.length, paths.length, JSON.stringify(errors));
      assert.equal(message.split("\n").length, errors.length + 1, message);
      for (const [index, path] of paths.entries()) {
        const { propertyPath = "", reason = "" } = errors[index] ?? {};
        if (refusal instanceof DeclarationError) assert.match(propertyPath, path);
        assert.ok(reason.length > 10 && message.includes(reason.split(" (found:")[0] ?? reason), reason);
      }
      assert.doesNotMatch(message, /\n\s+at |node_modules/);
    });
  }
});

describe("declarations without effect", () => {
  it("are warned of where they register nothing, because dependsOn on the component waits for nothing then", async () => {
    for (const make of [
      () => new ServiceFlows("quiet", {}),
      () => new ClusterSecurity("quiet", { dialect: Dialect.Kubernetes }),
    ]) {
      const warnings = await warningsOf(make);
      assert.equal(warnings.filter((text) => /quiet registers no policy/.test(text)).length, 1, warnings.join("; "));
    }
  });

  it("are warned of where nothing is declared and the default deny isolates everybody all the same", async () => {
    for (const make of [() => new ClusterSecurity("s", {}), () => new TieredPolicies("s", {})]) {
      const warnings = await warningsOf(make);
      assert.equal(
        warnings.filter((text) => /names no namespace, workload, flow or tenant: the default deny isolates/.test(text))
          .length,
        1,
        warnings.join("; "),
      );
    }
    const flows = [flow("web").to("web").on(tcp(80)).because("pages").ownedBy("web")];
    assert.deepEqual(await warningsOf(() => new ClusterSecurity("s", { ...parts, flows })), []);
  });
});
