import assert from "node:assert/strict";
import { EnforcementCanary } from "../../sdk/index";
import type { Registration } from "./monitor";
import { register, standsBefore } from "./monitor";

const root = "urn:pulumi:stack::project::";
const child = (rest: string): string => `${root}pulumi-cluster-security:index:EnforcementCanary$kubernetes:${rest}`;

function find(all: readonly Registration[], name: string): Registration {
  return (
    all.find((each) => each.name === name) ?? assert.fail(`no ${name} among ${all.map((each) => each.name).join()}`)
  );
}

interface PodTemplate {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly nodeSelector: Readonly<Record<string, string>>;
    readonly imagePullSecrets?: readonly unknown[];
    readonly containers: readonly {
      readonly name: string;
      readonly image: string;
      readonly command: readonly string[];
      readonly env: readonly { readonly name: string; readonly value: string }[];
    }[];
  };
}

const templateOf = ({ inputs }: Registration): PodTemplate => (inputs["spec"] as { template: PodTemplate }).template;

describe("EnforcementCanary", () => {
  const jobs = ["allowed-pods-must-connect", "deny-all-must-block-egress", "deny-all-must-block-ingress"];

  it("has stable URNs (change them only together with aliases)", async () => {
    const all = await register(() => new EnforcementCanary("c"));
    assert.deepEqual(
      all.map(({ urn }) => urn).sort(),
      [
        child("apps/v1:Deployment::c-server-closed"),
        child("apps/v1:Deployment::c-server-open"),
        ...jobs.map((job) => child(`batch/v1:Job::c-${job}`)),
        child("core/v1:Namespace::c-namespace"),
        child("core/v1:Service::c-server-closed"),
        child("core/v1:Service::c-server-open"),
        child("networking.k8s.io/v1:NetworkPolicy::c-allow-open-pods"),
        child("networking.k8s.io/v1:NetworkPolicy::c-default-deny-all"),
        `${root}pulumi-cluster-security:index:EnforcementCanary::c`,
      ].sort(),
    );
  });

  it("S4-20: the deny-all and the servers stand before every check, and the control before the others", async () => {
    const all = await register(() => new EnforcementCanary("c"));
    const [control = "", ...others] = jobs.map((job) => find(all, `c-${job}`).urn);
    for (const job of jobs) {
      const before = standsBefore(all, find(all, `c-${job}`).urn);
      assert.ok(before.has(child("networking.k8s.io/v1:NetworkPolicy::c-default-deny-all")));
      for (const role of ["open", "closed"]) assert.ok(before.has(child(`core/v1:Service::c-server-${role}`)));
    }
    for (const other of others) assert.ok(standsBefore(all, other).has(control));
  });

  it("S4-20: a failed check names itself: its container, and a sentence as its last words", async () => {
    const all = await register(() => new EnforcementCanary("c"));
    for (const job of jobs) {
      const registration = find(all, `c-${job}`);
      const [container] = templateOf(registration).spec.containers;
      assert.equal(container?.name, job);
      const spec = registration.inputs["spec"] as Readonly<Record<string, unknown>>;
      assert.equal(spec["backoffLimit"], 0, "a second try would hide the first");
      // @pulumi/kubernetes waits on where a Job fails for another reason than its backoff limit or its deadline
      assert.equal(spec["podFailurePolicy"], undefined);
      const deny = job.startsWith("deny");
      const complaint = container?.env.find(({ name }) => name === "CLUSTER_SECURITY_PROBER")?.value ?? "";
      assert.match(complaint, deny ? /NOT ENFORCED on/ : /proves nothing/);
    }
  });

  it("opens its own port between its own pods and nothing else: no name, no address outside", async () => {
    const all = await register(() => new EnforcementCanary("c"));
    const { spec } = find(all, "c-allow-open-pods").inputs as { spec: Record<string, unknown> };
    const ports = [{ protocol: "TCP", port: 8080 }];
    assert.deepEqual(spec["ingress"], [{ from: [{ podSelector: {} }], ports }]);
    assert.deepEqual(spec["egress"], [{ to: [{ podSelector: {} }], ports }]);
  });

  it("image, command, secrets, nodes and namespace are the user's; a trigger is part of the Jobs alone", async () => {
    const all = await register(
      () =>
        new EnforcementCanary("c", {
          namespace: "canary",
          image: "registry.internal/node:22",
          command: "/nodejs/bin/node",
          imagePullSecrets: ["pull"],
          nodeSelector: { pool: "new" },
          trigger: "1.20.2",
          timeoutSeconds: 30,
        }),
    );
    for (const registration of all.filter(({ type }) => /Job$|Deployment$/.test(type))) {
      const { spec, metadata } = templateOf(registration);
      const [container] = spec.containers;
      assert.equal(container?.image, "registry.internal/node:22");
      assert.deepEqual(container.command.slice(0, 2), ["/nodejs/bin/node", "-e"]);
      assert.deepEqual(spec.imagePullSecrets, [{ name: "pull" }]);
      assert.deepEqual(spec.nodeSelector, { "kubernetes.io/os": "linux", pool: "new" });
      const isJob = registration.type.endsWith("Job");
      assert.equal(metadata.annotations["pulumi-cluster-security/trigger"], isJob ? "1.20.2" : undefined);
      if (isJob) assert.equal((registration.inputs["spec"] as Record<string, unknown>)["activeDeadlineSeconds"], 30);
    }
    for (const { inputs, type } of all.filter(({ type: one }) => !/Namespace$|index:/.test(one))) {
      assert.equal((inputs["metadata"] as { namespace: string }).namespace, "canary", type);
    }
  });
});
