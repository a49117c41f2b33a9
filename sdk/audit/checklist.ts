/**
 * The questions that are asked of a cluster before it counts as secured by tiers: fourteen, in a fixed order, each answered by
 * what was read, by what is computed from it, or by what packets have shown.
 */
import { evaluate, isViolation } from "../findings/evaluate";
import { listOf, mapOf, textOf } from "../findings/plain";
import { namespaceDefaultDeny } from "../findings/rules/core/namespace-default-deny";
import { defaultTiers } from "../findings/types";
import { bypassLabelPrefix } from "../plan/bypass-label";
import type { KubeObject, Peer, Reachability, SourcedObject, Workload } from "../reachability";
import { clusterDnsOf, describeRef, isPolicy } from "../reachability";
import { refOf } from "./identity";

/** `open`: it could not be answered, and the text says what is missing. */
export type CheckState = "pass" | "fail" | "open";

/** What an answer rests on. `read`: what objects state; `computed`: from policies; `observed`: packets or a controller's word. */
type CheckBasis = "read" | "computed" | "observed";

/** One line of the checklist. */
export interface ChecklistItem {
  /** 1 to 14. */
  readonly number: number;
  readonly question: string;
  readonly state: CheckState;
  readonly basis?: CheckBasis;
  /** What was found, in one sentence. */
  readonly answer: string;
}

/** What the checklist is filled in with. */
export interface ChecklistInput {
  /** What was read of the cluster. */
  readonly objects: readonly SourcedObject[];
  readonly reachability: Reachability;
  /** Kinds that may not be listed. Default: none. */
  readonly unlisted?: readonly Pick<KubeObject, "kind">[];
  /** Kustomizations of Flux; undefined where they may not be listed. */
  readonly kustomizations?: readonly KubeObject[];
  /** Namespaces without a default deny by declaration. Default: those that usually run the cluster. */
  readonly exemptNamespaces?: readonly string[];
  /** How many policy objects the repository's folder holds; undefined where none was named. */
  readonly repositoryPolicies?: number;
  /** The runbook's text; undefined where none was named. */
  readonly runbook?: string;
  /** The verdict of a verification by packets; undefined where none was named. */
  readonly verified?: string;
}

type Answer = Pick<ChecklistItem, "state" | "answer"> & { readonly basis?: CheckBasis };

/** Fills in the checklist. Never throws for what an object holds. */
export function checklist(input: ChecklistInput): readonly ChecklistItem[] {
  const paths = new Paths(input.reachability);
  const questions: readonly (readonly [string, Answer])[] = [
    ["flows are observed (Hubble)", observation(input.objects)],
    ["the repository holds the policies", repository(input.repositoryPolicies)],
    ["every namespace has a default deny, and tier 0 has none", defaultDeny(input)],
    ["every pod may ask the cluster's DNS", paths.dns()],
    ["the metrics scraper may leave its pods", paths.scraping("egress")],
    ["shared services have policies of their own", sharedServices(input)],
    ["DNS resolution works", packets(input.verified, "verify asks the cluster's DNS from probe pods")],
    ["metrics of every namespace can be scraped", paths.scraping("both")],
    ["cert-manager reaches Let's Encrypt", paths.acme()],
    ["External Secrets reaches 1Password Connect", paths.secrets()],
    [
      "the connectivity test passes",
      packets(input.verified, "run verify --create-probe-pods, or cilium connectivity test"),
    ],
    ["the debug bypass works and is guarded", bypass(input)],
    ["Flux has reconciled", reconciled(input.kustomizations)],
    ["the runbook tells how to debug policies", runbook(input.runbook)],
  ];
  return questions.map(([question, answer], index) => ({ number: index + 1, question, ...answer }));
}

function open(answer: string): Answer {
  return { state: "open", answer };
}

function observation(objects: readonly SourcedObject[]): Answer {
  const config = objects.find(({ object }) => object.kind === "ConfigMap" && object.metadata?.name === "cilium-config");
  if (config === undefined) return open("there is no cilium-config to be read");
  if (mapOf(config.object["data"])["enable-hubble"] !== "true") {
    return { state: "fail", basis: "read", answer: "enable-hubble is not true in cilium-config" };
  }
  const relay = objects.find(({ object }) => object.kind === "Deployment" && object.metadata?.name === "hubble-relay");
  if (relay === undefined) return { state: "fail", basis: "read", answer: "there is no hubble-relay" };
  const ready = mapOf(relay.object["status"])["availableReplicas"];
  return typeof ready === "number" && ready > 0
    ? { state: "pass", basis: "observed", answer: `hubble-relay has ${ready} available` }
    : { state: "fail", basis: "observed", answer: "no pod of hubble-relay is available" };
}

function repository(count: number | undefined): Answer {
  if (count === undefined) return open("name the folder of the policies with --repository");
  return count > 0
    ? { state: "pass", basis: "read", answer: `${count} policies in it` }
    : { state: "fail", basis: "read", answer: "there is no policy in the folder" };
}

