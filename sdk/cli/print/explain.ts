import { describeEnd, describeRef } from "../../reachability";
import type {
  DirectionExplanation,
  EnforcerProfile,
  Explanation,
  ExplanationStep,
  FlipHint,
  Peer,
  RuleRef,
} from "../../reachability";
import { describeTraffic } from "../../reports/connections";
import { describeSource } from "../../reports/source";
import { describePort } from "../ends";
import { locate } from "../locate";
import { printable } from "../output";
import { paintVerdict, type Colours } from "./colours";
import type { Format } from "./formats";
import { columns, csvField, dotString, markdownCell, mermaidString } from "./text";

export interface ExplainPrinting {
  readonly format: Format;
  readonly colours: Colours;
  /** The tool of the cluster that shows flows, if there is one. */
  readonly flowLog: EnforcerProfile["flowLog"];
  /** Also the rules of policies that have nothing to do with the two ends. */
  readonly everyRule: boolean;
  /** The HTTP requests for which it is allowed: `GET /x only`. Default: no matter. */
  readonly condition?: string;
}

/** An explanation in the format asked for. */
export function printExplanation(explanation: Explanation, printing: ExplainPrinting): string {
  switch (printing.format) {
    case "json":
      return `${JSON.stringify(asJson(explanation, printing), null, 2)}\n`;
    case "csv":
      return asCsv(explanation, printing);
    case "md":
      return asMarkdown(explanation, printing);
    case "dot":
      return asDot(explanation);
    case "mermaid":
      return asMermaid(explanation);
    default:
      return asText(explanation, printing);
  }
}

function sidesOf({ flow, egress, ingress, mesh }: Explanation): { title: string; side: DirectionExplanation }[] {
  const nameOf = (subject: string, end: Peer): string => (subject === "none" ? describeEnd(end) : subject);
  const sides = [
    { title: `leaving ${nameOf(egress.subject, flow.source)}`, side: egress },
    { title: `arriving at ${nameOf(ingress.subject, flow.destination)}`, side: ingress },
  ];
  return mesh === undefined ? sides : [...sides, { title: `in the mesh, at ${mesh.subject}`, side: mesh }];
}

/** The steps that say something about this flow. */
function stepsOf(side: DirectionExplanation, { everyRule }: ExplainPrinting): readonly ExplanationStep[] {
  return everyRule ? [...side.chain, ...side.notSelecting] : side.chain;
}

/** `NetworkPolicy shop/web spec.ingress[0]`. */
function nameOfRule(rule: RuleRef): string {
  return `${describeRef(rule.policy)} ${rule.path}`;
}

/** `shop.yaml:34`, the line of the rule itself. */
function placeOf(rule: RuleRef): string {
  return describeSource(locate(rule.source, rule.path)) ?? "";
}

function headline({ flow }: Explanation): string {
  return `${describeEnd(flow.source)} -> ${describeEnd(flow.destination)}  ${describePort(flow)}`;
}

function asText(explanation: Explanation, printing: ExplainPrinting): string {
  const { colours } = printing;
  const verdict = explanation.verdict;
  const condition = printing.condition === undefined ? "" : ` for ${printable(printing.condition)}`;
  let text = `${colours.bold(printable(headline(explanation)))}  ${paintVerdict(verdict, colours, verdict.toUpperCase())}${condition}\n`;
  text += `${printable(chainOf(explanation))}\n`;
  if (explanation.resolved !== undefined) text += `${printable(explanation.resolved)}\n`;
  for (const { title, side } of sidesOf(explanation)) {
    text += `\n${printable(title)}: ${paintVerdict(side.verdict, colours)}\n`;
    text += printable(`  ${reasonOf(side)}\n`);
    // Without a deciding rule the reason says it already.
    if (side.deciding !== undefined && side.isolatedBy.length > 0) {
      text += printable(`  isolated by ${side.isolatedBy.map(describeRef).join(", ")}\n`);
    }
    const steps = stepsOf(side, printing);
    if (steps.length > 0) {
      text += "  rules, in the order they are tried:\n";
      const rows = steps.map((step, index) => [
        `${index + 1}.`,
        step.rule.verdict,
        nameOfRule(step.rule),
        outcomeOf(step),
        placeOf(step.rule),
      ]);
      text += printable(columns(rows, "    "));
    }
    const hidden = printing.everyRule ? 0 : side.notSelecting.length;
    if (hidden > 0) {
      const count = hidden === 1 ? "1 rule does" : `${hidden} rules do`;
      text += `  ${count} not select it (--every-rule shows them)\n`;
    }
  }
  const { allowed, possible } = explanation.traffic;
  text += `\nbetween the two, on any port: ${describeTraffic(allowed, possible)}\n`;
  if (explanation.flip.length > 0) {
    text += `\nto ${verdict === "allowed" ? "close" : "open"} it:\n`;
    for (const hint of explanation.flip) text += printable(`  ${hintOf(hint, explanation)}\n`);
  }
  const commands = commandsToConfirm(explanation, printing.flowLog);
  if (commands.length > 0) text += `\nto see it on a cluster:\n${commands.map((each) => `  ${each}\n`).join("")}`;
  return text;
}

