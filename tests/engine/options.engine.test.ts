/** Resource options on a component, and operations on a part of it, on Pulumi's own Kubernetes provider. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Stack } from "@pulumi/pulumi/automation";
import { apiClient } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import type { ClusterSecurityArgs } from "../../sdk/index";
import { ClusterSecurity, Dialect, flow, namespace, tcp, workload } from "../../sdk/index";
import type { Operation } from "./automation";
import { finished, openStack, operate } from "./automation";
import { run, sharedLab } from "./shared-lab";

function declare(home: string): ClusterSecurityArgs {
  return {
    dialect: Dialect.Kubernetes,
    namespaces: [namespace(home)],
    workloads: [workload(`${home}/web`), workload(`${home}/db`, { ports: [tcp(5432)] })],
    flows: [flow("web").to("db").on(tcp(5432)).because("pages").ownedBy("web")],
  };
}

function said({ events, error }: Operation): string {
  return `${error ?? ""}\n${events.map(({ diagnosticEvent: event }) => event?.message ?? "").join("\n")}`;
}

const changes = (operation: Operation): string[] =>
  finished(operation)
    .filter(({ op, type }) => !/^(same|refresh)$/.test(op) && type.startsWith("kubernetes:"))
    .map(({ op, name }) => `${op} ${name}`);

interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  readonly external?: boolean;
  readonly protect?: boolean;
  readonly retainOnDelete?: boolean;
  readonly deletedWith?: string;
  readonly ignoreChanges?: readonly string[];
  readonly provider?: string;
}

describe("resource options and partial operations, on Pulumi's own provider", () => {
  let lab: Lab;
  const opened: Stack[] = [];

  before(async () => {
    lab = await sharedLab();
  });

  after(async () => {
    for (const stack of opened) await operate(stack, "destroy");
  });

  async function call(method: "GET" | "POST" | "DELETE", target: string, value?: unknown) {
    const client = apiClient(lab.controlPlane);
    try {
      return await client.call(method, target, value, "application/json");
    } finally {
      client.close();
    }
  }

  async function names(home: string): Promise<string[]> {
    const answer = await call("GET", `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies`);
    const { items } = answer.body as { items: { metadata: { name: string } }[] };
    return items.map(({ metadata }) => metadata.name).sort();
  }

  async function stackOf(name: string, program: () => unknown): Promise<Stack> {
    const stack = await openStack({ project: "options", stack: name, lab, program: async () => void program() });
    opened.push(stack);
    return stack;
  }

  /** Objects of the component in the state; those that are only read aside. */
  async function children(stack: Stack): Promise<readonly StateResource[]> {
    const { deployment } = await stack.exportStack();
    const { resources = [] } = deployment as { resources?: readonly StateResource[] };
    const found = resources.filter(({ urn, custom, external }) => {
      return urn.includes("ClusterSecurity$") && custom && external !== true;
    });
    assert.ok(found.length >= 5, found.map(({ urn }) => urn).join(", "));
    return found;
  }

  const policyUrn = (stack: string, name: string): string =>
    `urn:pulumi:${stack}::options::pulumi-cluster-security:index:ClusterSecurity$kubernetes:networking.k8s.io/v1:NetworkPolicy::${name}`;

  it("hands protect, retainOnDelete, deletedWith and the provider on to every child; ignoreChanges stays with the component", async () => {
    let isProtected = true;
    const stack = await stackOf("inherited", () => {
      const provider = new k8s.Provider("elsewhere", { namespace: "default" });
      const owner = new k8s.core.v1.ConfigMap("owner", { metadata: { name: "owner" } }, { provider });
      const options: pulumi.ComponentResourceOptions = {
        provider,
        protect: isProtected,
        retainOnDelete: true,
        deletedWith: owner,
        ignoreChanges: ["flows"],
      };
      new ClusterSecurity("z", declare("inherited"), options);
    });
    const created = await operate(stack, "up");
    assert.equal(created.error, undefined, said(created));
    for (const child of await children(stack)) {
      assert.equal(child.protect, true, child.urn);
      assert.equal(child.retainOnDelete, true, child.urn);
      assert.match(child.deletedWith ?? "", /::owner$/, child.urn);
      assert.match(child.provider ?? "", /::elsewhere::/, child.urn);
      assert.deepEqual(child.ignoreChanges ?? [], [], child.urn);
    }
    assert.deepEqual(changes(await operate(stack, "up")), []);
    const refused = await operate(stack, "destroy");
    assert.match(said(refused), /protect/);
    isProtected = false;
    assert.equal((await operate(stack, "up")).error, undefined);
    assert.equal((await operate(stack, "destroy")).error, undefined);
    // retained, as asked for
    assert.ok((await names("inherited")).includes("default-deny-all"));
    await call("DELETE", "/api/v1/namespaces/inherited");
  });

  it("keeps its own hooks beside a user's, and replaceOnChanges reaches children through transforms only", async () => {
    const ran: string[] = [];
    let team = "web";
    const stack = await stackOf("hooked", () => {
      const transform: pulumi.ResourceTransform = ({ type, props, opts }) => {
        if (!type.endsWith(":NetworkPolicy")) return undefined;
        const metadata = props["metadata"] as { labels: object };
        return {
          props: { ...props, metadata: { ...metadata, labels: { ...metadata.labels, team } } },
          opts: { ...opts, replaceOnChanges: ["metadata.labels"] },
        };
      };
      const component = new ClusterSecurity("z", declare("hooked"), { transforms: [transform] });
      component.policies.apply((policies) => ran.push(`${policies.length} policies`));
    });
    const created = await operate(stack, "up");
    assert.equal(created.error, undefined, said(created));
    const before = await names("hooked");
    team = "shop";
    const replaced = await operate(stack, "up");
    assert.equal(replaced.error, undefined, said(replaced));
    assert.ok(changes(replaced).some((step) => step.includes("replace")));
    assert.deepEqual(await names("hooked"), before);
    assert.ok(ran.includes(`${before.length} policies`));
  });

  it("deletedWith: children are deleted with the component, and left to the other resource where that goes too", async () => {
    const home = "together";
    await call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: home } });
    const args = { ...declare(home), namespaces: [namespace(home, { existing: true })] };
    let isDeclared = true;
    const stack = await stackOf(home, () => {
      // stands for a cluster: what lies in it needs no call of its own once it is gone
      const cluster = new k8s.core.v1.ConfigMap("cluster", { metadata: { name: "cluster", namespace: home } });
      if (isDeclared) new ClusterSecurity("z", args, { deletedWith: cluster });
    });
    const created = await operate(stack, "up");
    assert.equal(created.error, undefined, said(created));
    const before = await names(home);
    assert.ok(before.includes("default-deny-all"));
    isDeclared = false;
    const without = await operate(stack, "up");
    assert.equal(without.error, undefined, said(without));
    assert.deepEqual(await names(home), []);
    isDeclared = true;
    assert.equal((await operate(stack, "up")).error, undefined);
    const destroyed = await operate(stack, "destroy");
    assert.equal(destroyed.error, undefined, said(destroyed));
    assert.deepEqual(await names(home), before);
    await call("DELETE", `/api/v1/namespaces/${home}`);
  });

  it("hooks: those of the component stay with it, and those that a transform sets on a child run beside its own", async () => {
    const home = "hooks";
    await call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: home } });
    const policies = `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies?fieldManager=kubectl-create`;
    const made = await call("POST", policies, {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "default-deny-all" },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const ran = { component: [] as string[], child: [] as string[] };
    const args = { ...declare(home), namespaces: [namespace(home, { existing: true })] };
    const stack = await stackOf(home, () => {
      const note = (list: string[], name: string): pulumi.ResourceHook =>
        new pulumi.ResourceHook(name, ({ name: of }) => void list.push(of));
      const transform: pulumi.ResourceTransform = ({ type, props, opts }) => {
        if (!type.endsWith(":NetworkPolicy")) return undefined;
        const hooks = (opts as pulumi.CustomResourceOptions).hooks;
        const afterCreate = [...(hooks?.afterCreate ?? []), childHook];
        return { props, opts: { ...opts, hooks: { ...hooks, afterCreate } } };
      };
      const childHook = note(ran.child, "of-the-child");
      const hooks = { afterCreate: [note(ran.component, "of-the-component")] };
      new ClusterSecurity("z", args, { hooks, transforms: [transform] });
    });
    const refused = await operate(stack, "up");
    // its own hook saw that the policy was there before
    assert.match(said(refused), /default-deny-all was there before this stack, made by kubectl-create/);
    assert.deepEqual(
      ran.child.filter((name) => !name.startsWith(`z-${home}/`)),
      [],
    );
    assert.deepEqual(ran.child.length, (await names(home)).length);
    assert.ok(!ran.component.some((name) => name.includes("/")), ran.component.join(", "));
  });

  it("replaceOnChanges and ignoreChanges on the component leave its children to change in place", async () => {
    const home = "inplace";
    let port = 5432;
    const stack = await stackOf(home, () => {
      const workloads = [workload(`${home}/web`), workload(`${home}/db`, { ports: [tcp(5432), tcp(9187)] })];
      const flows = [flow("web").to("db").on(tcp(port)).because("pages").ownedBy("web")];
      const options = { replaceOnChanges: ["*", "spec"], ignoreChanges: ["spec", "flows"] };
      new ClusterSecurity("z", { ...declare(home), workloads, flows }, options);
    });
    const created = await operate(stack, "up");
    assert.equal(created.error, undefined, said(created));
    port = 9187;
    const changed = await operate(stack, "up");
    assert.equal(changed.error, undefined, said(changed));
    const steps = changes(changed);
    assert.ok(steps.length > 0 && steps.every((step) => step.startsWith("update ")), steps.join(", "));
  });

  it("pulumi import brings a live policy and its namespace under the component, and the next update adopts them", async () => {
    const home = "adopted";
    await call("POST", "/api/v1/namespaces?fieldManager=kubectl-create", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: home },
    });
    await call("POST", `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies?fieldManager=kubectl-create`, {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "default-deny-all" },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    });
    const stack = await stackOf(home, () => void new ClusterSecurity("z", declare(home)));
    const cwd = stack.workspace.workDir;
    const pulumiProgram = path.join(lab.engine.root, "bin", "pulumi");
    const importFile = path.join(cwd, "import.json");
    writeFileSync(
      importFile,
      JSON.stringify({
        resources: [
          { type: "pulumi-cluster-security:index:ClusterSecurity", name: "z", component: true },
          { type: "kubernetes:core/v1:Namespace", name: `z-${home}`, id: home, parent: "z" },
          {
            type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
            name: `z-${home}/default-deny-all`,
            id: `${home}/default-deny-all`,
            parent: "z",
          },
        ],
      }),
    );
    const flags = ["--yes", "--non-interactive", "--skip-preview", "--generate-code=false", "--protect=false"];
    const imported = await run(pulumiProgram, ["import", "--file", importFile, "--stack", home, ...flags], {
      cwd,
      env: { ...process.env, ...lab.engine.env },
    });
    assert.equal(imported.code, 0, imported.output);
    const adopted = await operate(stack, "up");
    assert.equal(adopted.error, undefined, said(adopted));
    const steps = changes(adopted);
    for (const name of [`z-${home}`, `z-${home}/default-deny-all`]) assert.ok(steps.includes(`update ${name}`), name);
    assert.ok(!steps.some((step) => /delete|replace/.test(step)), steps.join(", "));
    const again = await operate(stack, "up", { refresh: true });
    assert.equal(again.error, undefined, said(again));
    assert.deepEqual(changes(again), []);
  });

  it("imports what is live, and changes only its labels and annotations", async () => {
    const home = "imported";
    await call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: home } });
    await call("POST", `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies`, {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "default-deny-all" },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    });
    const args = { ...declare(home), namespaces: [namespace(home, { existing: true })] };
    let isImported = true;
    const stack = await stackOf(home, () => {
      const transform: pulumi.ResourceTransform = ({ name, props, opts }) =>
        isImported && name.endsWith("/default-deny-all")
          ? { props, opts: { ...opts, import: `${home}/default-deny-all` } }
          : undefined;
      new ClusterSecurity("z", args, { transforms: [transform] });
    });
    const imported = await operate(stack, "up");
    assert.equal(imported.error, undefined, said(imported));
    assert.ok(
      changes(imported).some((step) => step === `import z-${home}/default-deny-all`),
      changes(imported).join(),
    );
    isImported = false;
    assert.equal((await operate(stack, "up")).error, undefined);
    assert.deepEqual(changes(await operate(stack, "up")), []);
  });

  it("refuses an existing policy that the stack would merge with, and says what is open", async () => {
    const home = "merged";
    await call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: home } });
    await call("POST", `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies?fieldManager=kubectl-create`, {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "default-deny-all" },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], egress: [{}] },
    });
    const args = { ...declare(home), namespaces: [namespace(home, { existing: true })] };
    const stack = await stackOf(home, () => void new ClusterSecurity("z", args));
    for (const attempt of ["first", "second"]) {
      const refused = await operate(stack, "up");
      assert.ok(refused.error !== undefined, `the ${attempt} update succeeded`);
      assert.match(said(refused), /default-deny-all is not what is declared: spec\.egress was added by kubectl-create/);
    }
    await call("DELETE", `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies/default-deny-all`);
    const mended = await operate(stack, "up", { refresh: true });
    assert.equal(mended.error, undefined, said(mended));
  });

  it("leaves nothing open with --target and --parallel 1, and destroys no policy that something depends on", async () => {
    const home = "targeted";
    let release = 1;
    const stack = await stackOf(home, () => {
      const component = new ClusterSecurity("z", declare(home));
      const metadata = { name: "workload", namespace: home };
      new k8s.core.v1.ConfigMap("workload", { metadata, data: { release: `${release}` } }, { dependsOn: [component] });
    });
    const workloadUrn = `urn:pulumi:${home}::options::kubernetes:core/v1:ConfigMap::workload`;
    const empty = await operate(stack, "up", { target: [workloadUrn] });
    assert.ok(empty.error !== undefined, "a workload was deployed without its policies");
    assert.match(
      said(empty),
      /targeted\/default-deny-all is declared and does not stand, because this update leaves it out/,
    );
    const created = await operate(stack, "up", { parallel: 1 });
    assert.equal(created.error, undefined, said(created));
    const before = await names(home);
    // one at a time is an order of its own: still every allow, then the default deny, then what depends on the component
    const order = changes(created)
      .filter((step) => /networkpolicies|\/|workload/.test(step))
      .map((step) => step.replace(/^create z-/, ""));
    const deny = order.indexOf(`${home}/default-deny-all`);
    assert.equal(order.length, before.length + 1, order.join(", "));
    assert.deepEqual(order.slice(deny), [`${home}/default-deny-all`, "create workload"], order.join(", "));
    release = 2;
    const targeted = await operate(stack, "up", { target: [workloadUrn] });
    assert.equal(targeted.error, undefined, said(targeted));
    assert.ok(
      changes(targeted).every((step) => step.endsWith(" workload")),
      changes(targeted).join(", "),
    );
    const refused = await operate(stack, "destroy", { target: [policyUrn(home, `z-${home}/default-deny-all`)] });
    assert.ok(refused.error !== undefined, "the default deny was destroyed before what depends on it");
    assert.deepEqual(await names(home), before);
    const again = await operate(stack, "up", { refresh: true, parallel: 1 });
    assert.equal(again.error, undefined, said(again));
  });

  it("moves to another stack without touching the cluster but for the name of its owner", async () => {
    const home = "moved";
    const stays = { source: true, target: false };
    const source = await stackOf("moved-from", () => stays.source && new ClusterSecurity("z", declare(home)));
    const target = await stackOf("moved-to", () => stays.target && new ClusterSecurity("z", declare(home)));
    assert.equal((await operate(source, "up")).error, undefined);
    assert.equal((await operate(target, "up")).error, undefined);
    const before = await names(home);
    const urn = "urn:pulumi:moved-from::options::pulumi-cluster-security:index:ClusterSecurity::z";
    const pulumiProgram = path.join(lab.engine.root, "bin", "pulumi");
    const moved = await run(
      pulumiProgram,
      [
        "state",
        "move",
        "--yes",
        "--non-interactive",
        "--include-parents",
        "--source",
        "organization/options/moved-from",
        "--dest",
        "organization/options/moved-to",
        urn,
      ],
      { env: { ...process.env, ...lab.engine.env, PULUMI_CONFIG_PASSPHRASE: "" } },
    );
    assert.equal(moved.code, 0, moved.output);
    stays.source = false;
    stays.target = true;
    for (const stack of [target, source]) {
      const updated = await operate(stack, "up");
      assert.equal(updated.error, undefined, said(updated));
      assert.ok(
        changes(updated).every((step) => step.startsWith("update")),
        changes(updated).join(", "),
      );
    }
    assert.deepEqual(await names(home), before);
  });

  it("a policy changes after its provider has gone over from client-side to server-side apply", async () => {
    const home = "switched";
    let isServerSide = false;
    let port = 5432;
    const stack = await stackOf(home, () => {
      const provider = new k8s.Provider("cluster", { enableServerSideApply: isServerSide });
      const args = declare(home);
      const flows = [flow("web").to("db").on(tcp(port)).because("pages").ownedBy("web")];
      const workloads = [workload(`${home}/web`), workload(`${home}/db`, { ports: [tcp(5432), tcp(9187)] })];
      new ClusterSecurity("z", { ...args, workloads, flows }, { provider });
    });
    const created = await operate(stack, "up");
    assert.equal(created.error, undefined, said(created));
    isServerSide = true;
    const switched = await operate(stack, "up");
    assert.equal(switched.error, undefined, said(switched));
    port = 9187;
    const changed = await operate(stack, "up");
    assert.equal(changed.error, undefined, said(changed));
    assert.ok(
      changes(changed).some((step) => step.startsWith("update")),
      changes(changed).join(", "),
    );
    const answer = await call("GET", `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies`);
    const text = JSON.stringify((answer.body as { items: { spec: unknown }[] }).items.map(({ spec }) => spec));
    assert.match(text, /9187/);
    assert.doesNotMatch(text, /5432/);
    assert.deepEqual(changes(await operate(stack, "up", { refresh: true })), []);
  });

  it("a later update that adds what exists already takes nothing over, and a provider that refuses it loses nothing", async () => {
    const home = "later";
    const parts: { namespaces: string[]; name: string; aliases: string[]; isNewer: boolean } = {
      namespaces: [home],
      name: "z",
      aliases: [],
      isNewer: false,
    };
    const stack = await stackOf(home, () => {
      if (parts.isNewer) refuseWhatExists(async (path) => (await call("GET", path)).status === 200);
      const args = { ...declare(home), namespaces: parts.namespaces.map((name) => namespace(name)) };
      new ClusterSecurity(parts.name, args, { aliases: parts.aliases.map((name) => ({ name })) });
    });
    const created = await operate(stack, "up");
    assert.equal(created.error, undefined, said(created));
    const before = await names(home);
    const elsewhere = `${home}-too`;
    await call("POST", "/api/v1/namespaces?fieldManager=kubectl-create", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: elsewhere },
    });
    // pulumi-kubernetes#4278: a provider that is new enough refuses to create what exists
    parts.isNewer = true;
    parts.namespaces = [home, elsewhere];
    const newer = await operate(stack, "up");
    assert.match(said(newer), /later-too.* already exists/);
    parts.namespaces = [home];
    parts.name = "y";
    const renamed = await operate(stack, "up");
    assert.match(said(renamed), /already exists/);
    assert.deepEqual(await names(home), before);
    parts.aliases = ["z"];
    const aliased = await operate(stack, "up");
    assert.equal(aliased.error, undefined, said(aliased));
    assert.deepEqual(await names(home), before);
    // an older one takes it over: the update fails, and says whose it was
    parts.isNewer = false;
    parts.namespaces = [home, elsewhere];
    const older = await operate(stack, "up");
    assert.ok(older.error !== undefined, "the update succeeded");
    assert.match(said(older), /Namespace later-too was there before this stack, made by kubectl-create/);
  });

  it("leaves nothing open with --exclude, in an update or a destroy", async () => {
    const home = "excluded";
    const stack = await stackOf(home, () => {
      const component = new ClusterSecurity("z", declare(home));
      const metadata = { name: "workload", namespace: home };
      new k8s.core.v1.ConfigMap("workload", { metadata }, { dependsOn: [component] });
    });
    const deny = policyUrn(home, `z-${home}/default-deny-all`);
    const open = await operate(stack, "up", { exclude: [deny] });
    assert.ok(open.error !== undefined, "a workload was deployed without the default deny");
    assert.ok(!changes(open).some((step) => step.endsWith(" workload")), changes(open).join(", "));
    const created = await operate(stack, "up");
    assert.equal(created.error, undefined, said(created));
    const component = `urn:pulumi:${home}::options::pulumi-cluster-security:index:ClusterSecurity::z`;
    const destroyed = await operate(stack, "destroy", { exclude: [component] });
    assert.equal(destroyed.error, undefined, said(destroyed));
    const gone = changes(destroyed);
    const at = (name: string): number => gone.findIndex((step) => step.endsWith(name));
    assert.ok(at(" workload") >= 0 && at(" workload") < at("/default-deny-all"), gone.join(", "));
  });
});

/**
 * Stands for a provider with pulumi-kubernetes#4278, which refuses to create an object that exists: a hook on each object
 * that looks for it before it is created.
 */
function refuseWhatExists(exists: (path: string) => Promise<boolean>): void {
  const hook = new pulumi.ResourceHook("object-is-not-there", async ({ newInputs }) => {
    const { kind, metadata } = newInputs as { kind?: string; metadata?: { name?: string; namespace?: string } };
    const { name = "", namespace: home = "" } = metadata ?? {};
    const path =
      kind === "Namespace"
        ? `/api/v1/namespaces/${name}`
        : `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies/${name}`;
    if (await exists(path)) throw new Error(`${kind ?? "object"} ${name} already exists`);
  });
  pulumi.runtime.registerResourceTransform(({ type, props, opts }) => {
    if (!type.startsWith("kubernetes:")) return undefined;
    const { hooks } = opts as pulumi.CustomResourceOptions;
    return { props, opts: { ...opts, hooks: { ...hooks, beforeCreate: [...(hooks?.beforeCreate ?? []), hook] } } };
  });
}
