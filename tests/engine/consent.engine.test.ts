import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { Stack } from "@pulumi/pulumi/automation";
import { deploy } from "../../lab/examples/index";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient, labContext } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import type { ClusterSecurityArgs } from "../../sdk/index";
import { ClusterSecurity, DenyScope, PolicyMode, flow, namespace, tcp, workload } from "../../sdk/index";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";
import type { Operation } from "./automation";
import { finished, openStack, operate, outputsOf } from "./automation";
import { liveObjects, repository, sharedLab } from "./shared-lab";

const own = [workload("keep/web"), workload("keep/api", { ports: [tcp(8080)] })];
const kiosk = "neighbours/kiosk[Deployment]";

/** Everything that the engine and the program said. */
function said(operation: Operation): string {
  return operation.events.map(({ diagnosticEvent }) => diagnosticEvent?.message ?? "").join("\n");
}

/**
 * The component as programs in Python, Go, C#, Java and YAML have it: the engine starts the package from the checkout, and
 * it is made there.
 */
class FromAnotherLanguage extends pulumi.ComponentResource {
  constructor(name: string, { ...args }: ClusterSecurityArgs, opts: pulumi.ComponentResourceOptions) {
    super("pulumi-cluster-security:index:ClusterSecurity", name, args, opts, true);
  }
}

/** A user's transform: every policy says which team it belongs to. */
const labelled: pulumi.ResourceTransform = ({ type, props, opts }) => {
  if (!type.endsWith("NetworkPolicy")) return undefined;
  const { metadata } = props as { metadata: { labels: Record<string, string> } };
  const labels = { ...metadata.labels, team: "keepers" };
  return { props: { ...props, metadata: { ...metadata, labels } }, opts };
};

async function policyNames(lab: Lab): Promise<string[]> {
  return (await liveObjects(lab))
    .filter(({ object }) => object.kind.endsWith("NetworkPolicy"))
    .map(({ object }) => `${object.kind} ${object.metadata?.namespace ?? ""}/${object.metadata?.name ?? ""}`)
    .sort();
}