/** What decides on each side, in one line: `egress allowed by …, then ingress denied: isolated by …`. */
function chainOf(explanation: Explanation): string {
  const parts = sidesOf(explanation).map(({ side }) => {
    const name = side === explanation.mesh ? "mesh" : side.direction;
    if (side.deciding !== undefined) {
      const place = placeOf(side.deciding);
      return `${name} ${side.verdict} by ${nameOfRule(side.deciding)}${place === "" ? "" : ` (${place})`}`;
    }
    if (side.isolatedBy.length === 0) return `${name} ${side.verdict}: ${side.reason}`;
    return `${name} ${side.verdict}: isolated by ${side.isolatedBy.map(describeRef).join(", ")}`;
  });
  return parts.join(", then ");
}

/** The reason, with the line of the deciding rule itself; the engine knows only where its document begins. */
function reasonOf({ reason, deciding }: DirectionExplanation): string {
  if (deciding === undefined) return reason;
  const placed = withPlace(reason, deciding);
  const place = placeOf(deciding);
  return placed === reason && place !== "" && !reason.includes(place) ? `${reason} (${place})` : placed;
}

/** What would turn the verdict around, with the line of the rule that it is about. */
function hintOf(hint: FlipHint, explanation: Explanation): string {
  const rules = sidesOf(explanation).flatMap(({ side }) => side.chain.map(({ rule }) => rule));
  const named = rules.find(({ path, policy }) => path === hint.path && policy.name === hint.policy?.name);
  return named === undefined ? hint.text : withPlace(hint.text, named);
}

/** A text in which the place of a rule's document is that of the rule. */
function withPlace(text: string, rule: RuleRef): string {
  const document = describeSource(rule.source);
  const place = placeOf(rule);
  return document === undefined || place === "" ? text : text.replace(`(${document})`, `(${place})`);
}

/** Commands that show on a live cluster what decided, and the flow itself where the enforcer records flows. */
function commandsToConfirm({ flow, egress, ingress }: Explanation, flowLog: EnforcerProfile["flowLog"]): string[] {
  const named = [egress, ingress].flatMap((side) => (side.deciding ? [side.deciding.policy] : side.isolatedBy));
  // Meant to be copied into a shell: only names that the API server takes.
  const policies = named.filter((each) => [each.kind, each.name, each.namespace ?? ""].every(isApiName));
  const commands = new Set(
    policies.map(({ apiVersion, kind, name, namespace }) => {
      const group = apiVersion.includes("/") ? `.${apiVersion.split("/")[0]}` : "";
      const place = namespace === undefined ? "" : `-n ${namespace} `;
      return `kubectl ${place}get ${kind.toLowerCase()}${group} ${name} -o yaml`;
    }),
  );
  const { source, destination, protocol, port } = flow;
  const pod = (id: string): string => id.replace(/\[[^\]]*\]$/, "");
  const pods = source.kind === "workload" && destination.kind === "workload";
  if (flowLog === "hubble" && pods && [source.id, destination.id].every((id) => isApiName(pod(id).replace("/", "")))) {
    const ports = port === undefined || protocol.startsWith("ICMP") ? "" : ` --to-port ${port}`;
    commands.add(
      `hubble observe --from-pod ${pod(source.id)} --to-pod ${pod(destination.id)}${ports} --protocol ${protocol.toLowerCase()}`,
    );
  }
  return [...commands];
}

function isApiName(text: string): boolean {
  return /^[A-Za-z0-9.-]*$/.test(text) && !text.startsWith("-");
}

/** What the rule did; in words where there is more to say than its name. */
function outcomeOf({ rule, outcome, because, text }: ExplanationStep): string {
  const short = because === undefined ? outcome : `${outcome} (${because})`;
  return text === "" || text.startsWith(describeRef(rule.policy)) ? short : `${short}: ${text}`;
}

