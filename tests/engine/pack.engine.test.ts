import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { Stack } from "@pulumi/pulumi/automation";
import type { Lab } from "../../lab/index";
import type { TestResource } from "../../policypack/testing";
import type { Hole } from "../policypack/support/holes";
import { holes } from "../policypack/support/holes";
import type { Operation } from "./automation";
import { finished, openStack, operate, violations } from "./automation";
import type { ChartRepository } from "./chart-repository";
import { chartRepository } from "./chart-repository";
import { liveObjects, pack, run, sharedLab } from "./shared-lab";

/** The version of the provider, as the generated classes of the SDK state it. */
const manifest = readFileSync(require.resolve("@pulumi/kubernetes/package.json"), "utf8");
const { version } = JSON.parse(manifest) as { version: string };

/** A resource of any type, as it stands. */
class Plain extends pulumi.CustomResource {}

const releases = holes
  .flatMap(({ resources }) => resources)
  .filter(({ type }) => type === "kubernetes:helm.sh/v3:Release")
  .map(({ props }) => props as { readonly chart: string; readonly version: string });

let repository: ChartRepository | undefined;

/** The provider reads each chart before anybody judges it. */
const fromRepository = (type: string): object =>
  type === "kubernetes:helm.sh/v3:Release" ? { repositoryOpts: { repo: repository?.url } } : {};

/** Registers the objects in their order, as a program with `dependsOn` would. */
function programOf(resources: readonly TestResource[]): () => Promise<Record<string, unknown>> {
  return () => {
    let before: pulumi.Resource[] = [];
    for (const { type, name, props } of resources) {
      before = [new Plain(type, name, { ...props, ...fromRepository(type) }, { version, dependsOn: before })];
    }
    return Promise.resolve({});
  };
}

const nameOf = (urn: string | undefined): string => urn?.split("::").at(-1) ?? "";

function blocking(operation: Operation, finding: string) {
  return violations(operation).filter(({ level, message }) => level === "mandatory" && message.includes(`${finding}:`));
}

