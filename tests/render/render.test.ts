import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import fc from "fast-check";
import { load, loadAll } from "js-yaml";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, imaginedCluster, MeshMode, plan, PolicyLayout } from "../../sdk/plan/index";
import type { RenderTarget } from "../../sdk/render";
import { defaultSettings, proveOrder, render, renderTargets } from "../../sdk/render";
import { commonDeclaration } from "../plan/random-declarations";
import { examples } from "../support/examples";
import type { Kube } from "./trees";
import {
  asServed,
  builtOf,
  byName,
  componentsObjects,
  hasKustomize,
  kustomizationsOf,
  kustomize,
  objectsIn,
  unmarked,
  written,
} from "./trees";

const anyDialect = fc.constantFrom(...Object.values(Dialect));
const anyMesh = fc.constantFrom(undefined, undefined, ...Object.values(MeshMode));
const declarations = fc
  .tuple(commonDeclaration, anyDialect, fc.constantFrom(...Object.values(PolicyLayout)), anyMesh)
  .map(([base, dialect, layout, mesh]): ClusterSecurityDeclaration => {
    const existing = (base.namespaces ?? []).map((one) => ({ ...one, existing: true }));
    const meshed = mesh === undefined ? {} : { mesh: { mode: mesh, namespaces: ["alpha"] } };
    const cluster = { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"] };
    return { ...base, cluster, dialect, layout, namespaces: existing, ...meshed };
  });

describe("rendering a declaration", () => {
  it("S3-14 writes the objects of the component, for every example and tool", async () => {
    for (const { name, declaration } of await examples()) {
      const planned = plan(declaration);
      for (const target of renderTargets) {
        const { files } = render(planned, target, defaultSettings);
        assert.deepEqual(
          byName(objectsIn(files).map(unmarked)),
          byName(componentsObjects(planned).map(unmarked)),
          `${name} for ${target}`,
        );
        const again = render(plan(declaration), target, defaultSettings);
        assert.deepEqual(again.files, files, `${name} for ${target}, again`);
      }
    }
  });

  it("S3-14 writes the objects of the component, for random declarations", () => {
    fc.assert(
      fc.property(declarations, fc.constantFrom(...renderTargets), (declaration, target) => {
        const planned = plan(declaration);
        const { files } = render(planned, target, defaultSettings);
        assert.deepEqual(byName(objectsIn(files).map(unmarked)), byName(componentsObjects(planned).map(unmarked)));
      }),
      { numRuns: 60 },
    );
  });

  it("S3-14 lays the files out as the tree of a GitOps repository", async () => {
    const example = (await examples()).find(({ name }) => name === "zero-trust-tiers") ?? assert.fail();
    const files = render(plan(example.declaration), "flux", defaultSettings).files.map(({ file }) => file);
    for (const file of [
      "ks.yaml",
      "app/kustomization.yaml",
      "app/default-deny-all.yaml",
      "app/allow-dns-ingress.yaml",
      "app/allow-dns-egress.yaml",
      "app/allow-metrics-scraping.yaml",
      "app/tier1-observability.yaml",
      "app/tier1-cert-manager.yaml",
      "app/tier1-external-secrets.yaml",
    ]) {
      assert.ok(files.includes(file), file);
    }
  });

  it("S3-15 writes a chain of Flux Kustomizations with the values of the repository, the default deny at its end", async () => {
    const example = (await examples()).find(({ name }) => name === "zero-trust-tiers") ?? assert.fail();
    const { files } = render(plan(example.declaration), "flux", defaultSettings);
    const kustomizations = kustomizationsOf(files);
    const last = kustomizations.at(-1) ?? assert.fail();
    assert.equal(last.metadata.name, "network-policies");
    assert.equal(last.spec.targetNamespace, "security");
    for (const [index, { apiVersion, metadata, spec }] of kustomizations.entries()) {
      assert.equal(apiVersion, "kustomize.toolkit.fluxcd.io/v1");
      assert.equal(metadata.namespace, "flux-system");
      const { dependsOn, patches: _patches, healthCheckExprs: _health, targetNamespace: _target, ...rest } = spec;
      assert.deepEqual(rest, {
        interval: "30m",
        retryInterval: "1m",
        timeout: "5m",
        prune: true,
        wait: true,
        path: "./kubernetes/apps/security/network-policies/app",
        sourceRef: { kind: "GitRepository", name: "k8s-ops" },
      });
      const before = kustomizations[index - 1]?.metadata.name ?? "cluster-infrastructure";
      assert.deepEqual(dependsOn, [{ name: before }]);
    }
  });

  it("S3-15 gives a targetNamespace only to Kustomizations of objects without one: it is written into the others", async () => {
    for (const { name, declaration } of await examples()) {
      const { files } = render(plan(declaration), "flux", defaultSettings);
      for (const { metadata, spec } of kustomizationsOf(files)) {
        const own = objectsIn(files).filter(
          (object) =>
            spec.patches[0]?.target.labelSelector ===
            `pulumi-cluster-security/stage!=${object.metadata.labels?.["pulumi-cluster-security/stage"] ?? ""}`,
        );
        const homes = own.map((object) => object.metadata.namespace !== undefined || object.kind === "Namespace");
        assert.ok(spec.targetNamespace === undefined || !homes.includes(true), `${name}: ${metadata.name}`);
        const hasCilium = own.some(({ kind }) => kind.startsWith("Cilium"));
        assert.equal(spec.healthCheckExprs !== undefined, hasCilium, `${name}: ${metadata.name}`);
      }
    }
  });

  it("S3-16 opens nothing and cuts nothing on the way, in the order of each tool, for every example", async function () {
    this.timeout(120_000);
    for (const { name, declaration } of await examples()) {
      const planned = plan(declaration);
      for (const target of ["flux", "argocd"] as const) {
        const { steps } = render(planned, target, defaultSettings);
        const proof = proveOrder(imaginedCluster(declaration), planned, [], steps);
        assert.deepEqual(proof.found, [], `${name} for ${target}`);
        assert.ok(proof.steps > 5);
      }
    }
  });

  it("S3-16 opens and cuts nothing on the way but what the plan warns of, for random declarations of running pods", function () {
    this.timeout(120_000);
    fc.assert(
      fc.property(declarations, fc.constantFrom<RenderTarget>("flux", "argocd"), (declaration, target) => {
        const planned = plan(declaration);
        const { steps } = render(planned, target, defaultSettings);
        const { found } = proveOrder(imaginedCluster(declaration), planned, [], steps);
        const isWarned = planned.warnings.some(
          ({ code }) => code === "first-allow-isolates" || code.startsWith("mesh-"),
        );
        if (!isWarned) assert.deepEqual(found, [], `${declaration.dialect ?? ""} for ${target}`);
      }),
      { numRuns: 40 },
    );
  });

  it("finds what a wrong order cuts: a default deny before the flows, as one Flux Kustomization would apply it", async () => {
    const { declaration } = (await examples()).find(({ name }) => name === "service-identity") ?? assert.fail();
    const existing = {
      ...declaration,
      namespaces: (declaration.namespaces ?? []).map((one) => ({ ...one, existing: true })),
    };
    const planned = plan(existing);
    const { steps } = render(planned, "flux", defaultSettings);
    const wrong = [...steps].sort((a, b) =>
      a.object.kind + a.object.metadata.name < b.object.kind + b.object.metadata.name ? -1 : 1,
    );
    const { found } = proveOrder(imaginedCluster(existing), planned, [], wrong);
    assert.ok(found.some(({ what }) => what === "cut"));
    const backwards = proveOrder(
      imaginedCluster(existing),
      planned,
      planned.documents.map(({ object }) => object),
      [...steps].reverse().map((step) => ({ ...step, does: "delete" as const })),
    );
    assert.deepEqual(backwards.found, []);
    const forwards = proveOrder(
      imaginedCluster(existing),
      planned,
      planned.documents.map(({ object }) => object),
      steps.map((step) => ({ ...step, does: "delete" as const })),
    );
    assert.ok(
      forwards.found.some(({ what }) => what === "cut"),
      "Flux deletes in the order of dependsOn at best",
    );
  });

  it("numbers sync waves so that Argo CD keeps the plan's order, and never prunes a namespace", async () => {
    const { declaration } = (await examples()).find(({ name }) => name === "zero-trust-tiers") ?? assert.fail();
    const { files } = render(plan(declaration), "argocd", {
      ...defaultSettings,
      repository: "https://git.example.com/k8s.git",
    });
    const wave = (file: string): number => {
      const { metadata } = load(files.find((one) => one.file === file)?.text ?? assert.fail(file)) as Kube;
      return Number(metadata.annotations?.["argocd.argoproj.io/sync-wave"]);
    };
    const waves = [
      "deny-cloud-metadata",
      "business/namespace",
      "allow-dns-ingress",
      "allow-dns-egress",
      "tier1-observability",
      "business/allow-n8n-egress",
      "default-deny-all",
    ].map((name) => wave(`app/${name}.yaml`));
    assert.deepEqual(
      [...waves].sort((a, b) => a - b),
      waves,
    );
    const home = load(files.find(({ file }) => file === "app/business/namespace.yaml")?.text ?? "") as Kube;
    assert.match(home.metadata.annotations?.["argocd.argoproj.io/sync-options"] ?? "", /Prune=false/);
    const application = load(files.find(({ file }) => file === "application.yaml")?.text ?? "") as {
      spec: { syncPolicy: { syncOptions: string[] } };
    };
    assert.ok(application.spec.syncPolicy.syncOptions.includes("ServerSideApply=true"));
  });

  it("leaves an open bypass out, and names it", () => {
    const declaration: ClusterSecurityDeclaration = {
      asOf: "2027-01-01",
      namespaces: [{ name: "shop" }],
      workloads: [{ namespace: "shop", name: "api" }],
      bypasses: [
        { workload: "shop/api", grantedTo: ["oncall"], reason: "debug", owner: "shop", expires: "2027-01-05" },
      ],
    };
    const planned = plan(declaration);
    assert.ok(planned.documents.some(({ logicalName }) => logicalName === "shop/allow-bypass-of-api"));
    for (const target of renderTargets) {
      const { files, bypasses } = render(planned, target, defaultSettings);
      assert.deepEqual(bypasses, ["shop/api"]);
      assert.ok(!files.some(({ text }) => text.includes("allow-bypass-of-api")));
    }
  });

  it("refuses a Secret", () => {
    const planned = plan({ namespaces: [{ name: "shop" }] });
    const [first] = planned.documents;
    assert.ok(first);
    const object = { ...first.object, apiVersion: "v1", kind: "Secret" };
    assert.throws(
      () => render({ ...planned, documents: [{ ...first, object }] }, "plain", defaultSettings),
      /is a Secret, and no Secret is written to a file/,
    );
  });

  it("keeps names apart that mean something else as a file", () => {
    const planned = plan({
      namespaces: [{ name: "shop" }],
      workloads: [{ namespace: "shop", name: "api" }],
      policyNames: { "default-deny-all": "kustomization" },
    });
    const { files } = render(planned, "flux", defaultSettings);
    const names = files.map(({ file }) => file);
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.includes("app/kustomization.ciliumclusterwidenetworkpolicy.yaml"));
  });

  it("S3-15 real kustomize builds of every stage what the plan has, and nothing else", async function () {
    if (!hasKustomize()) this.skip();
    this.timeout(120_000);
    const chosen = (await examples()).filter(({ name }) => ["zero-trust-tiers", "tenants"].includes(name));
    for (const { name, declaration } of chosen) {
      const planned = plan(declaration);
      const { files } = render(planned, "flux", defaultSettings);
      const built = kustomizationsOf(files).flatMap(({ spec }) => builtOf(files, spec));
      const expected = componentsObjects(planned).map(unmarked);
      assert.deepEqual(byName(built.map(unmarked).map(asServed)), byName(expected), name);
      const plainly = render(planned, "kustomize", defaultSettings);
      const folder = written(plainly.files);
      try {
        const order = (loadAll(kustomize(folder)) as Kube[]).map(({ metadata }) => metadata.name);
        assert.deepEqual(
          order,
          plainly.steps.map(({ object }) => object.metadata.name),
          `${name}: kustomize keeps the order`,
        );
      } finally {
        rmSync(folder, { recursive: true });
      }
    }
  });
});
