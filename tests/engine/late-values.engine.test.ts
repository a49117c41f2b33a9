import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Stack } from "@pulumi/pulumi/automation";
import { apiClient } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import type { ClusterSecurityArgs } from "../../sdk/index";
import { ClusterSecurity, DenyScope, cidr, flow, fqdn, namespace, tcp, workload } from "../../sdk/index";
import type { Operation } from "./automation";
import { finished, openStack, operate } from "./automation";
import { attachedPlugin } from "./language-plugin";
import { liveObjects, repository, sharedLab } from "./shared-lab";

/** The component as programs in other languages have it: it is made in the process of the package. */
class FromAnotherLanguage extends pulumi.ComponentResource {
  constructor(name: string, { ...args }: ClusterSecurityArgs) {
    super("pulumi-cluster-security:index:ClusterSecurity", name, args, {}, true);
  }
}

/** What the engine said; without what Pulumi's SDK reports of a program that is stopped while it waits for a plugin. */
function said({ events }: Operation): string {
  return events
    .map(({ diagnosticEvent: event }) => (String(event?.severity) === "debug" ? "" : (event?.message ?? "")))
    .filter((text) => !text.includes("resource monitor shut down"))
    .join("\n");
}

/** What a cloud gives that no policy can be made of; nobody may read what is secret of it. */
const wrong = {
  range: "169.254.169.254/32",
  owner: "",
  port: 70_000,
  account: pulumi.secret("not a name: hunter2"),
};

