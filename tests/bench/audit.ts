/**
 * What `audit` of 5,000 policies and 2,000 pods costs over HTTP: a real API server holds them, and the command line reads
 * them by its context. Undefined where the lab's tools are not there.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { apiClient, labContext, startControlPlane, type ApiClient, type ControlPlane } from "../../lab/control-plane";
import { provideTools } from "../../lab/toolchain";
import type { KubeObject } from "../../sdk/reachability";
import { run } from "./measure";

/** One audit of a cluster that is as its baseline says. */
export interface AuditCost {
  readonly policies: number;
  readonly pods: number;
  readonly seconds: number;
  readonly maxRssMb?: number;
  /** Making the objects took so long: no part of the audit. */
  readonly madeIn: number;
}

const homes = 50;
const policiesOfHome = 100;
const podsOfHome = 40;

function policy(home: number, index: number): KubeObject {
  const podSelector = index === 0 ? {} : { matchLabels: { app: `app-${index % podsOfHome}` } };
  const peer = { podSelector: { matchLabels: { app: `app-${(index * 7) % podsOfHome}` } } };
  const port = { port: 8000 + (index % 50), protocol: "TCP" };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: `policy-${index}`, namespace: `home-${home}` },
    spec:
      index === 0
        ? { podSelector, policyTypes: ["Ingress", "Egress"] }
        : { podSelector, policyTypes: ["Ingress"], ingress: [{ from: [peer], ports: [port] }] },
  };
}

function pod(home: number, index: number): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `pod-${index}`, namespace: `home-${home}`, labels: { app: `app-${index}` } },
    spec: { containers: [{ name: "main", image: "example.com/main:1" }] },
  };
}

/** @param command The command line: program and arguments before the subcommand. */
export async function measureAudit(command: readonly string[]): Promise<AuditCost> {
  const folder = mkdtempSync(path.join(tmpdir(), "audit-bench-"));
  let plane: ControlPlane | undefined;
  try {
    const tools = await provideTools(["etcd", "kube-apiserver"]);
    plane = await startControlPlane({ dataDir: path.join(folder, "plane"), tools, fresh: true });
    const started = performance.now();
    const policies = await fill(apiClient(plane));
    const madeIn = (performance.now() - started) / 1000;
    const baseline = path.join(folder, "baseline.json");
    writeFileSync(baseline, JSON.stringify({ apiVersion: "v1", kind: "List", items: policies }));
    const [program = "", ...args] = command;
    const { seconds, maxRssMb, stdout } = await run(program, [
      ...[...args, "audit", "--context", labContext, "--kubeconfig", plane.kubeconfigPath],
      ...["--baseline", baseline, "--cni", "kubernetes", "--format", "json", "--fail-on", "none", "--quiet"],
      "--allow-problems",
    ]);
    const { compared } = JSON.parse(stdout) as { compared: { policies: number } };
    if (compared.policies !== policies.length) throw new Error(`audit compared ${compared.policies} policies`);
    return {
      policies: policies.length,
      pods: homes * podsOfHome,
      seconds,
      madeIn,
      ...(maxRssMb === undefined ? {} : { maxRssMb }),
    };
  } finally {
    await plane?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes everything with a few requests at a time; no controller makes the service accounts that pods need. */
async function fill(client: ApiClient): Promise<readonly KubeObject[]> {
  const all = <T>(count: number, one: (home: number, index: number) => T): T[] =>
    Array.from({ length: homes * count }, (_, index) => one(index % homes, Math.floor(index / homes)));
  const namespaces = all(1, (home) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name: `home-${home}` } }));
  const accounts = all(1, (home) => ({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "default", namespace: `home-${home}` },
  }));
  const policies = all(policiesOfHome, policy);
  const pods = all(podsOfHome, pod);
  try {
    await post(client, namespaces, () => "/api/v1/namespaces");
    await post(client, accounts, (home) => `/api/v1/namespaces/${home}/serviceaccounts`);
    await post(client, policies, (home) => `/apis/networking.k8s.io/v1/namespaces/${home}/networkpolicies`);
    await post(client, pods, (home) => `/api/v1/namespaces/${home}/pods`);
  } finally {
    client.close();
  }
  return policies;
}

async function post(client: ApiClient, objects: readonly KubeObject[], at: (home: string) => string): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let object = objects[next++]; object !== undefined; object = objects[next++]) {
      const path = at(object.metadata?.namespace ?? "");
      const { status, body } = await client.call("POST", path, object);
      if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}
