import assert from "node:assert/strict";
import type { Stack } from "@pulumi/pulumi/automation";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import { ciliumChart } from "../../lab/crds/index";
import { exampleProgram, loadExample, makeNamespaces, removeNamespaces } from "../../lab/examples/index";
import type { Lab } from "../../lab/index";
import type { Operation } from "./automation";
import { finished, openStack, operate } from "./automation";
import { plannedChanges } from "./changes";
import { pack, sharedLab } from "./shared-lab";

interface KubeAnswer {
  readonly metadata?: { readonly uid: string };
  readonly data?: Record<string, string>;
  readonly spec?: { readonly template?: { readonly spec?: { readonly containers?: { readonly image: string }[] } } };
}

const releaseType = "kubernetes:helm.sh/v3:Release";

describe("Cilium installed and upgraded as a Helm release by the secure stack, on a real engine and a real API server", () => {
  const [older, newer] = ["1.19.1", "1.20.2"];
  let lab: Lab;
  let stack: Stack;
  let client: ApiClient;
  let created: Operation;
  let upgraded: Operation;
  let first: { readonly image: string; readonly config: Record<string, string>; readonly uid: string };

  const read = async (path: string): Promise<KubeAnswer> => {
    const answer = await client.call("GET", path);
    assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`);
    return answer.body as KubeAnswer;
  };
  const config = async (): Promise<Record<string, string>> =>
    (await read("/api/v1/namespaces/kube-system/configmaps/cilium-config")).data ?? {};
  const agent = async (): Promise<{ image: string; uid: string }> => {
    const { metadata, spec } = await read("/apis/apps/v1/namespaces/kube-system/daemonsets/cilium");
    return { image: spec?.template?.spec?.containers?.[0]?.image ?? "", uid: metadata?.uid ?? "" };
  };
  let expects: readonly string[];
  let program: () => Promise<Record<string, unknown>>;
  const choose = async (version: string): Promise<void> => {
    const chart = await ciliumChart(version);
    program = exampleProgram("zero-trust-tiers", { cni: { version, chart } });
  };

  before(async () => {
    lab = await sharedLab();
    client = apiClient(lab.controlPlane);
    stack = await openStack({
      project: "release",
      stack: "test",
      lab,
      program: () => program(),
    });
    ({ expects } = await loadExample("zero-trust-tiers"));
    await makeNamespaces(client, expects);
    await choose(older);
    created = await operate(stack, "up", { policyPacks: [pack] });
    assert.equal(created.error, undefined);
    first = { ...(await agent()), config: await config() };
    await choose(newer);
    upgraded = await operate(stack, "up");
    assert.equal(upgraded.error, undefined);
  });

  after(async () => {
    const destroyed = await operate(stack, "destroy");
    assert.equal(destroyed.error, undefined);
    await removeNamespaces(client, expects).finally(() => client.close());
  });

  it("renders WireGuard, Hubble and the enforcement mode into the agent's configuration, in both versions", async () => {
    for (const data of [first.config, await config()]) {
      assert.equal(data["enable-wireguard"], "true");
      assert.equal(data["enable-hubble"], "true");
      assert.equal(data["enable-policy"], "default");
    }
  });

  it("installs the agent, the operator, the Hubble relay and the Hubble UI", async () => {
    assert.ok(first.image.includes(`v${older}`), first.image);
    const { image } = await agent();
    assert.ok(image.includes(`v${newer}`), image);
    for (const name of ["cilium-operator", "hubble-relay", "hubble-ui"]) {
      await read(`/apis/apps/v1/namespaces/kube-system/deployments/${name}`);
    }
  });

  it("upgrades in place: the release and the agents are the same ones, no policy is touched", async () => {
    const steps = finished(upgraded).filter(({ op }) => op !== "same");
    const release = steps.filter(({ type }) => type === releaseType);
    assert.deepEqual(
      release.map(({ op }) => op),
      ["update"],
    );
    const policies = steps.filter(({ type }) => /cilium\.io|networking\.k8s\.io/.test(type));
    assert.deepEqual(policies, []);
    assert.equal((await agent()).uid, first.uid);
    // Helm's own record has both revisions
    const records = await client.call(
      "GET",
      "/api/v1/namespaces/kube-system/secrets?labelSelector=owner=helm,name=cilium",
    );
    const { items } = records.body as { items: { metadata: { labels: { version: string; status: string } } }[] };
    assert.deepEqual(items.map(({ metadata }) => [metadata.labels.version, metadata.labels.status]).sort(), [
      ["1", "superseded"],
      ["2", "deployed"],
    ]);
  });

  it("has nothing to do when nothing changed", async () => {
    const previewed = await operate(stack, "preview");
    assert.equal(previewed.error, undefined);
    assert.deepEqual(plannedChanges(previewed), []);
    assert.ok(previewed.events.some(({ resourcePreEvent }) => resourcePreEvent?.metadata.type === releaseType));
  });

  it("S3-11 has Hubble stand before the first policy, and S3-16 the metadata deny before every other one", () => {
    const steps = finished(created).filter((step) => step.op === "create");
    const release = steps.findIndex((step) => step.type === releaseType);
    const policies = steps.flatMap((step, index) => (step.type.startsWith("kubernetes:cilium.io") ? [index] : []));
    assert.notEqual(release, -1);
    assert.ok(policies.length > 8);
    for (const policy of policies) assert.ok(release < policy, steps[policy]?.name);
    assert.equal(steps[policies[0] ?? -1]?.name, "zero-trust-deny-cloud-metadata");
  });
});