describe("outputs as values of a declaration, on a real engine and a real API server", () => {
  let lab: Lab;
  let stack: Stack;
  let values: Partial<typeof wrong> = {};
  let isElsewhere = false;
  let fails = false;

  before(async () => {
    lab = await sharedLab();
    const { env } = await attachedPlugin();
    stack = await openStack({
      project: "late-values",
      stack: "test",
      lab,
      env,
      plugin: { name: "pulumi-cluster-security", path: repository },
      program: async () => {
        // the cloud's part: what its resources know once they are there
        const home = { metadata: { namespace: "default" } };
        const network = new k8s.core.v1.ConfigMap("network", home);
        const account = new k8s.core.v1.ServiceAccount("orders", home);
        const made = network.metadata.uid;
        const range = made.apply(() => {
          if (fails) throw new pulumi.RunError("the network has no range");
          return values.range ?? "10.1.0.0/16";
        });
        const args: ClusterSecurityArgs = {
          denyScope: DenyScope.DeclaredNamespaces,
          namespaces: [namespace("late", { labels: { network: made } })],
          workloads: [
            workload("late/web", {
              serviceAccount: values.account ?? account.metadata.name,
              labels: { app: "web", network: made },
            }),
            workload("late/db", { ports: [tcp(made.apply(() => 5432))] }),
          ],
          flows: [
            flow("web")
              .to("db")
              .on(tcp(made.apply(() => 5432)))
              .because("orders")
              .ownedBy(made.apply((uid) => values.owner ?? uid)),
            flow("web").to(cidr(range)).on(tcp(443)).because(made).ownedBy("shop"),
            flow("web")
              .to(fqdn(made.apply((uid) => `${uid}.example.com`)))
              .on(tcp(made.apply(() => values.port ?? 443)))
              .because("x")
              .ownedBy("shop"),
          ],
        };
        const component = isElsewhere ? new FromAnotherLanguage("late", args) : new ClusterSecurity("late", args);
        // what waits for the component, and what waits for that
        const first = new k8s.core.v1.ConfigMap("first", home, { dependsOn: component });
        new k8s.core.v1.ConfigMap("last", { ...home, data: { first: first.metadata.name } });
      },
    });
  });

  after(async () => {
    assert.equal((await operate(stack, "destroy")).error, undefined);
  });

  const policies = async (): Promise<string> => {
    const objects = await liveObjects(lab);
    const own = [...objects].map(({ object }) => object).filter(({ metadata }) => metadata?.namespace === "late");
    return JSON.stringify(own.filter(({ kind }) => kind === "CiliumNetworkPolicy"));
  };

  const changes = (operation: Operation): unknown[] =>
    finished(operation).filter(({ op }) => op !== "same" && !op.startsWith("read") && !op.startsWith("discard"));

  function assertRefused(operation: Operation): void {
    assert.notEqual(operation.error, undefined, "the operation succeeded");
    const text = said(operation);
    assert.match(text, /The declaration has 4 problems; no policy was registered\.\n/);
    for (const line of [
      /^ {2}workloads\[0\]\.serviceAccount: /m,
      /^ {2}flows\[0\]\.owner: is empty/m,
      /^ {2}flows\[1\]\.to\.cidr: is a metadata endpoint/m,
      /^ {2}flows\[2\]\.ports\[0\]\.port: is not a port/m,
    ]) {
      assert.match(text, line);
    }
    assert.doesNotMatch(operation.output, /hunter2/);
    assert.doesNotMatch(text, /\n\s+at .*:\d|[Uu]nhandled/);
  }

  it("previews every policy, and says nothing of values that are not known", async () => {
    const preview = await operate(stack, "preview");
    assert.equal(preview.error, undefined, preview.output);
    assert.match(preview.output, /late-late\/allow-web-egress/);
    assert.doesNotMatch(preview.output, /stand-in/);
  });

  it("ends where an output fails", async () => {
    values = {};
    isElsewhere = false;
    fails = true;
    const refused = await operate(stack, "up");
    fails = false;
    assert.match(said(refused), /the network has no range/);
    assert.equal(await policies(), "[]");
  });

  for (const [where, elsewhere] of [
    ["in a program of Node.js", false],
    ["through the plugin", true],
  ] as const) {
    it(`ends before anything opens where values are wrong, one line each, without a stack trace, ${where}`, async () => {
      values = wrong;
      isElsewhere = elsewhere;
      assertRefused(await operate(stack, "up"));
      assert.equal(await policies(), "[]");
      const names = [...(await liveObjects(lab))].map(({ object }) => object.metadata?.name ?? "");
      assert.deepEqual(
        names.filter((name) => /^(first|last)-/.test(name)),
        [],
      );
      // what the values come from stands by now, so that a preview knows them, too
      if (!elsewhere) assertRefused(await operate(stack, "preview"));
    });

    it(`creates what the values say, and a second update changes nothing, ${where}`, async () => {
      values = {};
      isElsewhere = elsewhere;
      const created = await operate(stack, "up");
      assert.equal(created.error, undefined, said(created));
      const standing = await policies();
      for (const text of [/10\.1\.0\.0\/16/, /"5432"/, /[0-9a-f-]{36}\.example\.com/, /serviceaccount":"orders-/]) {
        assert.match(standing, text);
      }
      assert.doesNotMatch(standing, /stand-in/);
      if (!elsewhere) assert.deepEqual(changes(await operate(stack, "preview")), []);
      const again = await operate(stack, "up");
      assert.equal(again.error, undefined, said(again));
      assert.deepEqual(changes(again), []);
      // what the next test finds is as if nothing had been there
      if (!elsewhere) assert.equal((await operate(stack, "destroy")).error, undefined);
    });
  }

  it("the live check of a component from the plugin fails the update, with who changed what and how to mend it", async () => {
    const path = "/apis/cilium.io/v2/namespaces/late/ciliumnetworkpolicies/allow-web-egress";
    const client = apiClient(lab.controlPlane);
    const { body } = await client.call("GET", path);
    const { spec } = body as { spec: { egress: object[] } };
    const egress = [...spec.egress, { toEntities: ["world"] }];
    const edit = { spec: { egress } };
    const { status } = await client.call(
      "PATCH",
      `${path}?fieldManager=kubectl-edit`,
      edit,
      "application/merge-patch+json",
    );
    assert.equal(status, 200);
    const refused = await operate(stack, "up");
    assert.notEqual(refused.error, undefined, "the update succeeded");
    const text = said(refused);
    assert.match(
      text,
      /CiliumNetworkPolicy late\/allow-web-egress is not what is declared: spec\.egress.* by kubectl-edit/,
    );
    assert.match(
      text,
      /kubectl delete ciliumnetworkpolicy\.cilium\.io allow-web-egress -n late && pulumi up --refresh/,
    );
    assert.doesNotMatch(text, /\n\s+at .*:\d|[Uu]nhandled/);
    await client.call("DELETE", path);
    client.close();
    const mended = await operate(stack, "up", { refresh: true });
    assert.equal(mended.error, undefined, said(mended));
  });
});
