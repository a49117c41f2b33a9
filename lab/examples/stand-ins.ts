/** Pods that the lab runs where a real cluster has the workloads of an example. */
import type { ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/index";
import { metrics, tcp, workload } from "../../sdk/index";
import type { ExampleFolder } from "./names";

/** Examples that make their workloads themselves. */
const complete: readonly ExampleFolder[] = ["insecure", "kubernetesx", "languages/typescript"];

/** What the presets of zero-trust-tiers are about, labelled as their charts label it. */
const presetWorkloads: readonly WorkloadDeclaration[] = [
  workload("observability/vmagent", {
    labels: { "app.kubernetes.io/name": "vmagent" },
    ports: [metrics(8429, "http")],
  }),
  workload("observability/victoria-metrics", {
    labels: { "app.kubernetes.io/name": "victoria-metrics" },
    ports: [metrics(8428, "http")],
  }),
  workload("cert-manager/cert-manager", {
    labels: { "app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller" },
    ports: [metrics(9402, "http-metrics")],
  }),
  workload("cert-manager/cert-manager-webhook", {
    labels: { "app.kubernetes.io/name": "webhook", "app.kubernetes.io/component": "webhook" },
    ports: [tcp(10250, "https")],
  }),
  workload("external-secrets/external-secrets", {
    labels: { "app.kubernetes.io/name": "external-secrets" },
    ports: [metrics(8080, "metrics")],
  }),
  workload("external-secrets/onepassword-connect", {
    labels: { "app.kubernetes.io/name": "onepassword-connect" },
    ports: [tcp(8080, "http")],
  }),
];

/** Every workload that runs in the lab: what is declared, and what presets declare. */
export function standInsOf(
  example: ExampleFolder,
  declaration: ClusterSecurityDeclaration,
): readonly WorkloadDeclaration[] {
  const { scraper, storage } = declaration.platform?.observability ?? {};
  return [
    ...(declaration.workloads ?? []),
    ...[scraper, storage].filter((one) => one !== undefined),
    ...(example === "zero-trust-tiers" ? presetWorkloads : []),
  ];
}

/** Those of them that the example's program does not make itself. */
export function missingWorkloads(
  example: ExampleFolder,
  declaration: ClusterSecurityDeclaration,
): readonly WorkloadDeclaration[] {
  return complete.includes(example) ? [] : standInsOf(example, declaration);
}

/** Namespaces that an example expects to find. Kubernetes makes kube-system itself. */
export function expectedNamespaces(example: ExampleFolder, declaration: ClusterSecurityDeclaration): readonly string[] {
  const made = new Set((declaration.namespaces ?? []).flatMap((one) => (one.existing === true ? [] : [one.name])));
  const used = [
    ...(declaration.namespaces ?? []).map(({ name }) => name),
    ...standInsOf(example, declaration).map((one) => one.namespace),
  ];
  return [...new Set(used)].filter((name) => !made.has(name) && name !== "kube-system");
}
