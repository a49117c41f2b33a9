/** What was learnt as a file that `--declaration` reads. `reason` and `owner` are empty: the planner refuses them so. */
import { dump } from "js-yaml";
import type {
  ClusterSecurityDeclaration,
  FlowDeclaration,
  NamespaceDeclaration,
  PeerDeclaration,
  PortDeclaration,
  WorkloadDeclaration,
} from "../../plan";
import { Tier } from "../../plan";
import type { Evidence, Learned, LearnedFlow, LearnedPort } from "./learn";
import type { LearnedWorkload } from "./workloads";

/** The forms of a declaration's file. JSON has no comments. */
export type DeclarationForm = "yaml" | "typescript" | "json";

/** Says why a flow exists and who answers for it, where a person has not said so yet. Default: nothing. */
export interface Answers {
  readonly reason: string;
  readonly owner: string;
}

/** What was learnt, as plain data. */
export function declarationOf(
  learned: Learned,
  answers: Answers = { reason: "", owner: "" },
): ClusterSecurityDeclaration {
  return {
    namespaces: learned.namespaces.map(namespaceOf),
    workloads: learned.workloads.map(workloadOf),
    flows: learned.flows.map((flow) => flowOf(flow, answers)),
  };
}

/** @param head Lines that say where it comes from. */
export function writtenDeclaration(learned: Learned, form: DeclarationForm, head: readonly string[]): string {
  switch (form) {
    case "json":
      return `${JSON.stringify(declarationOf(learned), undefined, 2)}\n`;
    case "yaml":
      return yamlOf(learned, head);
    case "typescript":
      return typescriptOf(learned, head);
  }
}

function namespaceOf({ name, isPlatform }: Learned["namespaces"][number]): NamespaceDeclaration {
  return { name, ...(isPlatform ? { tier: Tier.Platform } : {}), existing: true };
}

function workloadOf({ namespace, name, labels, serviceAccount, ports }: LearnedWorkload): WorkloadDeclaration {
  const isDefault = Object.keys(labels).length === 1 && labels["app"] === name;
  return {
    namespace,
    name,
    ...(isDefault ? {} : { labels: { ...labels } }),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ...(ports.length === 0 ? {} : { ports: ports.map((port) => withoutTcp(port as PortDeclaration)) }),
  };
}

function flowOf({ from, to, ports }: LearnedFlow, { reason, owner }: Answers): FlowDeclaration {
  return { from, to, ports: ports.map(({ port }) => withoutTcp(port)), reason, owner };
}

/** TCP is what a port without a protocol has. */
function withoutTcp(port: PortDeclaration): PortDeclaration {
  const { protocol, ...rest } = port;
  return protocol === undefined || (protocol as string) === "TCP" ? rest : { ...rest, protocol };
}

function yamlOf(learned: Learned, head: readonly string[]): string {
  const { namespaces = [], workloads = [], flows = [] } = declarationOf(learned);
  const inline = (value: unknown): string => dump(value, { flowLevel: 0, lineWidth: -1 }).trimEnd();
  const section = (name: string, items: readonly string[]): string[] =>
    items.length === 0 ? [`${name}: []`] : [`${name}:`, ...items];
  return [
    ...head.map((line) => `# ${line}`),
    ...section(
      "namespaces",
      namespaces.map((each) => `  - ${inline(each)}`),
    ),
    ...section(
      "workloads",
      workloads.flatMap((each, index) => [
        ...(learned.workloads[index]?.remarks ?? []).map((line) => `  # CHECK: ${line}`),
        `  - ${inline(each)}`,
      ]),
    ),
    ...section(
      "flows",
      flows.flatMap(({ from, to, ports, reason, owner }, index) => [
        ...commentsOf(learned.flows[index]).map((line) => `  # ${line}`),
        `  - from: ${inline(from)}`,
        `    to: ${inline(to)}`,
        `    ports: ${inline(ports)}`,
        `    reason: ${JSON.stringify(reason)}`,
        `    owner: ${JSON.stringify(owner)}`,
      ]),
    ),
    "",
  ].join("\n");
}