function defaultDeny({ reachability, exemptNamespaces }: ChecklistInput): Answer {
  const exempt = exemptNamespaces ?? defaultTiers.exemptNamespaces;
  const found = evaluate(reachability, { rules: [namespaceDefaultDeny], exemptNamespaces: exempt }).filter(isViolation);
  const [first] = found;
  if (first !== undefined) {
    return {
      state: "fail",
      basis: "computed",
      answer: `${first.message}${found.length > 1 ? `, and ${found.length - 1} more` : ""}`,
    };
  }
  const held = exempt.filter((name) => {
    if (reachability.snapshot.namespaces.get(name)?.implied !== false) return false;
    const source: Peer = { kind: "freshPod", namespace: name };
    return reachability.verdict({ source, destination: outside, protocol: "TCP", port: 443 }) === "denied";
  });
  return held.length > 0
    ? { state: "fail", basis: "computed", answer: `tier 0 is isolated: ${held.join(", ")}` }
    : { state: "pass", basis: "computed", answer: `${reachability.snapshot.namespaces.size} namespaces` };
}

const outside: Peer = { kind: "address", address: "203.0.113.10" };

function sharedServices({ reachability, objects }: ChecklistInput): Answer {
  const { snapshot } = reachability;
  const present = defaultTiers.platformNamespaces.filter((name) => snapshot.namespaces.get(name)?.implied === false);
  if (present.length === 0) return open(`there is none of ${defaultTiers.platformNamespaces.join(", ")}`);
  const policies = objects.filter(({ object }) => isPolicy(object.apiVersion, object.kind));
  const named = (name: string): boolean =>
    policies.some(({ object }) => object.metadata?.namespace === name || JSON.stringify(object).includes(`"${name}"`));
  const without = present.filter((name) => !named(name));
  return without.length > 0
    ? { state: "fail", basis: "read", answer: `no policy is about ${without.join(", ")}` }
    : { state: "pass", basis: "read", answer: present.join(", ") };
}

function packets(verdict: string | undefined, how: string): Answer {
  if (verdict === undefined) return open(`${how}, then name its JSON with --verified`);
  if (verdict === "holds") return { state: "pass", basis: "observed", answer: "every probe did what it must" };
  if (verdict === "violated") return { state: "fail", basis: "observed", answer: "a probe did not do what it must" };
  return open(`the verification proved nothing for some probes (${verdict})`);
}

function bypass({ objects, unlisted = [] }: ChecklistInput): Answer {
  if (unlisted.some(({ kind }) => kind.startsWith("ValidatingAdmissionPolicy"))) {
    return open("the role may not list validatingadmissionpolicybindings.admissionregistration.k8s.io");
  }
  const policies = objects.filter(
    ({ object }) =>
      isPolicy(object.apiVersion, object.kind) &&
      Object.keys(mapOf(object.metadata?.annotations)).some((key) => key.startsWith(bypassLabelPrefix)),
  );
  const guards = objects.filter(
    ({ object }) =>
      object.kind === "ValidatingAdmissionPolicyBinding" && /bypass|break-glass/.test(object.metadata?.name ?? ""),
  );
  const [first] = policies;
  if (first === undefined && guards.length === 0) return open("no bypass is declared");
  const denies = guards.some(({ object }) => listOf(mapOf(object.spec)["validationActions"]).includes("Deny"));
  if (!denies) return { state: "fail", basis: "read", answer: "nothing limits who may set the label of the bypass" };
  const what = first === undefined ? "the guard is in place, and no bypass is open" : describeRef(refOf(first.object));
  return { state: "pass", basis: "read", answer: what };
}

function reconciled(kustomizations: readonly KubeObject[] | undefined): Answer {
  if (kustomizations === undefined) return open("the role may not list kustomizations.kustomize.toolkit.fluxcd.io");
  if (kustomizations.length === 0) return open("there is no Kustomization of Flux");
  const unready = kustomizations.filter((object) => {
    const conditions = listOf(mapOf(object["status"])["conditions"]).map(mapOf);
    return !conditions.some(({ type, status }) => type === "Ready" && status === "True");
  });
  const names = unready.map((object) => textOf(object.metadata?.name) ?? "(unnamed)");
  return unready.length > 0
    ? { state: "fail", basis: "observed", answer: `not ready: ${names.slice(0, 5).join(", ")}` }
    : { state: "pass", basis: "observed", answer: `${kustomizations.length} Kustomizations are ready` };
}

function runbook(text: string | undefined): Answer {
  if (text === undefined) return open("name it with --runbook");
  const commands = [/\bhubble observe\b/, /\bkubectl\b/, /\bcluster-security\b/].filter((command) =>
    command.test(text),
  );
  return commands.length > 0 && /polic/i.test(text)
    ? { state: "pass", basis: "read", answer: "it names commands" }
    : {
        state: "fail",
        basis: "read",
        answer: "it names no command about policies (hubble observe, kubectl, cluster-security)",
      };
}

