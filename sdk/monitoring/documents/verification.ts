/** The runbook of a secured cluster: the fourteen questions of the checklist, each with the command that answers it by hand. */
import type { Plan } from "../../plan";
import { Dialect } from "../../plan";
import type { MonitoringSettings } from "../settings";
import type { MonitoringDocument } from "./runbooks";

/** Where the clusterwide policies of an API are. */
const kinds: Readonly<Record<Dialect, string>> = {
  [Dialect.Cilium]: "ciliumclusterwidenetworkpolicies,ciliumnetworkpolicies",
  [Dialect.Calico]: "globalnetworkpolicies.projectcalico.org,networkpolicies.projectcalico.org",
  [Dialect.Kubernetes]: "networkpolicies",
  [Dialect.ClusterNetworkPolicy]: "clusternetworkpolicies.policy.networking.k8s.io,networkpolicies",
};

/** Its questions are those of `verify --checklist`, in the same order. */
export function verification(plan: Plan, { securityOwner }: MonitoringSettings): MonitoringDocument {
  const policies = `kubectl get ${kinds[plan.dialect]} --all-namespaces`;
  const tier0 = plan.exemptNamespaces.map((name) => `\`${name}\``).join(", ");
  const observed = plan.dialect === Dialect.Cilium ? "hubble observe --verdict DROPPED --last 20" : policies;
  const rows: readonly (readonly [question: string, command: string])[] = [
    ["flows are observed", observed],
    ["the repository holds the policies", "cluster-security diff git:main:security.yaml context=CLUSTER"],
    [
      `every namespace has a default deny, and tier 0 (${tier0}) has none`,
      "cluster-security check --context CLUSTER --rule namespace-default-deny",
    ],
    ["every pod may ask the cluster's DNS", "cluster-security exposure --context CLUSTER"],
    ["the metrics scraper may leave its pods", "cluster-security matrix --context CLUSTER --direction egress"],
    ["shared services have policies of their own", policies],
    ["DNS resolution works", "cluster-security verify --context CLUSTER -d security.yaml --create-probe-pods"],
    ["metrics of every namespace can be scraped", "cluster-security matrix --context CLUSTER --direction ingress"],
    [
      "cert-manager reaches Let's Encrypt",
      "cluster-security query cert-manager/cert-manager acme-v02.api.letsencrypt.org:443 --context CLUSTER",
    ],
    ["External Secrets reaches 1Password Connect", "cluster-security matrix --context CLUSTER -n external-secrets"],
    ["the connectivity test passes", "cilium connectivity test"],
    ["the debug bypass works and is guarded", "cluster-security bypass list --context CLUSTER"],
    ["Flux has reconciled", "kubectl get kustomizations.kustomize.toolkit.fluxcd.io --all-namespaces"],
    ["the runbook tells how to debug policies", "this page"],
  ];
  return {
    file: "policy-verification.md",
    text: `${[...head(plan, securityOwner), ...table(rows), ...tail(plan)].join("\n")}\n`,
  };
}

function head({ documents }: Plan, owner: string): readonly string[] {
  const denies = documents
    .filter(({ stage }) => stage === "default-deny")
    .map(({ logicalName }) => `\`${logicalName}\``);
  return [
    "# Are the network policies in force?",
    "",
    `After every deployment, for every cluster. ${owner} answers for it. There are ${documents.length} policies; the last to be applied is ${denies.slice(0, 3).join(", ")}.`,
    "",
    "All at once, for several clusters; the answers are those of the table:",
    "",
    "```sh",
    "cluster-security verify --context CLUSTER -d security.yaml --create-probe-pods --format json --output verify.json",
    "cluster-security verify --context CLUSTER,OTHER --checklist --repository . --runbook policy-verification.md --verified verify.json",
    "cluster-security audit --context CLUSTER --baseline security.yaml --effect",
    "```",
    "",
  ];
}

function table(rows: readonly (readonly [string, string])[]): readonly string[] {
  return [
    "| | question | by hand |",
    "|---|---|---|",
    ...rows.map(([question, command], index) => `| ${index + 1} | ${question} | \`${command}\` |`),
    "",
  ];
}

function tail({ dialect }: Plan): readonly string[] {
  const dropped =
    dialect === Dialect.Cilium
      ? ["hubble observe --verdict DROPPED --last 1 -o json | cluster-security explain --flow - --context CLUSTER"]
      : [];
  return [
    "## A connection is denied",
    "",
    "```sh",
    "cluster-security explain SOURCE DESTINATION:PORT --context CLUSTER",
    ...dropped,
    "```",
    "",
    "It names the rule that decides, or what is missing. What is missing is declared, with a reason and an owner; one change back is",
    "`cluster-security rollback`, and [the emergency procedure](emergency-procedure.md) opens paths for a time.",
  ];
}
