/** Single questions put to a real Felix, and what is said where it enforces nothing any more. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ApiClient as ReadingClient, connect, describeProbe, readLiveObjects, verify } from "../../sdk/cluster/index";
import type { KubeObject } from "../../sdk/reachability/index";
import { apiClient } from "../../lab/control-plane/index";
import { makeVerifier, verifierContext } from "../cluster/verifier";
import { Dialect, plan } from "../../sdk/index";
import type { LabObject, LabProbe, PodWish } from "../../lab/datapath/index";
import { computedReachability, LabExecutor } from "../../lab/datapath/index";
import { run } from "../../lab/toolchain/run";
import { compareOnDatapath, describeDisagreements } from "./agreement";
import { skipWithoutCalico } from "./calico";
import { readCases } from "./cases";
import type { SharedDatapath } from "./shared-datapath";
import { closeSharedDatapath, sharedDatapath } from "./shared-datapath";
import { applications, declarationIn, podsOf } from "./shop";
import { putUp, takeDown } from "./world";

const pods: readonly PodWish[] = podsOf(applications);
const tcp = (from: string, to: string, port: number): LabProbe => ({ from, to, port, protocol: "tcp" });
const webToApi = tcp("shop-front/web", "shop-back/api", 9000);

function calico(kind: string, name: string, spec: object, namespace?: string): LabObject {
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  return { apiVersion: "projectcalico.org/v3", kind, metadata, spec };
}

const denyAll: LabObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "default-deny-all", namespace: "shop-back" },
  spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
};

for (const calicoMode of ["nftables", "iptables"] as const) {
  describe(`enforcement: what a real Felix drops, with ${calicoMode}`, () => {
    let on: SharedDatapath;

    before(async function () {
      this.timeout(300_000);
      await skipWithoutCalico(this);
      on = await sharedDatapath({ cni: "calico", calicoMode });
      for (const name of ["shop-front", "shop-back"]) await on.cluster.namespace(name);
      await on.cluster.addPods(pods);
      await on.cluster.untilReadyIn("kube-system");
    });

    after(async () => {
      await on?.cluster.removePods(pods);
    });

    const verdicts = async (...probes: readonly LabProbe[]): Promise<string[]> =>
      (await on.cluster.probe(probes)).map(({ verdict }) => verdict);

    it("S4-20: a deny-all blocks what passed before, and its removal lets it pass again", async () => {
      assert.deepEqual(await verdicts(webToApi), ["allowed"]);
      await on.cluster.apply([denyAll]);
      assert.deepEqual(await verdicts(webToApi), ["denied"]);
      await on.cluster.remove([denyAll]);
      assert.deepEqual(await verdicts(webToApi), ["allowed"]);
    });

    it("S0-12: tiers, sets and a policy for everybody do what the engine says", async () => {
      const policies = [
        calico("Tier", "early", { order: 10, defaultAction: "Pass" }),
        calico("GlobalNetworkSet", "office", { nets: ["203.0.113.0/26"] }),
        calico("GlobalNetworkPolicy", "early.office-only", {
          tier: "early",
          selector: "app == 'web'",
          types: ["Egress"],
          egress: [
            { action: "Pass", destination: { selector: "projectcalico.org/name == 'office'" } },
            { action: "Pass", destination: { namespaceSelector: "all()" } },
            { action: "Deny", destination: { nets: ["203.0.113.0/24"] } },
          ],
        }),
      ];
      const probes = [
        tcp("shop-front/web", "203.0.113.10", 80),
        tcp("shop-front/web", "203.0.113.66", 80),
        tcp("shop-front/web", "198.51.100.10", 80),
        webToApi,
      ];
      const { disagreements, states } = await compareOnDatapath(on, policies, probes);
      assert.deepEqual([...new Set(states.map(({ state }) => state))], ["enforced"]);
      assert.deepEqual(describeDisagreements(disagreements), []);
    });

    it("S0-12, S0-15: a service account decides, and a policy that is changed in place takes effect on the next connection", async () => {
      const from = (account: string): LabObject =>
        calico(
          "NetworkPolicy",
          "by-account",
          {
            selector: "app == 'api'",
            ingress: [
              { action: "Allow", source: { namespaceSelector: "all()", serviceAccounts: { names: [account] } } },
            ],
          },
          "shop-back",
        );
      try {
        for (const [account, verdict] of [
          ["default", "allowed"],
          ["nobody", "denied"],
          ["default", "allowed"],
        ] as const) {
          await on.cluster.apply([from(account)]);
          assert.deepEqual(await verdicts(webToApi), [verdict], account);
        }
      } finally {
        await on.cluster.remove([from("default")]);
      }
    });

    it("S3-26: what goes past a deny-all: the node to its own pods, and nothing that a pod sends", async () => {
      const probes = [
        tcp("node", "shop-back/api", 9000),
        tcp("shop-back/api", "node", 80),
        tcp("shop-back/api", "169.254.169.254", 80),
        tcp("world:203.0.113.10", "shop-back/api", 9000),
      ];
      const { disagreements, measured } = await compareOnDatapath(on, [denyAll], probes);
      assert.deepEqual(describeDisagreements(disagreements), []);
      assert.deepEqual(measured, ["allowed", "denied", "denied", "denied"]);
    });

    it("a Service's address leads to its pods, and Felix judges the pod and its port, not the address", async () => {
      const address = "10.96.0.77";
      const service: LabObject = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "api", namespace: "shop-back" },
        spec: { clusterIP: address, selector: { app: "api" }, ports: [{ port: 80, targetPort: 9000 }] },
      };
      const through = tcp("shop-front/web", `service:${address}`, 80);
      const opening = (port: number): LabObject => ({
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "open", namespace: "shop-back" },
        spec: {
          podSelector: { matchLabels: { app: "api" } },
          ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ protocol: "TCP", port }] }],
        },
      });
      const towardsTheService = calico(
        "NetworkPolicy",
        "to-the-address",
        {
          selector: "app == 'web'",
          types: ["Egress"],
          egress: [{ action: "Allow", destination: { nets: [`${address}/32`] } }],
        },
        "shop-front",
      );
      const made = [service, denyAll, opening(9000), towardsTheService];
      try {
        await on.cluster.apply([service]);
        // its endpoints come from a controller
        for (let tries = 0; (await verdicts(through))[0] !== "allowed" && tries < 100; tries++)
          await on.cluster.apply([]);
        assert.deepEqual(await verdicts(through, webToApi), ["allowed", "allowed"]);
        await on.cluster.apply([denyAll]);
        assert.deepEqual(await verdicts(through, webToApi), ["denied", "denied"]);
        await on.cluster.apply([opening(80)]);
        assert.deepEqual(
          await verdicts(through, webToApi),
          ["denied", "denied"],
          "the Service's port is not the pod's",
        );
        await on.cluster.apply([opening(9000)]);
        assert.deepEqual(await verdicts(through, webToApi), ["allowed", "allowed"]);
        await on.cluster.apply([towardsTheService]);
        assert.deepEqual(
          await verdicts(through, webToApi),
          ["denied", "denied"],
          "no packet has the Service's address",
        );
      } finally {
        await on.cluster.remove(made);
      }
    });

    it("what Calico's API server refuses is refused, with its words", async () => {
      const rule = { action: "Allow", destination: { ports: [80] } };
      const [state] = await on.cluster.apply([calico("GlobalNetworkPolicy", "no-protocol", { ingress: [rule] })]);
      assert.equal(state?.state, "refused");
      assert.match(state?.state === "refused" ? state.message : "", /protocol/i);
    });

    for (const dialect of [Dialect.Calico, Dialect.Kubernetes]) {
      it(`S0-14, S4-14, S4-18: in ${dialect} every declared flow passes and nothing else, failover included`, async () => {
        const planned = plan(declarationIn(dialect));
        const policies = planned.documents.map(({ object }) => object as unknown as LabObject);
        try {
          const states = await on.cluster.apply(policies);
          assert.deepEqual([...new Set(states.map(({ state }) => state))], ["enforced"]);
          const reachability = await computedReachability(on.controlPlane);
          const executor = new LabExecutor(on.cluster, reachability);
          const verification = await verify(reachability, executor, { plan: planned, sample: "all" });
          const wrong = verification.probes.filter(({ holds }) => holds !== true);
          assert.deepEqual(
            wrong.map(({ probe, outcome }) => `${describeProbe(probe)}: ${outcome.outcome}`),
            [],
          );
          assert.deepEqual(verification.findings, []);
          assert.equal(verification.verdict, "holds");
          console.log(`      ${verification.probes.length} probes`);
        } finally {
          await on.cluster.remove(policies);
        }
      });
    }

    it("rules that somebody flushes are missed: what is measured then is an error, never allowed", async () => {
      const program = calicoMode === "nftables" ? ["nft", "flush", "ruleset"] : ["iptables-legacy", "-F", "FORWARD"];
      await on.cluster.apply([denyAll]);
      try {
        const { nsenter, agentEnv } = on.programs;
        const env = { ...process.env, ...agentEnv };
        const { code, stderr } = await run(nsenter, ["--net=/run/netns/cslab-node-1", ...program], { env });
        assert.equal(code, 0, stderr);
        // Felix may have put its rules back by then: what is measured is an error or the truth, never "allowed"
        const measured = await verdicts(webToApi).catch((error: unknown) => String(error));
        if (typeof measured === "string") assert.match(measured, /Felix's rules are gone from lab-node-1/);
        else assert.deepEqual(measured, ["denied"]);
      } finally {
        // Felix finds out by itself in a minute or two: a change of policies has it look at once, or a new start
        await closeSharedDatapath();
        on = await sharedDatapath({ cni: "calico", calicoMode });
        for (const name of ["shop-front", "shop-back"]) await on.cluster.namespace(name);
        await on.cluster.addPods(pods);
      }
    });
  });
}

describe("enforcement: who may read Calico's policies", () => {
  let folder: string;

  before(async function () {
    await skipWithoutCalico(this);
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-tiers-"));
  });

  after(() => {
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  /** Only the policies of Calico's tier `default`, as an administrator may hand it out. */
  function defaultTierAlone(role: KubeObject): KubeObject {
    const rules = (role.rules ?? []) as { readonly resources: readonly string[] }[];
    return {
      ...role,
      ...(role.rules === undefined
        ? {}
        : {
            rules: rules.flatMap((rule) => {
              const isTiered = (resource: string): boolean => resource.startsWith("tier.");
              const [tiered, rest] = [
                rule.resources.filter(isTiered),
                rule.resources.filter((each) => !isTiered(each)),
              ];
              const some = { ...rule, resources: tiered, resourceNames: ["default.*"] };
              return [{ ...rule, resources: rest }, ...(tiered.length > 0 ? [some] : [])];
            }),
          }),
    };
  }

  it("with the role that `rbac` prints everything is read; what a narrower one leaves out is a problem, not silence", async function () {
    this.timeout(300_000);
    const { controlPlane, cluster } = await sharedDatapath({ cni: "calico" });
    const admin = apiClient(controlPlane);
    const tier = calico("Tier", "early", { order: 10 });
    const hidden = calico("GlobalNetworkPolicy", "early.closed", {
      tier: "early",
      selector: "all()",
      types: ["Ingress"],
    });
    const problemsOf = async (name: string, change?: (role: KubeObject) => KubeObject): Promise<string[]> => {
      const file = path.join(folder, name);
      await makeVerifier(controlPlane, admin, { name, file, ...(change ? { change } : {}) });
      const connection = await connect({ context: verifierContext, kubeconfig: file });
      const { objects, problems } = await readLiveObjects(new ReadingClient(connection), { cluster: "lab" });
      const sees = objects.some(({ object }) => object.metadata?.name === "early.closed");
      return [`the policy is ${sees ? "seen" : "not seen"}`, ...problems.map(({ message }) => message).sort()];
    };
    try {
      await cluster.apply([tier, hidden]);
      assert.deepEqual(await problemsOf("reads-all"), ["the policy is seen"]);
      const kinds = [
        "globalnetworkpolicies",
        "networkpolicies",
        "stagedglobalnetworkpolicies",
        "stagednetworkpolicies",
      ];
      assert.deepEqual(await problemsOf("reads-some", defaultTierAlone), [
        "the policy is not seen",
        ...kinds.map(
          (kind) =>
            `the role may not list ${kind}.projectcalico.org in every tier: grant it get and list of ${kind} and tier.${kind}`,
        ),
      ]);
    } finally {
      admin.close();
      await cluster.remove([tier, hidden]);
    }
  });
});

