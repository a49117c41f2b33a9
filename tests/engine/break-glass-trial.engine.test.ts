/** An update that grants break glass tries whether the cluster ends it, on real controllers and Pulumi's own provider. */
import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import type { Stack } from "@pulumi/pulumi/automation";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import type { BreakGlassTrialArgs, ClusterSecurityArgs } from "../../sdk/index";
import { ClusterSecurity, Dialect, flow, namespace, tcp, workload } from "../../sdk/index";
import type { Operation } from "./automation";
import { dropOwners } from "../break-glass/drops-owners";
import { finished, openStack, operate } from "./automation";
import { secondLab, sharedLab } from "./shared-lab";

/** What the engine said, diagnostics included. */
function said({ events, error }: Operation): string {
  const told = events.flatMap(({ diagnosticEvent: event }) =>
    event === undefined || String(event.severity) === "debug" ? [] : [event.message],
  );
  return `${error ?? ""}\n${told.join("\n")}`;
}

const changes = (operation: Operation): string[] =>
  finished(operation)
    .filter(({ op }) => !/^(same|refresh)$/.test(op))
    .map(({ op, name }) => `${op} ${name}`);

const tried = /Namespace \S+: the cluster ended a bypass by itself, \d+s after its timer/;

interface Settings {
  readonly home: string;
  dialect: Dialect;
  maxDuration: string;
  trial: BreakGlassTrialArgs;
  /** Whether the component is told its cluster by a provider of the program. */
  provider: boolean;
}

