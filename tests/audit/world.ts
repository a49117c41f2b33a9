/** A small cluster as the API server shows it after a declaration was deployed, for tests to change by hand. */
import { audit, type AuditInput, type AuditResult, type BaselineObject } from "../../sdk/audit/index";
import { baselineOf } from "../../sdk/audit/baseline";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, MeshMode, bypass, flow, internet, namespace, plan, tcp, workload } from "../../sdk/plan/index";
import type { KubeObject, SourcedObject } from "../../sdk/reachability/index";

export const today = "2026-11-29";

export const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Cilium,
  namespaces: [namespace("shop"), namespace("ops")],
  workloads: [
    workload("shop/frontend", { ports: [tcp(3000)] }),
    workload("shop/backend", { ports: [tcp(8080)] }),
    workload("ops/agent", { ports: [tcp(9100)] }),
  ],
  flows: [
    flow("shop/frontend").to("shop/backend").on(tcp(8080)).because("pages show products").ownedBy("web"),
    flow("shop/backend").to(internet()).on(tcp(443)).because("payments").ownedBy("pay"),
  ],
  bypasses: [bypass("shop/backend").because("incident 7").ownedBy("platform").until("2099-12-01").grantedTo("sre")],
};

export const meshed: ClusterSecurityDeclaration = {
  ...declaration,
  bypasses: [],
  mesh: { mode: MeshMode.Ambient },
};

/** What a declaration means, as an audit takes it. */
export function meant(of: ClusterSecurityDeclaration = declaration): readonly BaselineObject[] {
  return baselineOf(plan(of), "declaration.yaml");
}

function pod(home: string, name: string): KubeObject {
  const metadata = { name, namespace: home, labels: { app: name } };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [{ name: "main", image: "main" }] } };
}

const manager = (name: string, operation: string, fieldsV1: unknown): unknown => ({
  manager: name,
  operation,
  time: "2026-11-20T10:00:00Z",
  fieldsV1,
});

/** The same objects after they were applied: with the server's bookkeeping, and the marks of tools. */
export function applied(objects: readonly BaselineObject[]): readonly SourcedObject[] {
  return objects.map(({ object }) => ({
    object: {
      ...structuredClone(object),
      metadata: {
        ...structuredClone(object.metadata),
        labels: {
          ...object.metadata?.labels,
          ...(object.kind === "Namespace" ? { "kubernetes.io/metadata.name": object.metadata?.name ?? "" } : {}),
          "kustomize.toolkit.fluxcd.io/name": "security",
          "app.kubernetes.io/instance": "security",
        },
        uid: "3c9d",
        resourceVersion: "7",
        generation: 1,
        creationTimestamp: "2026-11-20T10:00:00Z",
        managedFields: [manager("pulumi-kubernetes-0a0a", "Apply", { "f:spec": {} })],
      },
    },
    source: { cluster: "prod" },
  }));
}

/** A cluster that is as it should be. */
export function cluster(of: ClusterSecurityDeclaration = declaration): SourcedObject[] {
  const agents: KubeObject = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "cilium-config", namespace: "kube-system" },
    data: { "enable-policy": "default" },
  };
  const system: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: "kube-system" } };
  const pods = [pod("shop", "frontend"), pod("shop", "backend"), pod("ops", "agent"), pod("kube-system", "metrics")];
  return [
    ...applied(meant(of)),
    ...[system, agents, ...pods].map((object) => ({ object, source: { cluster: "prod" } })),
  ];
}

/** Names an object: `CiliumNetworkPolicy shop/x`. */
export function nameOf({ kind, metadata }: KubeObject): string {
  const { namespace: home, name = "" } = metadata ?? {};
  return home === undefined ? `${kind} ${name}` : `${kind} ${home}/${name}`;
}

/** A change by hand, through kubectl. */
export function edited(
  objects: readonly SourcedObject[],
  name: string,
  change: (object: Editable) => void,
): SourcedObject[] {
  let found = false;
  const result = objects.map((each) => {
    if (nameOf(each.object) !== name) return each;
    found = true;
    const object = structuredClone(each.object) as unknown as Editable;
    change(object);
    object.metadata["managedFields"] = [
      ...((object.metadata["managedFields"] as unknown[] | undefined) ?? []),
      {
        ...(manager("kubectl-edit", "Update", { "f:spec": {}, "f:data": {} }) as object),
        time: "2026-11-28T09:00:00Z",
      },
    ];
    return { ...each, object: object as unknown as KubeObject };
  });
  if (!found) throw new Error(`${name} is not among ${objects.map(({ object }) => nameOf(object)).join(", ")}`);
  return result;
}

export interface Editable {
  metadata: Record<string, unknown> & { labels?: Record<string, string>; annotations?: Record<string, string> };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  spec: Record<string, any>;
  data: Record<string, string>;
  [key: string]: unknown;
}

export function without(objects: readonly SourcedObject[], name: string): SourcedObject[] {
  const rest = objects.filter(({ object }) => nameOf(object) !== name);
  if (rest.length === objects.length) throw new Error(`${name} is not there`);
  return rest;
}

export function and(objects: readonly SourcedObject[], ...more: readonly KubeObject[]): SourcedObject[] {
  return [...objects, ...more.map((object) => ({ object, source: { cluster: "prod" } }))];
}

export function audited(live: readonly SourcedObject[], more: Partial<AuditInput> = {}): AuditResult {
  return audit({ baseline: meant(), live, today, ...more });
}