/** Paths between known parts of a platform. */
class Paths {
  readonly #workloads: readonly Workload[];

  constructor(private readonly reachability: Reachability) {
    this.#workloads = reachability.snapshot.workloads.filter(({ hostNetwork }) => !hostNetwork);
  }

  dns(): Answer {
    const servers = this.#workloads.flatMap((workload) => {
      const dns = clusterDnsOf(workload);
      return dns === undefined ? [] : [{ workload, port: dns.port }];
    });
    const [server] = servers;
    if (server === undefined) return open("no pods of the cluster's DNS were read");
    const others = this.#workloads.filter(({ id }) => !servers.some(({ workload }) => workload.id === id));
    const cut = others.filter(({ id }) => this.#verdict(id, server.workload.id, server.port, "UDP") !== "allowed");
    return summed(others, cut, "pods may ask", "may not ask");
  }

  scraping(side: "egress" | "both"): Answer {
    const scraper = this.#workloads.find(({ name, labels }) => isScraper(`${name} ${Object.values(labels).join(" ")}`));
    if (scraper === undefined) return open("no scraper was found (Prometheus, vmagent, Alloy, OpenTelemetry)");
    const targets = this.#workloads.flatMap((workload) => {
      const port = workload.ports.find(({ name }) => /metrics|^prom/.test(name ?? ""))?.port;
      return port === undefined || workload.id === scraper.id ? [] : [{ id: workload.id, port }];
    });
    if (targets.length === 0) return open("no workload has a port called metrics");
    const cut = targets.filter(({ id, port }) => {
      const flow = { source: workload(scraper.id), destination: workload(id), protocol: "TCP", port } as const;
      if (side === "both") return this.reachability.verdict(flow) !== "allowed";
      return this.reachability.explain(flow).egress.verdict !== "allowed";
    });
    return summed(targets, cut, `targets of ${scraper.id}`, "cannot be scraped");
  }

  acme(): Answer {
    const manager = this.#workloads.find(
      ({ namespace, name }) => namespace === "cert-manager" && !/webhook|cainjector|startup/.test(name),
    );
    if (manager === undefined) return open("there is no cert-manager");
    const name = "acme-v02.api.letsencrypt.org";
    return this.#to(manager.id, { kind: "fqdn", name }, 443, name);
  }

  secrets(): Answer {
    const operator = this.#workloads.find(
      ({ namespace, name }) => /external-secrets/.test(`${namespace}/${name}`) && !/webhook|cert-controller/.test(name),
    );
    if (operator === undefined) return open("there is no External Secrets Operator");
    const connect = this.#workloads.find(({ name }) => /(onepassword|1password).*connect|^connect$/.test(name));
    if (connect === undefined) return open("there is no 1Password Connect");
    return this.#to(operator.id, workload(connect.id), connect.ports[0]?.port ?? 8080, connect.id);
  }

  #to(source: string, destination: Peer, port: number, name: string): Answer {
    const flow = { source: workload(source), destination, protocol: "TCP", port } as const;
    const { verdict, egress } = this.reachability.explain(flow);
    if (verdict === "unknown") {
      // nobody knows the address of a name before it was looked up; a deny of addresses may be about it
      const rule = egress.deciding?.verdict === "allow" ? describeRef(egress.deciding.policy) : undefined;
      if (rule === undefined) return open(`whether ${source} reaches ${name} on TCP ${port} is not known`);
      const answer = `${rule} allows ${name} TCP ${port}, if its address is none that is denied`;
      return { state: "pass", basis: "computed", answer };
    }
    const answer = `${source} -> ${name} TCP ${port} is ${verdict}`;
    return { state: verdict === "allowed" ? "pass" : "fail", basis: "computed", answer };
  }

  #verdict(source: string, destination: string, port: number, protocol: "TCP" | "UDP"): string {
    return this.reachability.verdict({ source: workload(source), destination: workload(destination), protocol, port });
  }
}

function workload(id: string): Peer {
  return { kind: "workload", id };
}

function isScraper(text: string): boolean {
  return (
    /\b(prometheus-server|prometheus-k8s|prometheus|vmagent|alloy|otel-collector|opentelemetry-collector)\b/.test(
      text,
    ) && !/operator|exporter|adapter|alertmanager/.test(text)
  );
}

function summed(all: readonly unknown[], cut: readonly { readonly id: string }[], what: string, fails: string): Answer {
  const [first] = cut;
  if (first === undefined) return { state: "pass", basis: "computed", answer: `${all.length} ${what}` };
  const more = cut.length > 1 ? `, and ${cut.length - 1} more` : "";
  return { state: "fail", basis: "computed", answer: `${first.id} ${fails}${more}` };
}