describe("enforcement: a Felix that has ended", () => {
  before(async function () {
    await skipWithoutCalico(this);
  });

  after(async () => {
    await closeSharedDatapath();
  });

  for (const { what, calicoMode, rule, words } of [
    {
      what: "an ICMP type and code",
      calicoMode: "nftables",
      words: "",
      rule: { action: "Allow", protocol: "ICMP", icmp: { type: 8, code: 0 } },
    },
    {
      what: "a protocol and one that it is not",
      calicoMode: "iptables",
      words: "Failed to program iptables",
      rule: { action: "Allow", protocol: "TCP", notProtocol: "UDP" },
    },
  ] as const) {
    it(`S0-12: a rule with ${what} ends it with ${calicoMode}: that is said, and nothing is called allowed`, async function () {
      this.timeout(300_000);
      await closeSharedDatapath();
      const { cluster } = await sharedDatapath({ cni: "calico", calicoMode });
      await cluster.addPods(pods);
      const policy = calico("GlobalNetworkPolicy", "last", { selector: "all()", ingress: [rule] });
      // on a busy machine it has taken the rule before it ends, and its rules are gone before it is: the next probes say so
      const untilSaid = async (): Promise<void> => {
        await cluster.apply([policy]);
        for (let tries = 0; tries < 40; tries++) {
          await cluster.probe([webToApi]).catch(async (error: Error) => {
            if (!error.message.startsWith("Felix's rules are gone")) throw error;
            await new Promise((resolve) => setTimeout(resolve, 500));
          });
        }
      };
      await assert.rejects(untilSaid(), (error: Error) => {
        assert.match(error.message, /^Felix on lab-node-1 has ended: /);
        assert.ok(error.message.includes(words), error.message);
        return true;
      });
      await assert.rejects(cluster.probe([webToApi]));
    });
  }
});

describe("enforcement: cases of Calico that once disagreed", () => {
  before(async function () {
    await skipWithoutCalico(this);
  });

  for (const each of readCases("calico")) {
    it(each.title, async function () {
      this.timeout(300_000);
      const on = await sharedDatapath({ cni: "calico", ...(each.nodes === undefined ? {} : { nodes: each.nodes }) });
      await putUp(on.cluster, each.world);
      try {
        const { disagreements, measured } = await compareOnDatapath(on, each.policies, each.probes);
        assert.deepEqual(describeDisagreements(disagreements), []);
        const changed = each.probes.filter((probe, index) => probe.measured !== measured[index]);
        assert.deepEqual(changed, [], "what is measured now is what was measured then");
      } finally {
        await takeDown(on.cluster, each.world);
      }
    });
  }
});