describe("break glass: an update tries whether the cluster ends bypasses", () => {
  let lab: Lab;
  let client: ApiClient;
  let opened: Stack[] = [];

  before(async () => {
    lab = await sharedLab();
    client = apiClient(lab.controlPlane);
  });

  // what is clusterwide belongs to one stack at a time
  afterEach(async () => {
    for (const stack of opened) await operate(stack, "destroy");
    opened = [];
  });

  after(() => client?.close());

  function declare({ home, dialect, maxDuration, trial }: Settings): ClusterSecurityArgs {
    return {
      dialect,
      cni: { existing: true },
      namespaces: [namespace(home)],
      workloads: [workload(`${home}/web`), workload(`${home}/db`, { ports: [tcp(5432)] })],
      flows: [flow("web").to("db").on(tcp(5432)).because("pages").ownedBy("web")],
      breakGlass: [
        { name: "nights", grantedTo: ["sre"], workloads: [`${home}/db`], maxDuration, reason: "nights", owner: "ops" },
      ],
      defaultDeny: { allowRemoval: true },
      breakGlassTrial: trial,
    };
  }

  async function stackOf(home: string, change: Partial<Settings> = {}): Promise<{ stack: Stack; now: Settings }> {
    const { kubeconfigPath: kubeconfig } = lab.controlPlane;
    const trial = { kubeconfig };
    const now: Settings = { home, dialect: Dialect.Kubernetes, maxDuration: "2h", trial, provider: false, ...change };
    const program = async (): Promise<void> => {
      const provider = now.provider ? new k8s.Provider("lab", { kubeconfig }) : undefined;
      new ClusterSecurity("z", declare(now), provider === undefined ? {} : { provider });
    };
    const stack = await openStack({ project: "trial", stack: home, lab, program });
    opened.push(stack);
    return { stack, now };
  }

  /** Jobs and policies of trials that are in the cluster. */
  async function leftOf(home: string): Promise<string[]> {
    const selector = `labelSelector=${encodeURIComponent("pulumi-cluster-security/break-glass-trial")}`;
    const found = await Promise.all(
      [
        `/apis/batch/v1/namespaces/${home}/jobs`,
        `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies`,
        `/apis/cilium.io/v2/namespaces/${home}/ciliumnetworkpolicies`,
      ].map(async (place) => {
        const { body } = await client.call("GET", `${place}?${selector}`);
        return ((body as { items?: { metadata: { name: string } }[] }).items ?? []).map(
          ({ metadata }) => metadata.name,
        );
      }),
    );
    return found.flat();
  }

  it("S3-29: passes where the cluster does, leaves nothing, and is not repeated where nothing has changed", async () => {
    const { stack, now } = await stackOf("ends");
    const preview = await operate(stack, "preview");
    assert.equal(preview.error, undefined, said(preview));
    const first = await operate(stack, "up");
    assert.equal(first.error, undefined, said(first));
    assert.match(said(first), tried);
    assert.deepEqual(await leftOf("ends"), []);
    for (const refresh of [false, true]) {
      const again = await operate(stack, "up", { refresh });
      assert.equal(again.error, undefined, said(again));
      assert.deepEqual(changes(again), []);
      assert.doesNotMatch(said(again), tried);
    }
    // a longer grant ends as a shorter one; other kinds are another question
    now.maxDuration = "4h";
    const longer = await operate(stack, "up");
    assert.equal(longer.error, undefined, said(longer));
    assert.doesNotMatch(said(longer), tried);
    now.dialect = Dialect.Cilium;
    const other = await operate(stack, "up");
    assert.equal(other.error, undefined, said(other));
    assert.match(said(other), tried);
    // 30 days later
    const guard =
      "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/protect-break-glass-bypasses-in-ends";
    const key = "pulumi-cluster-security/break-glass-tried";
    const { body } = await client.call("GET", guard);
    const mark = (body as { metadata: { annotations: Record<string, string> } }).metadata.annotations[key] ?? "";
    const old = JSON.stringify({ ...(JSON.parse(mark) as object), at: "2020-01-01T00:00:00Z" });
    const patch = { metadata: { annotations: { [key]: old } } };
    assert.equal((await client.call("PATCH", guard, patch, "application/merge-patch+json")).status, 200);
    const later = await operate(stack, "up");
    assert.equal(later.error, undefined, said(later));
    assert.match(said(later), tried);
    assert.deepEqual(await leftOf("ends"), []);
  });

  it("S3-29: finds the cluster of the provider that the program names", async () => {
    const { stack } = await stackOf("provided", { provider: true, trial: {} });
    const up = await operate(stack, "up");
    assert.equal(up.error, undefined, said(up));
    assert.match(said(up), tried);
  });

  it("S3-29: asks no other cluster than that of the stack, and fails where it finds none", async () => {
    const other = await secondLab();
    const { stack, now } = await stackOf("elsewhere", { trial: { kubeconfig: other.controlPlane.kubeconfigPath } });
    const wrong = await operate(stack, "up");
    assert.notEqual(wrong.error, undefined);
    assert.match(said(wrong), /protect-break-glass-bypasses-in-elsewhere of this stack is not in the cluster/);
    assert.match(said(wrong), /breakGlassTrial\.context/);
    now.trial = { kubeconfig: "/nowhere/kubeconfig" };
    const none = await operate(stack, "up");
    assert.match(said(none), /could not be tried: there is no kubeconfig \/nowhere\/kubeconfig/);
    now.trial = { skip: true };
    const skipped = await operate(stack, "up");
    assert.equal(skipped.error, undefined, said(skipped));
    assert.doesNotMatch(said(skipped), tried);
  });

  describe("where a part of the chain is missing", () => {
    afterEach(async () => {
      await lab.controlPlane.stopControllers();
      await lab.controlPlane.startControllers();
    });

    for (const [without, why, home] of [
      ["job-controller", /Job no-jobs\/trial-of-break-glass-\w+ has not started .*no controller of Jobs/, "no-jobs"],
      [
        "ttl-after-finished-controller",
        /Job no-ttl\/trial-of-break-glass-\w+ has ended and stayed, because no TTL-after-finished controller/,
        "no-ttl",
      ],
      [
        "garbage-collector-controller",
        /Job no-gc\/trial-of-break-glass-\w+ is being deleted and stayed with what it owns, NetworkPolicy no-gc\/trial-of-break-glass-\w+, because no garbage collector/,
        "no-gc",
      ],
    ] as const) {
      it(`S3-29: fails without the ${without}, says what stayed and what to do, and removes it`, async () => {
        const { stack } = await stackOf(home, { dialect: Dialect.Kubernetes });
        await lab.controlPlane.stopControllers();
        await lab.controlPlane.startControllers([without]);
        const up = await operate(stack, "up");
        assert.notEqual(up.error, undefined, said(up));
        assert.match(said(up), why);
        assert.match(said(up), /Have kube-controller-manager run with .*What was tried is removed/);
        assert.deepEqual(await leftOf(home), []);
      });
    }

    it("S3-29: fails without any kube-controller-manager", async () => {
      const { stack } = await stackOf("no-manager", { dialect: Dialect.Cilium });
      await lab.controlPlane.stopControllers();
      const up = await operate(stack, "up");
      assert.notEqual(up.error, undefined, said(up));
      assert.match(said(up), /no controller of Jobs has seen it\. Have kube-controller-manager run/);
      assert.deepEqual(await leftOf("no-manager"), []);
      // a failure is not taken for known
      const again = await operate(stack, "up");
      assert.match(said(again), /no controller of Jobs has seen it/);
      await lab.controlPlane.startControllers();
      const mended = await operate(stack, "up");
      assert.equal(mended.error, undefined, said(mended));
      assert.match(said(mended), tried);
    });
  });

  it("S3-29: fails where the API server drops owners of the kind", async () => {
    const { stack } = await stackOf("dropped", { dialect: Dialect.Cilium });
    const kind = { group: "cilium.io", version: "v2", resource: "ciliumnetworkpolicies" };
    const keep = await dropOwners((method, path, body) => client.call(method, path, body), kind, {
      collection: "/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies",
      object: {
        apiVersion: "cilium.io/v2",
        kind: "CiliumNetworkPolicy",
        metadata: { name: "probe" },
        spec: { endpointSelector: { matchLabels: { app: "none" } }, ingress: [{}] },
      } as { metadata: object },
    });
    try {
      const up = await operate(stack, "up");
      assert.notEqual(up.error, undefined, said(up));
      assert.match(said(up), /CiliumNetworkPolicy dropped\/trial-of-break-glass-\w+ has lost its ownerReferences/);
      assert.match(said(up), /webhook or MutatingAdmissionPolicy/);
      assert.deepEqual(await leftOf("dropped"), []);
    } finally {
      await keep();
    }
  });
});
