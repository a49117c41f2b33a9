/** Nothing stays open after an update that succeeded, on Pulumi's own Kubernetes provider. */
import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { Stack } from "@pulumi/pulumi/automation";
import { apiClient } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import type { ClusterSecurityArgs } from "../../sdk/index";
import { ClusterSecurity, Dialect, flow, namespace, tcp, workload } from "../../sdk/index";
import type { Operation } from "./automation";
import { finished, openStack, operate } from "./automation";
import { sharedLab } from "./shared-lab";

const body = "application/merge-patch+json";

/** A namespace of the stack with two workloads and what they need; NetworkPolicies. */
function declare(home: string, parts: Partial<ClusterSecurityArgs> = {}): ClusterSecurityArgs {
  return {
    dialect: Dialect.Kubernetes,
    cni: { existing: true },
    namespaces: [namespace(home)],
    workloads: [workload(`${home}/web`), workload(`${home}/db`, { ports: [tcp(5432)] })],
    flows: [flow("web").to("db").on(tcp(5432)).because("pages").ownedBy("web")],
    ...parts,
  };
}

const policies = (home: string): string => `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies`;

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
    .filter(({ type }) => type.startsWith("kubernetes:"))
    .map(({ op, name }) => `${op} ${name}`);

describe("the live check, on Pulumi's own provider", () => {
  let lab: Lab;
  const opened: Stack[] = [];

  before(async () => {
    lab = await sharedLab();
  });

  after(async () => {
    for (const stack of opened) await operate(stack, "destroy");
  });

  async function call(method: "GET" | "POST" | "PATCH" | "DELETE", path: string, value?: unknown, type = body) {
    const client = apiClient(lab.controlPlane);
    try {
      const answer = await client.call(method, path, value, type);
      return answer;
    } finally {
      client.close();
    }
  }

  async function byHand(method: "POST" | "PATCH" | "DELETE", path: string, value?: unknown): Promise<void> {
    const manager = method === "DELETE" ? "" : "?fieldManager=kubectl-edit";
    const type = method === "POST" ? "application/json" : body;
    const { status, body: text } = await call(method, `${path}${manager}`, value, type);
    assert.ok(status < 300, JSON.stringify(text));
  }

  async function names(home: string): Promise<string[]> {
    const answer = await call("GET", policies(home));
    const { items } = answer.body as { items: { metadata: { name: string; deletionTimestamp?: string } }[] };
    return items
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(({ metadata }) => metadata.name);
  }

  async function stackOf(name: string, program: () => unknown): Promise<Stack> {
    const stack = await openStack({ project: "live", stack: name, lab, program: async () => void program() });
    opened.push(stack);
    return stack;
  }

  /** A stack that is up, with a program that tests change. */
  async function standing(home: string, change: (now: Settings) => void = () => undefined) {
    const now: Settings = { name: "z", args: declare(home), opts: {} };
    change(now);
    const stack = await stackOf(home, () => {
      const component = new ClusterSecurity(now.name, now.args, now.opts);
      new k8s.core.v1.ConfigMap(
        "workload",
        { metadata: { name: "workload", namespace: home }, data: { at: now.release ?? "1" } },
        { dependsOn: [component] },
      );
    });
    const created = await operate(stack, "up");
    assert.equal(created.error, undefined, said(created));
    return { now, stack };
  }

  it("S3-16: nothing changes in a second update, and the check is no change either", async () => {
    const { stack } = await standing("quiet");
    const again = await operate(stack, "up");
    assert.equal(again.error, undefined);
    assert.deepEqual(changes(again), []);
    const preview = await operate(stack, "preview");
    assert.equal(preview.error, undefined);
    assert.deepEqual(changes(preview), []);
    const refreshed = await operate(stack, "up", { refresh: true });
    assert.equal(refreshed.error, undefined);
    assert.deepEqual(changes(refreshed), []);
  });

  for (const refresh of [false, true]) {
    it(`says who opened a policy, what, and how to mend it, ${refresh ? "after a refresh" : "without a refresh"}`, async () => {
      const home = refresh ? "hole-refreshed" : "hole";
      const { stack, now } = await standing(home);
      await byHand("PATCH", `${policies(home)}/default-deny-all`, { spec: { ingress: [{}] } });
      now.release = "2";
      const refused = await operate(stack, "up", { refresh });
      assert.ok(refused.error !== undefined, "the update succeeded");
      const text = said(refused);
      assert.match(
        text,
        new RegExp(
          `NetworkPolicy ${home}/default-deny-all is not what is declared: spec\\.ingress was added by kubectl-edit`,
        ),
      );
      assert.match(text, /It opens any pod in hole.*: ingress from/);
      assert.match(
        text,
        new RegExp(`kubectl delete networkpolicy.networking.k8s.io default-deny-all -n ${home} && pulumi up --refresh`),
      );
      assert.doesNotMatch(text, /nhandled|\n\s+at .*\.[jt]s:\d/);
      // what depends on the component waits for the check
      assert.deepEqual(
        changes(refused).filter((step) => step.includes("workload")),
        [],
      );
      await byHand("DELETE", `${policies(home)}/default-deny-all`);
      const mended = await operate(stack, "up", { refresh: true });
      assert.equal(mended.error, undefined, said(mended));
    });
  }

  it("names a policy that was deleted by hand, where nothing was refreshed", async () => {
    const { stack } = await standing("deleted");
    await byHand("DELETE", `${policies("deleted")}/default-deny-all`);
    const refused = await operate(stack, "up");
    assert.ok(refused.error !== undefined, "the update succeeded");
    assert.match(said(refused), /deleted\/default-deny-all/);
    const restored = await operate(stack, "up", { refresh: true });
    assert.equal(restored.error, undefined, said(restored));
    assert.ok((await names("deleted")).includes("default-deny-all"));
  });

  it("loses no policy to a rename without an alias", async () => {
    const { stack, now } = await standing("renamed");
    const before = await names("renamed");
    now.name = "y";
    const refused = await operate(stack, "up");
    assert.match(said(refused), /conflict with "pulumi-kubernetes-.*declared-by/);
    assert.ok(refused.error !== undefined, "the update succeeded");
    assert.deepEqual(await names("renamed"), before);
    now.opts = { aliases: [{ name: "z" }] };
    const renamed = await operate(stack, "up");
    assert.equal(renamed.error, undefined, said(renamed));
    assert.deepEqual(await names("renamed"), before);
    assert.ok(
      changes(renamed).every((step) => step.startsWith("update")),
      changes(renamed).join(", "),
    );
    assert.deepEqual(changes(await operate(stack, "up")), []);
  });

  it("replaces a policy under its fixed name without losing it", async () => {
    const { stack, now } = await standing("replaced", (settings) => {
      settings.opts = {
        transforms: [
          ({ type, props, opts }) =>
            type.endsWith(":NetworkPolicy")
              ? { props, opts: { ...opts, replaceOnChanges: ["metadata.labels"] } }
              : undefined,
        ],
      };
    });
    const before = await names("replaced");
    now.opts = {
      transforms: [
        ({ type, props, opts }) => {
          if (!type.endsWith(":NetworkPolicy")) return undefined;
          const metadata = props["metadata"] as { labels: object };
          const labels = { ...metadata.labels, team: "web" };
          return {
            props: { ...props, metadata: { ...metadata, labels } },
            opts: { ...opts, replaceOnChanges: ["metadata.labels"] },
          };
        },
      ],
    };
    const replaced = await operate(stack, "up");
    assert.equal(replaced.error, undefined, said(replaced));
    assert.ok(
      changes(replaced).some((step) => step.includes("replace")),
      changes(replaced).join(", "),
    );
    assert.deepEqual(await names("replaced"), before);
  });

  it("does not take over a namespace or a policy that was there before", async () => {
    await byHand("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "adopted" } });
    const stack = await stackOf("adopted", () => void new ClusterSecurity("z", declare("adopted")));
    const refused = await operate(stack, "up");
    assert.ok(refused.error !== undefined, "the update succeeded");
    console.log(said(refused));
    assert.match(said(refused), /Namespace adopted was there before this stack, made by .*existing: true/);
  });
});

interface Settings {
  name: string;
  args: ClusterSecurityArgs;
  opts: pulumi.ComponentResourceOptions;
  release?: string;
}
