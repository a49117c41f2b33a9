/** One runbook for each alert, with a flow of the declaration filled into its commands. */
import type { Plan } from "../../plan";
import type { DeclaredPair } from "../table";
import { anyApp } from "../table";
import type { Alert } from "../types";
import { cell } from "./markdown";

/** A text with its file name. */
export interface MonitoringDocument {
  /** `runbooks/DeclaredFlowCut.md`. */
  readonly file: string;
  readonly text: string;
}

/** Values of an alert's labels, for the commands. */
type Filling = Readonly<Record<string, string>>;

/** A runbook for each alert, once where several rules share its name, and a list of them. Sorted by name. */
export function runbooks(
  plan: Plan,
  alerts: readonly Alert[],
  pairs: readonly DeclaredPair[],
): readonly MonitoringDocument[] {
  const byName = new Map(alerts.map((alert) => [alert.name, alert]));
  const sorted = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const list = sorted.map(
    ({ name, severity, owner, meaning }) =>
      `| [${name}](${name}.md) | ${severity} | ${cell(owner ?? "of the flow or namespace")} | ${meaning} |`,
  );
  return [
    {
      file: "runbooks/README.md",
      text: ["# Runbooks", "", "| alert | severity | owner | meaning |", "|---|---|---|---|", ...list, ""].join("\n"),
    },
    ...sorted.map((alert) => ({ file: `runbooks/${alert.name}.md`, text: runbook(plan, alert, pairs) })),
  ];
}

function runbook(plan: Plan, alert: Alert, pairs: readonly DeclaredPair[]): string {
  const pair = examplePair(pairs);
  const filling = pair === undefined ? fallback : fillingOf(pair);
  const usesPair = alert.commands.some((command) => /\$(source|destination)/.test(command));
  // the others are about ends that nobody declared
  const isDeclared = alert.name.startsWith("Declared");
  const example = usesPair && pair !== undefined ? [exampleWords(isDeclared, pair), ""] : [];
  return [
    `# ${alert.name}`,
    "",
    `Severity ${alert.severity}. Goes to ${alert.owner ?? "the owner that its label names: of the flow, or of the namespace"}.`,
    "",
    "## Meaning",
    "",
    alert.meaning,
    "",
    "## Impact",
    "",
    alert.impact,
    "",
    "## Look",
    "",
    ...example,
    "```sh",
    ...alert.commands.map((command) => filled(command, filling)),
    ...(isDeclared && usesPair && pair !== undefined ? explanation(plan, pair) : []),
    "```",
    "",
    "## Confirm",
    "",
    alert.confirm,
    "",
    "## Mitigate",
    "",
    alert.mitigate,
    "",
    "## Roll back",
    "",
    alert.rollBack,
    "",
    ...(alert.name.startsWith("DeclaredFlow") ? flowTable(plan, pairs) : []),
  ].join("\n");
}

function exampleWords(isDeclared: boolean, { words, flows, owner }: DeclaredPair): string {
  return isDeclared
    ? `For ${words} (flow ${flows.join(", ")}, owner ${owner}); put in what the alert names:`
    : `With the namespaces of ${words} as an example; put in those that the alert names:`;
}

/** A pair of two workloads where there is one; its names are in the commands. */
function examplePair(pairs: readonly DeclaredPair[]): DeclaredPair | undefined {
  const isNamed = ({ source, destination }: DeclaredPair): boolean =>
    source.namespace !== "" && destination.namespace !== "" && source.name !== anyApp && destination.name !== anyApp;
  return pairs.find(isNamed) ?? pairs.find(({ source }) => source.namespace !== "");
}

const fallback: Filling = {
  source_namespace: "shop",
  destination_namespace: "shop",
  source_workload: "web",
  destination_workload: "api",
  source_workload_namespace: "shop",
  destination_workload_namespace: "shop",
  context: "production",
};

function fillingOf({ source, destination }: DeclaredPair): Filling {
  const target = destination.namespace === "" ? source : destination;
  return {
    ...fallback,
    source_namespace: source.namespace,
    destination_namespace: target.namespace,
    source_workload_namespace: source.namespace,
    destination_workload_namespace: target.namespace,
    ...(source.name === "" ? {} : { source_workload: source.name }),
    ...(target.name === "" ? {} : { destination_workload: target.name }),
  };
}

/** @param command With `$name` for each label. */
function filled(command: string, filling: Filling): string {
  return command.replace(/\$([a-z_]+)/g, (text, name: string) => filling[name] ?? text);
}

/** What the engine says about a flow of the pair. */
function explanation(plan: Plan, { flows }: DeclaredPair): string[] {
  const flow = plan.flows.find(
    ({ id, from, to }) => flows.includes(id) && from.kind === "workload" && to.kind === "workload",
  );
  if (flow?.from.kind !== "workload" || flow.to.kind !== "workload") return [];
  const port = flow.ports[0]?.from ?? 443;
  const end = (peer: { namespace: string; name: string }): string => `${peer.namespace}/${peer.name}`;
  return [`cluster-security explain ${end(flow.from)} ${end(flow.to)}:${port} --context production`];
}

/** Every declared flow with its id, so that an alert's label leads to it. */
function flowTable(plan: Plan, pairs: readonly DeclaredPair[]): string[] {
  const words = new Map(pairs.flatMap((pair) => pair.flows.map((id) => [id, pair.words] as const)));
  const rows = plan.flows
    .filter(({ id }) => words.has(id))
    .map(({ id, owner, reason, ports }) => {
      const list = ports
        .map(({ protocol, from, to }) => `${protocol} ${from === to ? from : `${from}-${to}`}`)
        .join(", ");
      return `| ${id} | ${words.get(id) ?? ""} | ${list} | ${cell(owner)} | ${cell(reason)} |`;
    });
  return [
    "## Flows",
    "",
    "| flow | from → to | ports | owner | why |",
    "|---|---|---|---|---|",
    ...[...new Set(rows)].sort(),
    "",
  ];
}
