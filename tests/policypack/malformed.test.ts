import assert from "node:assert/strict";
import fc from "fast-check";
import { clusterSecurityPolicies } from "../../policypack/guard";
import type { TestResource } from "../../policypack/testing";
import { runPolicies, unknown } from "../../policypack/testing";

type Props = Record<string, unknown>;

/** A stack that passes, with a policy of each dialect, a namespace, workloads and a release. */
const closedStack: readonly TestResource[] = [
  {
    type: "kubernetes:helm.sh/v3:Release",
    name: "cilium",
    props: { chart: "cilium", version: "1.18.5", values: { policyEnforcementMode: "default" } },
  },
  {
    type: "kubernetes:core/v1:Namespace",
    name: "shop",
    props: { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { team: "shop" } } },
  },
  {
    type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    name: "default-deny-all",
    props: {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "default-deny-all", namespace: "shop" },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    },
  },
  {
    type: "kubernetes:cilium.io/v2:CiliumNetworkPolicy",
    name: "allow-api",
    props: {
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name: "allow-api", namespace: "shop" },
      spec: {
        endpointSelector: { matchLabels: { app: "api" } },
        egress: [
          {
            toEndpoints: [{ matchLabels: { app: "db" } }],
            toPorts: [{ ports: [{ port: "5432", protocol: "TCP" }] }],
          },
        ],
      },
    },
  },
  {
    type: "kubernetes:apps/v1:Deployment",
    name: "api",
    props: {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "api", namespace: "shop" },
      spec: {
        selector: { matchLabels: { app: "api" } },
        template: {
          metadata: { labels: { app: "api" } },
          spec: {
            serviceAccountName: "api",
            hostNetwork: false,
            containers: [{ name: "api", ports: [{ containerPort: 80 }] }],
          },
        },
      },
    },
  },
];

type Path = readonly (string | number)[];

/** Every place in an object, inner ones and leaves. */
function places(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => places(item, [...path, key]))];
}

function replaced(value: unknown, path: Path, by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  if (Array.isArray(value))
    return value.map((item: unknown, index) => (String(index) === key ? replaced(item, rest, by) : item));
  return { ...(value as Props), [key]: replaced((value as Props)[key], rest, by) };
}

const everyPlace = closedStack.flatMap((resource, index) =>
  places(resource.props)
    .filter((path) => path.length > 0)
    .map((path) => ({ index, path })),
);

function changed(index: number, path: Path, by: unknown): TestResource[] {
  return closedStack.map((resource, at) =>
    at === index ? { ...resource, props: replaced(resource.props, path, by) as Props } : resource,
  );
}

/** What must not show up anywhere. It is no name that Kubernetes would accept. */
const canary = "S3cr3t!Canary";

const wrong = {
  preview: [null, -1, canary, [canary], { x: canary }, true],
  update: [canary, {}],
} as const;

describe("malformed, unknown and secret values in every field", () => {
  it("the stack itself passes", async () => {
    const result = await runPolicies(clusterSecurityPolicies(), closedStack, { operation: "update" });
    assert.deepEqual(
      result.violations.filter(({ level }) => level === "mandatory"),
      [],
    );
  });

  for (const operation of ["preview", "update"] as const) {
    it(`no value of the wrong type in any field makes a ${operation} throw or shows the value`, async () => {
      for (const { index, path } of everyPlace) {
        for (const value of wrong[operation]) {
          const where = `${closedStack[index]?.name} ${path.join(".")} = ${JSON.stringify(value)}`;
          const result = await runPolicies(clusterSecurityPolicies(), changed(index, path, value), { operation }).catch(
            (error: unknown) => assert.fail(`${where}: ${String(error)}`),
          );
          assert.ok(!JSON.stringify(result.violations).includes(canary), `${where} shows the value`);
        }
      }
    });
  }

  it("an unknown in a field that decides is never taken for safe", async () => {
    const passed: string[] = [];
    for (const { index, path } of everyPlace) {
      for (const value of [unknown.string, unknown.object, unknown.array]) {
        const stack = changed(index, path, value);
        const preview = await runPolicies(clusterSecurityPolicies(), stack, { operation: "preview" });
        const shown = preview.violations.some(({ message }) => /not decidable yet|because: no policy/.test(message));
        if (!shown) passed.push(`${closedStack[index]?.name}: ${path.join(".")}`);
      }
    }
    // what these fields hold decides nothing here: names, and labels of the controller itself
    assert.deepEqual(
      [...new Set(passed)],
      [
        ...["shop", "default-deny-all", "allow-api", "api"].flatMap((name) => [
          `${name}: apiVersion`,
          `${name}: kind`,
          ...(name === "shop" ? [] : [`${name}: metadata.name`]),
        ]),
        "api: spec.selector",
        "api: spec.selector.matchLabels",
        "api: spec.selector.matchLabels.app",
        "api: spec.template.spec.containers.0.name",
      ],
    );
  });

  it("no random document makes it throw", async () => {
    const kind = fc.constantFrom(
      ["kubernetes:networking.k8s.io/v1:NetworkPolicy", "networking.k8s.io/v1", "NetworkPolicy"],
      ["kubernetes:cilium.io/v2:CiliumNetworkPolicy", "cilium.io/v2", "CiliumNetworkPolicy"],
      ["kubernetes:cilium.io/v2:CiliumClusterwideNetworkPolicy", "cilium.io/v2", "CiliumClusterwideNetworkPolicy"],
      ["kubernetes:apps/v1:Deployment", "apps/v1", "Deployment"],
      ["kubernetes:core/v1:Namespace", "v1", "Namespace"],
      ["kubernetes:core/v1:List", "v1", "List"],
      ["kubernetes:helm.sh/v3:Release", "", ""],
    );
    await fc.assert(
      fc.asyncProperty(
        kind,
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.jsonValue(),
        fc.jsonValue(),
        async ([type, apiVersion, name], extra, metadata, spec) => {
          const props = { apiVersion, kind: name, ...extra, metadata, spec, items: spec, values: spec };
          await runPolicies(clusterSecurityPolicies(), [{ type: type as string, name: "x", props }, ...closedStack], {
            operation: "preview",
          });
        },
      ),
      { numRuns: 200 },
    );
  });
});