function typescriptOf(learned: Learned, head: readonly string[]): string {
  const used = new Set<string>();
  const call = (name: string, ...args: readonly string[]): string => {
    used.add(name);
    return `${name}(${args.join(", ")})`;
  };
  const namespaces = learned.namespaces.map((each) => {
    const { name, tier, ...details } = namespaceOf(each);
    if (tier !== undefined) used.add("Tier");
    const fields = [...(tier === undefined ? [] : ["tier: Tier.Platform"]), ...Object.entries(details).map(entry)];
    return `    ${call("namespace", JSON.stringify(name), `{ ${fields.join(", ")} }`)},`;
  });
  const workloads = learned.workloads.flatMap((each) => {
    const { namespace, name, ports = [], ...details } = workloadOf(each);
    const served = ports.length === 0 ? [] : [`ports: [${ports.map((port) => portCall(port, call)).join(", ")}]`];
    const fields = [...Object.entries(details).map(entry), ...served];
    const options = fields.length === 0 ? [] : [`{ ${fields.join(", ")} }`];
    return [
      ...each.remarks.map((line) => `    // CHECK: ${line}`),
      `    ${call("workload", JSON.stringify(`${namespace}/${name}`), ...options)},`,
    ];
  });
  const flows = learned.flows.flatMap((each) => {
    const { from, to, ports = [], reason, owner } = flowOf(each, { reason: "", owner: "" });
    const on = ports.map((port) => portCall(port, call)).join(", ");
    const says = `.because(${JSON.stringify(reason)}).ownedBy(${JSON.stringify(owner)})`;
    return [
      ...commentsOf(each).map((line) => `    // ${line}`),
      `    ${call("flow", peerCall(from, call))}.to(${peerCall(to, call)}).on(${on})${says},`,
    ];
  });
  return [
    ...head.map((line) => `// ${line}`),
    `import type { ClusterSecurityDeclaration } from "pulumi-cluster-security";`,
    `import { ${[...used].sort().join(", ")} } from "pulumi-cluster-security";`,
    "",
    "export const declaration: ClusterSecurityDeclaration = {",
    "  namespaces: [",
    ...namespaces,
    "  ],",
    "  workloads: [",
    ...workloads,
    "  ],",
    "  flows: [",
    ...flows,
    "  ],",
    "};",
    "",
  ].join("\n");
}

type Call = (name: string, ...args: readonly string[]) => string;

function entry([key, value]: readonly [string, unknown]): string {
  return `${key}: ${JSON.stringify(value)}`;
}

function peerCall(peer: PeerDeclaration, call: Call): string {
  if (peer.workload !== undefined) return JSON.stringify(peer.workload);
  if (peer.fqdn !== undefined) return call("fqdn", JSON.stringify(peer.fqdn));
  if (peer.cidr !== undefined) return call("cidr", JSON.stringify(peer.cidr));
  switch (peer.entity as string | undefined) {
    case "internet":
      return call("internet");
    case "kube-apiserver":
      return call("kubeApiserver");
    case "nodes":
      return call("nodes");
    default:
      // no sentence has a word for it, so it is written as data
      return call("Entity.Ingress").replace("Entity.Ingress()", "{ entity: Entity.Ingress }");
  }
}

function portCall({ port, protocol, name }: PortDeclaration, call: Call): string {
  if (port === undefined) return call("port", JSON.stringify(name));
  const names = name === undefined ? [] : [JSON.stringify(name)];
  return call((protocol ?? "TCP").toLowerCase(), JSON.stringify(port), ...names);
}

function commentsOf(flow: LearnedFlow | undefined): string[] {
  if (flow === undefined) return [];
  return [...flow.ports.map(evidence), ...flow.remarks.map((line) => `CHECK: ${line}`)];
}

function evidence({ port, attempts, first, last, days }: LearnedPort): string {
  const what = port.name ?? `${port.protocol ?? "TCP"} ${String(port.port)}`;
  const when =
    attempts === 1
      ? `CHECK: seen once, ${timeText(first)}`
      : isOneMoment({ first, last })
        ? `CHECK: ${attempts} attempts, at one moment only, ${timeText(first)}`
        : `${attempts} attempts on ${days} ${days === 1 ? "day" : "days"}, ${timeText(first)} to ${timeText(last)}`;
  return `${what}: ${when}`;
}

/** A minute. */
const moment = 60_000;

/** Whether all that speaks for a port was seen within a minute. */
function isOneMoment({ first, last }: Pick<Evidence, "first" | "last">): boolean {
  return last - first < moment;
}

function timeText(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
}