function asJson(explanation: Explanation, printing: ExplainPrinting): unknown {
  const rule = (each: RuleRef): unknown => ({
    policy: each.policy,
    path: each.path,
    verdict: each.verdict,
    direction: each.direction,
    source: locate(each.source, each.path),
  });
  const side = (each: DirectionExplanation): unknown => ({
    subject: each.subject,
    verdict: each.verdict,
    reason: each.reason,
    isolatedBy: each.isolatedBy,
    deciding: each.deciding === undefined ? undefined : rule(each.deciding),
    chain: stepsOf(each, printing).map((step) => ({ ...step, rule: rule(step.rule) })),
  });
  const { flow, verdict, resolved, egress, ingress, mesh, traffic, flip } = explanation;
  return {
    src: describeEnd(flow.source),
    dst: describeEnd(flow.destination),
    protocol: flow.protocol,
    port: flow.port,
    verdict,
    condition: printing.condition,
    resolved,
    egress: side(egress),
    ingress: side(ingress),
    mesh: mesh === undefined ? undefined : side(mesh),
    conn: traffic.allowed.toString(),
    possible: traffic.allowed === traffic.possible ? undefined : traffic.possible.toString(),
    flip,
  };
}

function rowsOf(explanation: Explanation, printing: ExplainPrinting): string[][] {
  return sidesOf(explanation).flatMap(({ side }) =>
    stepsOf(side, printing).map((step, index) => [
      side === explanation.mesh ? "mesh" : side.direction,
      String(index + 1),
      step.rule.verdict,
      describeRef(step.rule.policy),
      step.rule.path,
      placeOf(step.rule),
      step.outcome,
      step.because ?? "",
      step.text,
    ]),
  );
}

const stepTitles = ["side", "step", "rule", "policy", "path", "source", "outcome", "because", "text"];

function asCsv(explanation: Explanation, printing: ExplainPrinting): string {
  return [stepTitles, ...rowsOf(explanation, printing)].map((row) => `${row.map(csvField).join(",")}\n`).join("");
}

function asMarkdown(explanation: Explanation, printing: ExplainPrinting): string {
  const row = (cells: readonly string[]): string => `| ${cells.map(markdownCell).join(" | ")} |\n`;
  const condition = printing.condition === undefined ? "" : ` for ${printing.condition}`;
  let text = `**${headline(explanation)}: ${explanation.verdict}${condition}**\n\n${chainOf(explanation)}\n\n`;
  for (const { title, side } of sidesOf(explanation)) text += `- ${title}: **${side.verdict}**. ${reasonOf(side)}\n`;
  const rows = rowsOf(explanation, printing);
  if (rows.length > 0) text += `\n${row(stepTitles)}${row(stepTitles.map(() => "---"))}${rows.map(row).join("")}`;
  if (explanation.flip.length > 0)
    text += `\nTo change it:\n${explanation.flip.map((hint) => `- ${hintOf(hint, explanation)}\n`).join("")}`;
  return text;
}

/** The stations of a flow: source, its policies, the destination's policies, destination. */
function stations(explanation: Explanation): { name: string; label: string }[] {
  const { flow } = explanation;
  return [
    { name: "source", label: describeEnd(flow.source) },
    ...sidesOf(explanation).map(({ title, side }, index) => ({
      name: `side${index}`,
      label: [`${title}: ${side.verdict}`, side.deciding === undefined ? side.reason : nameOfRule(side.deciding)].join(
        "\n",
      ),
    })),
    { name: "destination", label: describeEnd(flow.destination) },
  ];
}

function asDot(explanation: Explanation): string {
  const all = stations(explanation);
  const nodes = all.map(({ name, label }) => `  ${name} [label=${dotString(label)}]\n`).join("");
  const path = all.map(({ name }) => name).join(" -> ");
  const label = `${describePort(explanation.flow)}: ${explanation.verdict}`;
  return `digraph {\n  rankdir=LR\n  node [shape=box]\n  label=${dotString(label)}\n${nodes}  ${path}\n}\n`;
}

function asMermaid(explanation: Explanation): string {
  const all = stations(explanation);
  const nodes = all.map(({ name, label }) => `  ${name}[${mermaidString(label).replaceAll("\n", "<br/>")}]\n`).join("");
  const path = all.map(({ name }) => name).join(" --> ");
  return `flowchart LR\n${nodes}  ${path}\n`;
}
