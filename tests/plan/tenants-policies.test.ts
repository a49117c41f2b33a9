import assert from "node:assert/strict";
import fc from "fast-check";
import { declaredBy } from "../../lab/examples/index";
import type { ClusterSecurityDeclaration, TenantDeclaration } from "../../sdk/plan/index";
import { DeclarationError, Dialect, plan } from "../../sdk/plan/index";
import type { KubeObject, Peer } from "../../sdk/reachability/index";
import { open, pod, worldOf } from "./world";
import { printed } from "../support/problems";

const [{ declaration, applications, platform }] = declaredBy("tenants");
const nothing = "No Connections";
const facts = { apiServer: { cidrs: ["10.0.0.1/32"] }, nodeCidrs: ["192.168.0.0/16"], podCidrs: ["10.244.0.0/16"] };
const metadataName = (name: string): object => ({ matchLabels: { "kubernetes.io/metadata.name": name } });

function networkPolicy(namespace: string, spec: object, name = "own"): KubeObject {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name, namespace }, spec };
}

function ciliumPolicy(namespace: string, spec: object): KubeObject {
  return { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name: "own", namespace }, spec };
}

function withPolicies(policies: Readonly<Record<string, readonly KubeObject[]>>): ClusterSecurityDeclaration {
  const tenants = (declaration.tenants ?? []).map((tenant): TenantDeclaration => {
    const own = policies[tenant.name] ?? [];
    return own.length === 0 ? tenant : { ...tenant, policies: own.map((policy) => JSON.stringify(policy)) };
  });
  return { ...declaration, cluster: facts, tenants };
}

function problemsOf(changed: ClusterSecurityDeclaration): readonly { path: string; message: string }[] {
  try {
    plan(changed);
  } catch (error) {
    assert.ok(error instanceof DeclarationError);
    return printed(error.problems);
  }
  return [];
}

