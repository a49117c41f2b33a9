import assert from "node:assert/strict";
import type { Stack } from "@pulumi/pulumi/automation";
import { program } from "../../examples/zero-trust-tiers/program";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import { ciliumChart } from "../../lab/crds/index";
import type { Lab } from "../../lab/index";
import type { Operation } from "./automation";
import { finished, openStack, operate } from "./automation";
import { pack, sharedLab } from "./shared-lab";

interface KubeAnswer {
  readonly data?: Record<string, string>;
  readonly spec?: { readonly template?: { readonly spec?: { readonly containers?: { readonly image: string }[] } } };
}

describe("Cilium installed as a Helm release by the secure stack, on a real engine and a real API server", () => {
  const version = "1.20.2";
  let lab: Lab;
  let stack: Stack;
  let client: ApiClient;
  let created: Operation;

  const read = async (path: string): Promise<KubeAnswer> => {
    const answer = await client.call("GET", path);
    assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`);
    return answer.body as KubeAnswer;
  };

  before(async () => {
    lab = await sharedLab();
    client = apiClient(lab.controlPlane);
    stack = await openStack({
      project: "release",
      stack: "test",
      lab,
      program: async () => ({ ...(await program()) }),
      config: {
        "clusterSecurity:nodeless": "true",
        "clusterSecurity:cni": "install",
        "clusterSecurity:ciliumVersion": version,
        "clusterSecurity:ciliumChart": await ciliumChart(version),
      },
    });
    created = await operate(stack, "up", { policyPacks: [pack] });
    assert.equal(created.error, undefined);
  });

  after(async () => {
    client.close();
    const destroyed = await operate(stack, "destroy");
    assert.equal(destroyed.error, undefined);
  });

  it("renders WireGuard, Hubble and the enforcement mode into the agent's configuration", async () => {
    const { data } = await read("/api/v1/namespaces/kube-system/configmaps/cilium-config");
    assert.equal(data?.["enable-wireguard"], "true");
    assert.equal(data?.["enable-hubble"], "true");
    assert.equal(data?.["enable-policy"], "default");
  });

  it("installs the agent, the operator, the Hubble relay and the Hubble UI", async () => {
    const agent = await read("/apis/apps/v1/namespaces/kube-system/daemonsets/cilium");
    const image = agent.spec?.template?.spec?.containers?.[0]?.image ?? "";
    assert.ok(image.includes(`v${version}`), image);
    for (const name of ["cilium-operator", "hubble-relay", "hubble-ui"]) {
      await read(`/apis/apps/v1/namespaces/kube-system/deployments/${name}`);
    }
  });

  it("S3-11 has Hubble stand before the first policy, and S3-16 the metadata deny before every other one", () => {
    const steps = finished(created).filter((step) => step.op === "create");
    const release = steps.findIndex((step) => step.type === "kubernetes:helm.sh/v3:Release");
    const policies = steps.flatMap((step, index) => (step.type.startsWith("kubernetes:cilium.io") ? [index] : []));
    assert.notEqual(release, -1);
    assert.ok(policies.length > 8);
    for (const policy of policies) assert.ok(release < policy, steps[policy]?.name);
    assert.equal(steps[policies[0] ?? -1]?.name, "zero-trust-deny-cloud-metadata");
  });
});
