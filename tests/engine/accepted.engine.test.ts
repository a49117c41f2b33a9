/**
 * What the planner writes, put to a real API server with the definitions that the projects publish, schema and CEL rules
 * included: as a dry run, so that hundreds of objects leave nothing behind.
 */
import assert from "node:assert/strict";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import { installCrdFiles, installCrds } from "../../lab/crds/index";
import type { ClusterSecurityDeclaration, PlannedObject } from "../../sdk/plan/index";
import { DenyScope, Dialect, MeshMode, PolicyLayout, PolicyMode, plan } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import { buildSnapshot, profileFor } from "../../sdk/reachability/index";
import { examples } from "../support/examples";
import { fixture } from "../support/fixtures";
import { secondLab } from "./shared-lab";

/** Calico's own API (`projectcalico.org/v3`) is in no module that Go's proxies keep. */
const calicoDefinitions = fixture("crds/calico");

/** One namespace for all: which one it is says nothing about an object's shape, and it need not be made for each example. */
const home = "accepted";

let client: ApiClient;

/** What the API server says to an object that it would have to store: nothing where it would. */
async function refusal({ apiVersion, kind, metadata, ...rest }: KubeObject): Promise<string | undefined> {
  const namespace = metadata?.namespace === undefined ? undefined : home;
  const object = { apiVersion, kind, metadata: { ...metadata, ...(namespace && { namespace }) }, ...rest };
  const plural = kind.endsWith("y") ? `${kind.slice(0, -1)}ies` : `${kind}s`;
  const scope = namespace === undefined ? "" : `/namespaces/${namespace}`;
  // a field that the definition does not know is pruned in silence unless the strictest validation is asked for
  const url = `/apis/${apiVersion}${scope}/${plural.toLowerCase()}?dryRun=All&fieldValidation=Strict`;
  const { status, body } = await client.call("POST", url, object);
  if (status === 201) return undefined;
  return `${kind} ${metadata?.name ?? ""}: ${status} ${(body as { message?: string }).message ?? ""}`;
}

/** How an example may be laid down: as it is, and with what changes the shape of the objects. */
const variants: Readonly<Record<string, Partial<ClusterSecurityDeclaration>>> = {
  enforce: { mode: PolicyMode.Enforce },
  audit: { mode: PolicyMode.Audit },
  "per flow, declared namespaces only": {
    layout: PolicyLayout.PerFlow,
    denyScope: DenyScope.DeclaredNamespaces,
    // the shop renames policies of the other layout
    policyNames: {},
  },
  "sidecar mesh": { mesh: { mode: MeshMode.Sidecar } },
  "ambient mesh, audit": { mesh: { mode: MeshMode.Ambient }, mode: PolicyMode.Audit },
};

/** Facts that some dialects cannot do without, as no peer of theirs stands for the API server or the nodes. */
const cluster = { apiServer: { cidrs: ["192.0.2.1/32"] }, nodeCidrs: ["192.0.2.0/24"] };

/** Kinds that have to come up, or the table above does not write what it says. */
const kinds: Readonly<Partial<Record<Dialect, readonly string[]>>> = {
  [Dialect.Cilium]: ["CiliumClusterwideNetworkPolicy", "CiliumNetworkPolicy"],
  [Dialect.Kubernetes]: ["NetworkPolicy"],
  [Dialect.Calico]: [
    "GlobalNetworkPolicy",
    "NetworkPolicy",
    "StagedGlobalNetworkPolicy",
    "StagedNetworkPolicy",
    "Tier",
  ],
  [Dialect.ClusterNetworkPolicy]: ["ClusterNetworkPolicy", "NetworkPolicy"],
};