describe("policies that tenants write", function () {
  const harmless: Readonly<Record<string, KubeObject>> = {
    "between its own pods": networkPolicy("acme-web", {
      podSelector: { matchLabels: { app: "web" } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "cache" } } }], ports: [{ port: 8080 }] }],
    }),
    "between its own namespaces": networkPolicy("acme-data", {
      podSelector: {},
      ingress: [{ from: [{ namespaceSelector: metadataName("acme-web") }] }],
    }),
    "a further isolation": networkPolicy("acme-web", {
      podSelector: { matchLabels: { app: "batch" } },
      policyTypes: ["Ingress", "Egress"],
    }),
    "what is declared already": ciliumPolicy("globex-web", {
      endpointSelector: { matchLabels: { app: "web", "io.cilium.k8s.policy.serviceaccount": "web" } },
      enableDefaultDeny: { ingress: false },
      ingress: [
        {
          fromEndpoints: [
            {
              matchLabels: {
                "io.kubernetes.pod.namespace": "acme-web",
                app: "web",
                "io.cilium.k8s.policy.serviceaccount": "web",
              },
            },
          ],
          toPorts: [{ ports: [{ port: "8080", protocol: "TCP" }] }],
        },
      ],
    }),
  };
  for (const [what, policy] of Object.entries(harmless)) {
    it(`S2-05: takes ${what}, and puts it after the flows of its namespace`, () => {
      const tenant = policy.metadata?.namespace?.split("-")[0] ?? "";
      const { documents } = plan(withPolicies({ [tenant]: [policy] }));
      const own = documents.find(({ logicalName }) => logicalName === `${policy.metadata?.namespace}/own`);
      assert.deepEqual(own?.object["spec"], policy.spec);
      const flows = documents.filter(
        ({ stage, object }) => stage === "flows" && object.metadata.namespace === policy.metadata?.namespace,
      );
      for (const { logicalName } of flows) {
        assert.ok(logicalName === own?.logicalName || own?.dependsOn.includes(logicalName), logicalName);
      }
    });
  }

  /** Each opens something in a way that its text does not say, or says elsewhere. */
  const weakening: Readonly<Record<string, KubeObject>> = {
    "everything to everybody": networkPolicy("acme-web", { podSelector: {}, ingress: [{}] }),
    "single pods that nobody declared": networkPolicy("acme-web", {
      podSelector: { matchLabels: { app: "debug" } },
      ingress: [{ from: [{ namespaceSelector: {} }] }],
    }),
    "namespaces by a label that anybody sets": networkPolicy("acme-web", {
      podSelector: {},
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { name: "acme-data" } } }] }],
    }),
    "all but one namespace": networkPolicy("acme-web", {
      podSelector: {},
      ingress: [
        {
          from: [
            {
              namespaceSelector: {
                matchExpressions: [{ key: "kubernetes.io/metadata.name", operator: "NotIn", values: ["globex-web"] }],
              },
            },
          ],
        },
      ],
    }),
    "half of the internet": networkPolicy("acme-web", {
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: "128.0.0.0/1" } }] }],
    }),
    "one port to anybody": networkPolicy("acme-data", { podSelector: {}, ingress: [{ ports: [{ port: 5432 }] }] }),
    "a name": ciliumPolicy("acme-web", {
      endpointSelector: { matchLabels: { app: "debug" } },
      egress: [{ toFQDNs: [{ matchName: "evil.net" }], toPorts: [{ ports: [{ port: "443", protocol: "TCP" }] }] }],
    }),
    "a declared name to pods of another account": ciliumPolicy("acme-web", {
      endpointSelector: { matchLabels: { app: "debug" } },
      egress: [
        { toFQDNs: [{ matchName: "api.example.com" }], toPorts: [{ ports: [{ port: "443", protocol: "TCP" }] }] },
      ],
    }),
    "the nodes": ciliumPolicy("acme-web", { endpointSelector: {}, egress: [{ toEntities: ["remote-node"] }] }),
    "the API server": ciliumPolicy("acme-web", { endpointSelector: {}, egress: [{ toEntities: ["kube-apiserver"] }] }),
    "the whole cluster": ciliumPolicy("acme-web", { endpointSelector: {}, ingress: [{ fromEntities: ["cluster"] }] }),
  };
  for (const [what, policy] of Object.entries(weakening)) {
    it(`S2-05: refuses one that opens ${what}: found by what can be reached`, () => {
      const [problem, ...rest] = problemsOf(withPolicies({ acme: [policy] }));
      assert.equal(problem?.path, "tenants[0].policies[0]");
      assert.match(problem?.message ?? "", /^weakens the boundary of tenant acme: it opens /);
      assert.deepEqual(rest, []);
    });
  }

  it("S2-05: judges each side by itself where no deny is final: two tenants cannot agree on a hole", () => {
    const hole = {
      acme: [
        networkPolicy("acme-web", {
          podSelector: {},
          policyTypes: ["Egress"],
          egress: [{ to: [{ namespaceSelector: metadataName("initech-data") }] }],
        }),
      ],
      initech: [
        networkPolicy("initech-data", {
          podSelector: {},
          ingress: [{ from: [{ namespaceSelector: metadataName("acme-web") }] }],
        }),
      ],
    };
    const paths = problemsOf({ ...withPolicies(hole), dialect: Dialect.Kubernetes }).map(({ path }) => path);
    assert.deepEqual(paths, ["tenants[0].policies[0]", "tenants[2].policies[0]"]);
    // in Cilium's and Calico's dialects the boundary is an explicit deny: the side that lets in stays closed all the same
    for (const dialect of [Dialect.Cilium, Dialect.Calico]) {
      assert.deepEqual(problemsOf({ ...withPolicies({ initech: hole.initech }), dialect }), [], dialect);
    }
  });

  it("S2-07: refuses what is no policy, what cannot be read, and what lies in a namespace of others", () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ["{{{", /^cannot be read/],
      ["# nothing", /^holds no policy/],
      [JSON.stringify(networkPolicy("globex-web", { podSelector: {} })), /^does not lie in a namespace of the tenant/],
      [
        JSON.stringify({
          apiVersion: "cilium.io/v2",
          kind: "CiliumClusterwideNetworkPolicy",
          metadata: { name: "x" },
          spec: { endpointSelector: {}, egress: [{}] },
        }),
        /^is a CiliumClusterwideNetworkPolicy, which is not a tenant's to write/,
      ],
      [
        JSON.stringify({ apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata: { name: "x" } }),
        /^is a RoleBinding/,
      ],
      [JSON.stringify(networkPolicy("acme-web", { podSelector: {}, ingres: [] })), /^is not understood/],
    ];
    for (const [text, message] of cases) {
      const tenants = (declaration.tenants ?? []).map((one) =>
        one.name === "acme" ? { ...one, policies: [text] } : one,
      );
      const [problem] = problemsOf({ ...declaration, tenants });
      assert.equal(problem?.path, "tenants[0].policies[0]", text);
      assert.match(problem?.message ?? "", message);
    }
  });

  it("S2-05: whatever is taken, of all tenants together, opens no boundary (random policies, both ways)", () => {
    const namespaces = ["acme-web", "acme-data", "globex-web", "initech-data", "elsewhere"];
    const labels = fc.constantFrom({}, { app: "web" }, { app: "store" }, { app: "debug" });
    const selector = fc.oneof(
      fc.constant({}),
      fc.constantFrom(...namespaces).map(metadataName),
      fc.constant({ matchLabels: { team: "x" } }),
    );
    const peer = fc.oneof(
      labels.map((matchLabels) => ({ podSelector: { matchLabels } })),
      fc.tuple(selector, labels).map(([namespaceSelector, matchLabels]) => ({
        namespaceSelector,
        podSelector: { matchLabels },
      })),
      fc.constantFrom("8.8.8.0/24", "0.0.0.0/0").map((cidr) => ({ ipBlock: { cidr } })),
    );
    const rule = fc.record({
      peers: fc.array(peer, { maxLength: 2 }),
      ports: fc.constantFrom(undefined, [{ port: 8080 }], [{ port: 5432 }]),
    });
    const own = (home: string): fc.Arbitrary<KubeObject> =>
      fc.record({ labels, inward: fc.boolean(), rule }).map(({ labels: matchLabels, inward, rule: one }) => {
        const side = inward ? "from" : "to";
        const rules = [
          { ...(one.peers.length === 0 ? {} : { [side]: one.peers }), ...(one.ports ? { ports: one.ports } : {}) },
        ];
        return networkPolicy(home, {
          podSelector: { matchLabels },
          policyTypes: [inward ? "Ingress" : "Egress"],
          ...(inward ? { ingress: rules } : { egress: rules }),
        });
      });
    const everybody = fc.record({ acme: own("acme-web"), globex: own("globex-web"), initech: own("initech-data") });
    const within = (home: string): KubeObject =>
      networkPolicy(home, { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ from: [{ podSelector: {} }] }] });
    const ownOnly = { acme: within("acme-web"), globex: within("globex-web"), initech: within("initech-data") };
    let taken = 0;
    fc.assert(
      fc.property(everybody, fc.constantFrom(Dialect.Cilium, Dialect.Kubernetes), (policies, dialect) => {
        const accepted = Object.entries(policies).filter(
          ([name, policy]) => problemsOf({ ...withPolicies({ [name]: [policy] }), dialect }).length === 0,
        );
        taken += accepted.length;
        const world = worldOf(
          { ...withPolicies(Object.fromEntries(accepted.map(([name, policy]) => [name, [policy]]))), dialect },
          { workloads: [...applications, ...platform] },
        );
        const tenantOf = (namespace: string): string => namespace.split("-")[0] ?? "";
        const ends = applications.flatMap(({ namespace, name }): (readonly [string, string, Peer])[] => [
          [tenantOf(namespace), `${namespace}/${name}`, pod(`${namespace}/${name}`)],
          [tenantOf(namespace), `${namespace}/debug`, { kind: "freshPod", namespace, labels: { app: "debug" } }],
        ]);
        for (const [from, source, sourcePeer] of ends) {
          for (const [to, target, targetPeer] of ends) {
            if (from === to || (source === "acme-web/web" && target === "globex-web/web")) continue;
            assert.equal(open(world, sourcePeer, targetPeer), nothing, `${source} → ${target}`);
          }
          const outside: Peer = { kind: "address", address: "8.8.8.8" };
          assert.equal(open(world, outside, sourcePeer), nothing, source);
          if (source.endsWith("/debug")) assert.equal(open(world, sourcePeer, outside), nothing, source);
        }
      }),
      // harmless ones are among them whatever the chance
      { numRuns: 25, examples: [Dialect.Cilium, Dialect.Kubernetes].map((dialect) => [ownOnly, dialect] as const) },
    );
    assert.ok(taken >= 6, `only ${taken} policies were harmless`);
  });
});