describe("the clusterwide default deny that covers workloads of others, on a real engine and a real API server", () => {
  let lab: Lab;
  let client: ApiClient;
  let stack: Stack;
  let consent: boolean | undefined;
  let declared = true;
  let exempt: string[] | undefined;
  let denyScope: DenyScope | undefined;
  let dropsIngress = false;
  let mode = PolicyMode.Enforce;
  let isElsewhere = false;

  /** Another transform: the default deny no longer isolates pods from what comes in. */
  const opening: pulumi.ResourceTransform = ({ name, props, opts }) => {
    if (!dropsIngress || name !== "keep-default-deny-all") return undefined;
    const { spec } = props as { spec: object };
    return { props: { ...props, spec: { ...spec, enableDefaultDeny: { ingress: false, egress: true } } }, opts };
  };

  before(async () => {
    lab = await sharedLab();
    client = apiClient(lab.controlPlane);
    stack = await openStack({
      project: "consent",
      stack: "test",
      lab,
      plugin: { name: "pulumi-cluster-security", path: repository },
      program: async () => {
        if (!declared) return {};
        const args: ClusterSecurityArgs = {
          namespaces: [namespace("keep")],
          workloads: own,
          flows: [flow("web").to("api").on(tcp(8080)).because("pages show data").ownedBy("web")],
          ...(exempt === undefined ? {} : { exemptNamespaces: exempt }),
          ...(denyScope === undefined ? {} : { denyScope }),
          mode,
          defaultDeny: {
            context: labContext,
            kubeconfig: lab.controlPlane.kubeconfigPath,
            ...(consent === undefined ? {} : { allowRemoval: consent }),
          },
        };
        const options = { transforms: [labelled, opening] };
        if (isElsewhere) return void new FromAnotherLanguage("keep", args, options);
        const security = new ClusterSecurity("keep", args, options);
        for (const one of own) deploy(one, { dependsOn: [security] });
        return { posture: security.posture };
      },
    });
    for (const [path, object] of [
      ["/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "neighbours" } }],
      [
        "/apis/apps/v1/namespaces/neighbours/deployments",
        {
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata: { name: "kiosk" },
          spec: {
            selector: { matchLabels: { app: "kiosk" } },
            template: {
              metadata: { labels: { app: "kiosk" } },
              spec: { containers: [{ name: "main", image: "busybox:1.37" }] },
            },
          },
        },
      ],
    ] as const) {
      const { status, body } = await client.call("POST", path, object);
      assert.equal(status, 201, JSON.stringify(body));
    }
  });

  after(async () => {
    await client.call("DELETE", "/api/v1/namespaces/neighbours");
    client.close();
    consent = true;
    declared = true;
    await operate(stack, "up");
    assert.equal((await operate(stack, "destroy")).error, undefined);
  });

  /** What the world may send to the workload that is not the stack's. */
  async function reachesKiosk(): Promise<string> {
    const snapshot = buildSnapshot([...(await liveObjects(lab))], { profile: profileFor("cilium@1.20") });
    const source = { kind: "address", address: "203.0.113.9" } as const;
    return compile(snapshot).traffic(source, { kind: "workload", id: kiosk }).possible.toString();
  }

  it("names them in preview and in the posture", async () => {
    assert.equal(await reachesKiosk(), "All Connections");
    const preview = await operate(stack, "preview");
    assert.equal(preview.error, undefined);
    assert.match(said(preview), /default-deny-all also covers 1 workloads in namespaces .*neighbours\/kiosk/);
    const created = await operate(stack, "up");
    assert.equal(created.error, undefined);
    assert.deepEqual((outputsOf(created)["posture"] as { othersCovered: string[] }).othersCovered, [kiosk]);
    assert.equal(await reachesKiosk(), "No Connections");
  });

  it("respects a user's transforms on the way to the API server, in every policy", async () => {
    const policies = (await liveObjects(lab)).filter(({ object }) => object.kind.endsWith("NetworkPolicy"));
    assert.ok(policies.length > 3);
    for (const { object } of policies)
      assert.equal(object.metadata?.labels?.["team"], "keepers", object.metadata?.name);
  });

  for (const [how, verb] of [
    ["a destroy", "destroy"],
    ["an update whose program no longer has the component", "up"],
  ] as const) {
    it(`is not removed by ${how} without consent: the stack's own workloads may go, nobody's protection does`, async () => {
      const policies = await policyNames(lab);
      assert.ok(policies.length > 3);
      declared = false;
      // neither asks for a preview, which would have refused the whole operation before it began
      const refused = await operate(stack, verb);
      declared = true;
      assert.match(refused.error ?? "", /keep-default-deny-all[\s\S]*protect/);
      const gone = finished(refused).filter(
        ({ op, type }) => op.startsWith("delete") && type.startsWith("kubernetes:"),
      );
      for (const { type } of gone) assert.equal(type, "kubernetes:apps/v1:Deployment");
      assert.deepEqual(await policyNames(lab), policies);
      assert.equal(await reachesKiosk(), "No Connections");
      assert.equal((await operate(stack, "up")).error, undefined);
    });
  }

  for (const [how, verbs, narrow] of [
    ["a namespace that is exempt from now on", ["preview", "up"], () => void (exempt = ["kube-system", "neighbours"])],
    ["a scope of declared namespaces only", ["up"], () => void (denyScope = DenyScope.DeclaredNamespaces)],
    ["a transform that drops a direction", ["up"], () => void (dropsIngress = true)],
  ] as const) {
    it(`is not narrowed in place by ${how} without consent: ${verbs.join(" and ")} name who would lose protection`, async () => {
      narrow();
      try {
        for (const verb of verbs) {
          const refused = await operate(stack, verb);
          assert.match(
            `${refused.error ?? ""}\n${said(refused)}`,
            /default-deny-all would no longer protect neighbours\/kiosk\[Deployment\]\. Agree with defaultDeny\.allowRemoval/,
          );
          assert.ok(refused.error !== undefined);
          assert.equal(await reachesKiosk(), "No Connections");
        }
      } finally {
        exempt = undefined;
        denyScope = undefined;
        dropsIngress = false;
      }
    });
  }

  it("is not narrowed in place by a program in another language either, which has the component made in the plugin", async () => {
    exempt = ["kube-system", "neighbours"];
    isElsewhere = true;
    try {
      const refused = await operate(stack, "up");
      assert.match(
        `${refused.error ?? ""}\n${said(refused)}`,
        /default-deny-all would no longer protect neighbours\/kiosk\[Deployment\]\. Agree with defaultDeny\.allowRemoval/,
      );
      assert.ok(refused.error !== undefined);
      assert.equal(await reachesKiosk(), "No Connections");
    } finally {
      exempt = undefined;
      isElsewhere = false;
    }
  });

  it("is not taken back to an audit without consent: neither the preview nor the update removes it", async () => {
    mode = PolicyMode.Audit;
    try {
      for (const verb of ["preview", "up"] as const) {
        const refused = await operate(stack, verb);
        assert.match(refused.error ?? "", /keep-default-deny-all[\s\S]*protect/);
        assert.equal(await reachesKiosk(), "No Connections");
      }
    } finally {
      mode = PolicyMode.Enforce;
    }
  });

  it("is narrowed in place where nobody of others loses anything, without being asked", async () => {
    exempt = ["kube-system", "nobody-lives-here"];
    const narrowed = await operate(stack, "up");
    assert.equal(narrowed.error, undefined);
    const changed = finished(narrowed).filter(({ op }) => op === "update");
    assert.ok(changed.some(({ name }) => name === "keep-default-deny-all"));
    assert.equal(await reachesKiosk(), "No Connections");
    // the update of the last test takes it back
    exempt = undefined;
  });

  it("is refused as a whole in the preview of such an update", async () => {
    declared = false;
    const preview = await operate(stack, "preview");
    declared = true;
    assert.match(preview.error ?? "", /keep-default-deny-all[\s\S]*protect/);
  });

  it("is removed with consent, whose preview names who loses protection", async () => {
    consent = true;
    const preview = await operate(stack, "preview");
    assert.match(said(preview), /allowRemoval is set: default-deny-all may be removed[\s\S]*neighbours\/kiosk/);
    assert.equal((await operate(stack, "up")).error, undefined);
    // consent alone changes nothing in the cluster
    assert.equal(await reachesKiosk(), "No Connections");
    assert.equal((await operate(stack, "destroy")).error, undefined);
    assert.equal(await reachesKiosk(), "All Connections");
  });
});
