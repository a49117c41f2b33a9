/**
 * Random sequences of what people do to a stack and to its cluster. After each `pulumi up --refresh` what is live lets
 * through what the plan lets through, or the update failed, and what it says mends it.
 *
 * `DRIFT_SEQUENCES` says how many (2 by default), `DRIFT_SEED` where they begin.
 */
import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { Stack } from "@pulumi/pulumi/automation";
import { apiClient } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import type { ClusterSecurityArgs } from "../../sdk/index";
import { ClusterSecurity, Dialect, flow, namespace, plan, tcp, workload } from "../../sdk/index";
import type { KubeObject, SourcedObject } from "../../sdk/reachability/index";
import { deploymentOf } from "../plan/world";
import { allowedIn, growth } from "./allowed";
import type { Operation } from "./automation";
import { openStack, operate } from "./automation";
import { sharedLab } from "./shared-lab";

const count = Number(process.env["DRIFT_SEQUENCES"] ?? 2);
const seed = Number(process.env["DRIFT_SEED"] ?? 1);
const steps = 5;

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function numbers(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Program {
  name: string;
  aliases: string[];
  port: number;
  readonly existing: boolean;
}

function declare(home: string, { port, existing }: Program): ClusterSecurityArgs {
  return {
    dialect: Dialect.Kubernetes,
    namespaces: [namespace(home, existing ? { existing } : {})],
    workloads: [workload(`${home}/web`), workload(`${home}/db`, { ports: [tcp(5432), tcp(9187)] })],
    flows: [flow("web").to("db").on(tcp(port)).because("pages").ownedBy("web")],
  };
}

function said({ events, error }: Operation): string {
  return `${error ?? ""}\n${events.map(({ diagnosticEvent: event }) => event?.message ?? "").join("\n")}`;
}

describe("random sequences of edits, renames, replacements and updates", function () {
  this.timeout(0);
  let lab: Lab;

  before(async () => {
    lab = await sharedLab();
  });

  async function call(method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: unknown) {
    const client = apiClient(lab.controlPlane);
    try {
      const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
      return await client.call(method, path, body, type);
    } finally {
      client.close();
    }
  }

  const policiesOf = (home: string): string => `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies`;

  async function live(home: string): Promise<KubeObject[]> {
    const { items } = (await call("GET", policiesOf(home))).body as { items: KubeObject[] };
    return items.map((item) => ({ ...item, apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy" }));
  }

  /** What is open or cut in the cluster and not in the plan. */
  async function difference(home: string, program: Program): Promise<string[]> {
    const args = declare(home, program);
    const around: KubeObject[] = [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: home } },
      ...(args.workloads ?? []).map((one) => deploymentOf(one)),
    ];
    const world = (policies: readonly KubeObject[]): SourcedObject[] =>
      [...around, ...policies].map((object) => ({ object, source: {} }));
    const planned = allowedIn(world(plan(args).documents.map(({ object }) => ({ ...object }))), [home]);
    const standing = allowedIn(world(await live(home)), [home]);
    return [
      ...growth(planned, standing).map((line) => `open: ${line}`),
      ...growth(standing, planned).map((line) => `cut: ${line}`),
    ];
  }

  for (let sequence = 0; sequence < count; sequence += 1) {
    it(`ends as planned, or fails and says how to mend it (seed ${seed + sequence})`, async () => {
      const random = numbers(seed + sequence);
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] ?? assert.fail("empty");
      const home = `drift-${seed + sequence}`;
      const now: Program = { name: "a", aliases: [], port: 5432, existing: random() < 0.5 };
      if (now.existing) {
        const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: home } };
        assert.equal((await call("POST", "/api/v1/namespaces", object)).status, 201);
      }
      let release = 0;
      const stack = await openStack({
        project: "drift",
        stack: home,
        lab,
        program: async () => {
          const opts: pulumi.ComponentResourceOptions = { aliases: now.aliases.map((name) => ({ name })) };
          const component = new ClusterSecurity(now.name, declare(home, now), opts);
          const metadata = { name: "workload", namespace: home };
          new k8s.core.v1.ConfigMap(
            "workload",
            { metadata, data: { release: `${release}` } },
            { dependsOn: component },
          );
        },
      });
      const history: string[] = [];
      const tell = (): string => history.join("\n");
      try {
        const created = await operate(stack, "up");
        assert.equal(created.error, undefined, said(created));
        for (let step = 0; step < steps; step += 1) {
          await disturb(stack, home, now, { random, pick, history });
          release += 1;
          const name = now.name;
          const updated = await operate(stack, "up", { refresh: true, ...(random() < 0.2 ? { parallel: 1 } : {}) });
          history.push(`up --refresh: ${updated.error === undefined ? "succeeded" : "failed"}`);
          if (updated.error === undefined) {
            assert.deepEqual(await difference(home, now), [], tell());
            continue;
          }
          await mend(home, now, said(updated), history);
          const mended = await operate(stack, "up", { refresh: true });
          assert.equal(mended.error, undefined, `${tell()}\nof ${name}: ${said(mended)}`);
          assert.deepEqual(await difference(home, now), [], tell());
        }
      } finally {
        await operate(stack, "destroy");
        if (now.existing) await call("DELETE", `/api/v1/namespaces/${home}`);
      }
    });
  }

  interface Chance {
    readonly random: () => number;
    readonly pick: <T>(list: readonly T[]) => T;
    readonly history: string[];
  }

  /** One to three things that people do, or a tool of theirs. */
  async function disturb(stack: Stack, home: string, now: Program, chance: Chance): Promise<void> {
    const { random, pick, history } = chance;
    const times = 1 + Math.floor(random() * 3);
    for (let time = 0; time < times; time += 1) {
      const policies = await live(home);
      const names = policies.map(({ metadata }) => metadata?.name ?? "");
      const name = names.length === 0 ? "default-deny-all" : pick(names);
      const path = `${policiesOf(home)}/${name}`;
      const kind = pick([
        ...["add ingress", "add egress", "append", "shrink", "relabel", "delete", "no types"],
        ...["rename", "rename with alias", "port", "replace", "target", "refresh", "up", "namespace"],
      ] as const);
      history.push(`${kind} ${name}`);
      const spec = (policies.find(({ metadata }) => metadata?.name === name)?.["spec"] ?? {}) as Record<
        string,
        unknown
      >;
      const edit = async (patch: object): Promise<void> => {
        await call("PATCH", `${path}?fieldManager=kubectl-edit`, { spec: patch });
      };
      switch (kind) {
        case "add ingress":
          await edit({ ingress: [{}], policyTypes: ["Ingress", "Egress"] });
          break;
        case "add egress":
          await edit({ egress: [{}] });
          break;
        case "append": {
          const side = "ingress" in spec ? "ingress" : "egress";
          await edit({
            [side]: [...((spec[side] ?? []) as object[]), { ports: [{ port: 1 + Math.floor(random() * 9) }] }],
          });
          break;
        }
        case "shrink":
          await edit({ podSelector: { matchLabels: { app: "nobody" } } });
          break;
        case "relabel":
          await call("PATCH", `${path}?fieldManager=kubectl-label`, { metadata: { labels: { team: "web" } } });
          break;
        case "no types":
          await edit({ policyTypes: ["Ingress"] });
          break;
        case "delete":
          await call("DELETE", path);
          break;
        case "rename":
          now.aliases = [];
          now.name = now.name === "a" ? "b" : "a";
          break;
        case "rename with alias":
          now.aliases = [now.name];
          now.name = now.name === "a" ? "b" : "a";
          break;
        case "port":
          now.port = now.port === 5432 ? 9187 : 5432;
          break;
        case "replace":
        case "target": {
          const type = "pulumi-cluster-security:index:ClusterSecurity$kubernetes:networking.k8s.io/v1:NetworkPolicy";
          const urn = `urn:pulumi:${home}::drift::${type}::${now.name}-${home}/${name}`;
          await operate(stack, "up", kind === "replace" ? { replace: [urn] } : { target: [urn] });
          break;
        }
        case "refresh":
          await operate(stack, "refresh");
          break;
        case "up":
          await operate(stack, "up");
          break;
        case "namespace":
          await call("DELETE", `/api/v1/namespaces/${home}`);
          await gone(`/api/v1/namespaces/${home}`);
          if (now.existing) {
            await call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: home } });
          }
          break;
      }
    }
  }

  async function gone(path: string): Promise<void> {
    while ((await call("GET", path)).status !== 404) await new Promise((resolve) => setTimeout(resolve, 200));
  }

  /** Does what a refused update says, as far as it is said to be done by hand. */
  async function mend(home: string, now: Program, text: string, history: string[]): Promise<void> {
    const deletions = new Set(
      [
        ...text.matchAll(/kubectl delete networkpolicy\.networking\.k8s\.io (\S+) -n (\S+) && pulumi up --refresh/g),
      ].map(([, name = ""]) => name),
    );
    for (const name of deletions) {
      history.push(`kubectl delete ${name}`);
      await call("DELETE", `${policiesOf(home)}/${name}`);
    }
    if (deletions.size > 0) return;
    // a rename without an alias: the conflict is about who declares the object
    assert.match(
      text,
      /conflicts? with "pulumi-kubernetes-[^"]*":[\s-]*\.metadata\.annotations\.pulumi-cluster-security\/declared-by/,
    );
    const former = now.name === "a" ? "b" : "a";
    history.push(`alias ${former}`);
    now.aliases = [former];
  }
});