describe("what the policy pack stops, on a real engine and a real API server", () => {
  let lab: Lab;
  let folder: string;
  /** One after the other has the stack, which is empty in between. */
  let stack: Stack;
  let program = programOf([]);

  before(async () => {
    lab = await sharedLab();
    stack = await openStack({ project: "holes", stack: "test", lab, program: () => program() });
    repository = await chartRepository(releases.map(({ chart, version }) => [chart, version]));
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-pack-"));
  });
  after(() => {
    repository?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const configFile = (name: string, config: object): string => {
    const file = path.join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify({ "cluster-security": config }));
    return file;
  };

  // two stacks: the clusterwide policy of the one would close every namespace of the other, and enforcement that is off
  // leaves no policy to blame for a path
  const isAbsent = ({ finding, stopped }: Hole): boolean => stopped === undefined || finding === "enforcement-off";
  const previews = {
    "about an object": holes.filter((hole) => hole.args?.enforcer === undefined && !isAbsent(hole)),
    "about something absent": holes.filter((hole) => hole.args?.enforcer === undefined && isAbsent(hole)),
    "of another enforcer": holes.filter((hole) => hole.args?.enforcer !== undefined),
  };
  for (const [which, some] of Object.entries(previews)) {
    it(`each finding ${which} that is mandatory by default blocks a preview, at the resource that it is about`, async () => {
      program = programOf(some.flatMap(({ resources }) => resources));
      const exemptions = some.flatMap(({ args }) => args?.exemptions ?? []);
      const enforcer = some.find(({ args }) => args?.enforcer !== undefined)?.args?.enforcer;
      const operation = await operate(stack, "preview", {
        policyPacks: [pack],
        policyPackConfigs: [
          configFile(which.replaceAll(" ", "-"), { exemptions, ...(enforcer === undefined ? {} : { enforcer }) }),
        ],
      });
      assert.match(operation.error ?? "the preview passed", /exit code [1-9]/);
      for (const { finding, shownAt, stopped } of some) {
        const found = blocking(operation, finding);
        assert.ok(found.length > 0, `${finding} does not block: ${operation.output}`);
        const place = shownAt ?? stopped;
        if (place !== undefined)
          assert.ok(
            found.some(({ urn }) => nameOf(urn) === place),
            finding,
          );
        for (const { urn } of found) assert.notEqual(nameOf(urn), "", finding);
      }
      assert.doesNotMatch(operation.output, /TypeError|panic/);
    });
  }

  for (const { finding, resources, stopped, args } of holes) {
    const how = stopped === undefined ? "fails an up after creation" : "is stopped at its own registration";
    it(`${finding} ${how}, although the up skips the preview`, async () => {
      const before = await liveObjects(lab);
      program = programOf(resources);
      const config = args === undefined ? {} : { policyPackConfigs: [configFile(finding, args)] };
      const operation = await operate(stack, "up", { policyPacks: [pack], ...config });
      const created = finished(operation).flatMap(({ op, type, name }) =>
        op === "create" && type.startsWith("kubernetes:") ? name : [],
      );
      try {
        assert.match(operation.error ?? "the update passed", /exit code [1-9]/);
        const found = blocking(operation, finding);
        assert.ok(found.length > 0, operation.output);
        const told = violations(operation).filter(({ message }) => /so they stand[\s\S]*pulumi destroy/.test(message));
        if (stopped === undefined) {
          for (const { name } of resources) assert.ok(created.includes(name), `${name} was not created`);
          assert.equal(told.length, 1, "what stands now is not said once");
        } else {
          assert.deepEqual([...new Set(found.map(({ urn }) => nameOf(urn)))], [stopped]);
          assert.ok(!created.includes(stopped), `${stopped} was created`);
          assert.deepEqual(told, []);
        }
      } finally {
        // the way back that the message names
        if (created.length > 0) assert.equal((await operate(stack, "destroy")).error, undefined);
      }
      assert.deepEqual(
        (await liveObjects(lab)).map(({ object }) => `${object.kind} ${object.metadata?.name ?? ""}`),
        before.map(({ object }) => `${object.kind} ${object.metadata?.name ?? ""}`),
      );
    });
  }

  const open: TestResource[] = [
    {
      type: "kubernetes:core/v1:Namespace",
      name: "repaired",
      props: { apiVersion: "v1", kind: "Namespace", metadata: { name: "repaired" } },
    },
    {
      type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
      name: "allow-web",
      props: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "allow-web", namespace: "repaired" },
        spec: {
          podSelector: { matchLabels: { app: "api" } },
          policyTypes: ["Egress"],
          egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["10.0.0.0/8"] } }] }],
        },
      },
    },
    {
      type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
      name: "default-deny-all",
      props: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "default-deny-all", namespace: "repaired" },
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
      },
    },
  ];

  it("at the level `remediate` metadata addresses are left out of a rule, and the API server holds the repaired object", async () => {
    program = programOf(open);
    const config = configFile("remediate", { enforcementLevel: "remediate", remediate: true });
    const operation = await operate(stack, "up", { policyPacks: [pack], policyPackConfigs: [config] });
    try {
      assert.equal(operation.error, undefined, operation.output);
      const repaired = (await liveObjects(lab)).find(({ object }) => object.metadata?.name === "allow-web");
      const text = JSON.stringify(repaired?.object.spec);
      for (const address of ["10.0.0.0/8", "169.254.169.254/32", "168.63.129.16/32", "100.100.100.200/32"]) {
        assert.ok(text.includes(`"${address}"`), text);
      }
      // the engine sends the event; the declaration of the Automation API does not list it
      const events = operation.events as readonly { policyRemediationEvent?: { resourceUrn?: string } }[];
      const remediations = events.flatMap(({ policyRemediationEvent: event }) => event?.resourceUrn ?? []).map(nameOf);
      assert.ok(remediations.includes("allow-web"));
    } finally {
      assert.equal((await operate(stack, "destroy")).error, undefined);
    }
  });

  it("judges with what the cluster holds, says which paths a preview opens, and analyses a state without any cluster", async () => {
    const workload = (name: string): TestResource => ({
      type: "kubernetes:core/v1:Pod",
      name,
      props: {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "repaired", labels: { app: name } },
        spec: { containers: [{ name, image: "registry.example/none:1" }] },
      },
    });
    program = programOf([workload("api"), workload("db")]);
    const alone = await operate(stack, "preview", { policyPacks: [pack] });
    assert.match(
      alone.error ?? "the preview passed",
      /exit code [1-9]/,
      "without a snapshot nothing closes the namespace",
    );
    const snapshot = path.join(folder, "cluster.json");
    writeFileSync(snapshot, JSON.stringify({ apiVersion: "v1", kind: "List", items: open.map(({ props }) => props) }));
    const closed = open.map(({ props }) =>
      props["kind"] === "NetworkPolicy" && JSON.stringify(props).includes("allow-web")
        ? { ...props, spec: { podSelector: { matchLabels: { app: "api" } }, policyTypes: ["Egress"] } }
        : props,
    );
    writeFileSync(snapshot, JSON.stringify({ apiVersion: "v1", kind: "List", items: closed }));
    const within = await operate(stack, "preview", {
      policyPacks: [pack],
      policyPackConfigs: [configFile("snapshot", { clusterSnapshot: snapshot })],
    });
    assert.equal(within.error, undefined, within.output);

    // a stack that opens a path to what stands there already
    program = programOf([
      workload("other"),
      {
        type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        name: "allow-web-to-api",
        props: {
          apiVersion: "networking.k8s.io/v1",
          kind: "NetworkPolicy",
          metadata: { name: "allow-web-to-api", namespace: "repaired" },
          spec: {
            podSelector: {},
            policyTypes: ["Ingress", "Egress"],
            ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 80 }] }],
            egress: [{ to: [{ podSelector: { matchLabels: { app: "api" } } }], ports: [{ port: 80 }] }],
          },
        },
      },
    ]);
    const items = [...closed, workload("api").props, workload("web").props];
    writeFileSync(path.join(folder, "more.json"), JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    const change = await operate(stack, "preview", {
      policyPacks: [pack],
      policyPackConfigs: [configFile("more-config", { clusterSnapshot: path.join(folder, "more.json") })],
    });
    const shown = violations(change).filter(({ message }) => message.includes("reachability-change:"));
    assert.ok(shown.some(({ message }) => /Compared with the cluster snapshot: [1-9]\d* paths? opened/.test(message)));
    assert.ok(
      shown.some(({ urn }) => nameOf(urn) === "allow-web-to-api"),
      JSON.stringify(shown),
    );

    const state = path.join(folder, "state.json");
    const resources = [
      { urn: "urn:pulumi:test::adds::pulumi:pulumi:Stack::adds-test", custom: false, type: "pulumi:pulumi:Stack" },
      ...open.map(({ type, name, props }) => ({
        urn: `urn:pulumi:test::adds::${type}::${name}`,
        custom: true,
        id: name,
        type,
        inputs: props,
        outputs: props,
      })),
    ];
    const manifest = { time: "2026-01-01T00:00:00Z", magic: "", version: "" };
    writeFileSync(state, JSON.stringify({ version: 3, deployment: { manifest, resources } }));
    const analyzed = await run(
      lab.engine.path,
      ["policy", "analyze", "--file", state, "--policy-pack", pack, "--non-interactive", "--color", "never"],
      { cwd: folder, env: { ...lab.env } },
    );
    assert.notEqual(analyzed.code, 0, analyzed.output);
    assert.match(analyzed.output, /metadata-endpoints-closed/);
    assert.doesNotMatch(analyzed.output, /panic|TypeError/);
  });
});