describe("objects put to a real API server with the published definitions", () => {
  before(async () => {
    const { controlPlane } = await secondLab();
    client = apiClient(controlPlane);
    await installCrds(controlPlane, ["cluster-network-policy", "istio"]);
    if (calicoDefinitions !== undefined) await installCrdFiles(controlPlane, [calicoDefinitions]);
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: home } };
    const { status, body } = await client.call("POST", "/api/v1/namespaces", namespace);
    assert.equal(status, 201, JSON.stringify(body));
  });

  after(async () => {
    await client.call("DELETE", `/api/v1/namespaces/${home}`);
    client.close();
  });

  describe("every example in every dialect and mode", () => {
    for (const [dialect, expected] of Object.entries(kinds) as [Dialect, readonly string[]][]) {
      it(`${dialect}: every object is accepted, with no field that its definition does not know`, async function () {
        if (dialect === Dialect.Calico && calicoDefinitions === undefined) return this.skip();
        const seen = new Map<string, PlannedObject>();
        for (const example of await examples()) {
          for (const variant of Object.values(variants)) {
            const facts = { ...cluster, ...example.declaration.cluster };
            const { documents } = plan({ ...example.declaration, cluster: facts, dialect, ...variant });
            for (const { object } of documents) seen.set(JSON.stringify(object), object);
          }
        }
        const refused = (await Promise.all([...seen.values()].map(refusal))).filter((one) => one !== undefined);
        assert.deepEqual(refused, []);
        const found = new Set([...seen.values()].map(({ kind }) => kind));
        for (const kind of [...expected, "AuthorizationPolicy", "PeerAuthentication"]) assert.ok(found.has(kind), kind);
        assert.ok(seen.size > 100, `only ${seen.size} objects`);
      });
    }

    it("would say so: a field of the wrong type, an unknown field and a broken CEL rule are refused", async () => {
      const policy = (spec: object): KubeObject => ({
        apiVersion: "policy.networking.k8s.io/v1alpha2",
        kind: "ClusterNetworkPolicy",
        metadata: { name: "broken" },
        spec: { tier: "Admin", priority: 1, subject: { namespaces: {} }, ...spec },
      });
      assert.equal(await refusal(policy({})), undefined);
      const peer = { action: "Accept", from: [{ namespaces: {} }] };
      assert.equal(await refusal(policy({ ingress: [peer] })), undefined);
      assert.match((await refusal(policy({ priority: "1" }))) ?? "", /priority/);
      assert.match((await refusal(policy({ colour: "red" }))) ?? "", /unknown field "spec\.colour"/);
      // CEL: networks are a peer of egress only, and have to be CIDRs
      assert.match(
        (await refusal(policy({ egress: [{ action: "Deny", to: [{ networks: ["10.0.0"] }] }] }))) ?? "",
        /CIDR/,
      );
    });
  });

  describe("what a reader says about a broken policy", () => {
    const rule = (spec: object, kind = "CiliumNetworkPolicy"): KubeObject => ({
      apiVersion: "cilium.io/v2",
      kind,
      metadata: { name: "broken", ...(kind === "CiliumNetworkPolicy" ? { namespace: home } : {}) },
      spec,
    });
    const all = { endpointSelector: {} };
    const http = { rules: { http: [{ method: "GET" }] } };
    const ports = (count: number): object[] =>
      Array.from({ length: count }, (_, index) => ({ port: `${index + 1}`, protocol: "TCP" }));

    const broken: Readonly<Record<string, KubeObject>> = {
      "no rule in any direction": rule({ ...all, ingress: [], egress: [] }),
      "no direction at all": rule(all),
      "both kinds of subject": rule({ ...all, nodeSelector: {}, ingress: [{}] }, "CiliumClusterwideNetworkPolicy"),
      "neither kind of subject": rule({ ingress: [{}] }),
      "a node selector in a namespace": rule({ nodeSelector: {}, ingress: [{}] }),
      "two kinds of peers in one rule": rule({ ...all, egress: [{ toEndpoints: [{}], toCIDR: ["10.0.0.0/8"] }] }),
      "a range without a prefix length": rule({ ...all, egress: [{ toCIDRSet: [{ cidr: "10.0.0.1" }] }] }),
      "an exception outside its range": rule({
        ...all,
        egress: [{ toCIDRSet: [{ cidr: "10.0.0.0/8", except: ["192.168.0.0/16"] }] }],
      }),
      "an entity that is none": rule({ ...all, egress: [{ toEntities: ["internet"] }] }),
      "DNS rules on the way in": rule({
        ...all,
        ingress: [{ toPorts: [{ ports: [{ port: "53", protocol: "UDP" }], rules: { dns: [{ matchPattern: "*" }] } }] }],
      }),
      "HTTP rules over UDP": rule({
        ...all,
        ingress: [{ toPorts: [{ ports: [{ port: "53", protocol: "UDP" }], ...http }] }],
      }),
      "more ports than an entry takes": rule({ ...all, ingress: [{ toPorts: [{ ports: ports(41) }] }] }),
    };

    for (const [what, object] of Object.entries(broken)) {
      it(`${what}: who refuses it is who is said to`, async () => {
        const { problems } = buildSnapshot([{ object, source: {} }], { profile: profileFor("cilium@1.20") });
        const said = problems.map(({ message }) => message).join("\n");
        const by = /the (agent|API server) refuses the policy/.exec(said)?.[1];
        assert.ok(by !== undefined, said || "nothing is said about it");
        const answer = await refusal(object);
        if (by === "agent") assert.equal(answer, undefined, `said: ${said}`);
        else assert.ok(answer !== undefined, `the API server takes it; said: ${said}`);
      });
    }
  });
});
