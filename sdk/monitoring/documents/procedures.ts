/** What to do in an incident, in an emergency and for a change, with the names of this declaration. */
import type { Plan } from "../../plan";
import { durationText, Tier } from "../../plan";
import type { MonitoringSettings } from "../settings";
import { MonitoredEnforcer } from "../settings";
import type { Alert } from "../types";
import { cell } from "./markdown";
import type { MonitoringDocument } from "./runbooks";
import { verification } from "./verification";

/** The procedures that go with the runbooks. */
export function procedures(
  plan: Plan,
  settings: MonitoringSettings,
  owners: ReadonlyMap<string, string>,
  alerts: readonly Alert[],
): readonly MonitoringDocument[] {
  return [
    { file: "incident-playbook.md", text: incident(plan, settings, new Set(alerts.map(({ name }) => name))) },
    { file: "emergency-procedure.md", text: emergency(plan, settings) },
    { file: "change-workflow.md", text: change() },
    { file: "user-guide.md", text: guide(plan, settings, owners) },
    verification(plan, settings),
  ];
}

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** Two declared ends with a port, for examples; words in capitals where no flow between workloads is declared. */
interface ExampleEnds {
  readonly source: string;
  readonly destination: string;
  /** As the builder of flows takes it: `tcp(8080)`. */
  readonly port: string;
  readonly number: number | string;
}

function exampleEnds({ flows, namespaces }: Plan): ExampleEnds {
  const applications = new Set(namespaces.filter(({ tier }) => tier === Tier.Applications).map(({ name }) => name));
  const isOfApplication = ({ from }: Plan["flows"][number]): boolean =>
    from.kind === "workload" && applications.has(from.namespace);
  const sorted = [...flows.filter(isOfApplication), ...flows.filter((each) => !isOfApplication(each))];
  for (const { from, to, ports } of sorted) {
    const [port] = ports;
    if (from.kind !== "workload" || to.kind !== "workload" || port === undefined) continue;
    return {
      source: `${from.namespace}/${from.name}`,
      destination: `${to.namespace}/${to.name}`,
      port: `${port.protocol.toLowerCase()}(${port.from})`,
      number: port.from,
    };
  }
  return { source: "SOURCE", destination: "DESTINATION", port: "tcp(PORT)", number: "PORT" };
}

const explained = ({ source, destination, number }: ExampleEnds): string =>
  `cluster-security explain ${source} ${destination}:${number} --context production`;

function incident(plan: Plan, settings: MonitoringSettings, alerts: ReadonlySet<string>): string {
  const { securityOwner, platformOwner } = settings;
  const row = (seen: string, is: string, who: string, alert: string): string[] =>
    alerts.has(alert) ? [`| ${seen} | ${is} | ${cell(who)} | [${alert}](runbooks/${alert}.md) |`] : [];
  const attack = ["what must stay closed was tried", "an attack until it is explained", securityOwner] as const;
  const hasHubble = settings.enforcer === MonitoredEnforcer.Cilium;
  return text([
    "# Incident playbook: network policies",
    "",
    "One question decides what it is: is the connection declared?",
    "",
    "| what is seen | it is | who acts | runbook |",
    "|---|---|---|---|",
    ...row("a declared flow is denied and nothing passes", "an outage", "the owner of the flow", "DeclaredFlowCut"),
    ...row(
      "an undeclared flow is denied",
      "a violation, or a flow that is missing",
      "the owner of the namespace",
      "UndeclaredFlowDenied",
    ),
    ...row(...attack, "MetadataEndpointTried"),
    ...row("the mesh denies a connection", "the same question", "the owner of the namespace", "MeshConnectionDenied"),
    ...row("nothing is denied any more", "enforcement is off", securityOwner, "EnforcementOff"),
    ...row("no metrics", "nobody would hear of it", platformOwner, "PolicyMetricsAbsent"),
    "",
    ...(hasHubble
      ? []
      : [
          "No alert tells of single connections that policies deny: nothing here counts them. Step 3 says whether one is.",
          "",
        ]),
    "1. **Take it.** Acknowledge the alert; say in the channel of the incident who leads.",
    "2. **Look.** Run the three commands of the runbook. Write down the pair, the flow's id and the time.",
    "3. **Ask why.** `explain` names the rule that decides, or what is missing:",
    "",
    "   ```sh",
    hasHubble
      ? "   hubble observe --verdict DROPPED --last 1 -o json | cluster-security explain --flow - --context production"
      : `   ${explained(exampleEnds(plan))}`,
    "   ```",
    "",
    "4. **Stop the damage.** An outage: roll back the last change. An attack: isolate the pod, and keep it.",
    "5. **Prove it.** The alert ends by itself; then verify with packets:",
    "",
    "   ```sh",
    "   cluster-security verify --context production",
    "   ```",
    "",
    "6. **Learn.** Declare what was missing, with a reason and an owner. What was tried and is not to be declared stays closed.",
  ]);
}

function emergency({ bypasses, breakGlass }: Plan, { enforcer, securityOwner }: MonitoringSettings): string {
  const open = bypasses.filter(({ state }) => state === "open");
  return text([
    "# Emergency procedure: policies cut what must work",
    "",
    "From the narrowest to the widest. Stop at the first step that helps, and tell the owner of security " +
      `(${securityOwner}) from step 3 on.`,
    "",
    "1. **Roll back the change.** Revert the commit of the declaration and deploy it:",
    "",
    "   ```sh",
    "   pulumi stack history",
    "   pulumi up",
    "   ```",
    "",
    "2. **Lift the policies of single pods.** A bypass is declared with a reason, an owner and a last day; only the groups that it names may set its label. Explicit denies stay in force.",
    "",
    ...(open.length === 0
      ? ["   None is declared. Declare one for the workload and run `pulumi up`."]
      : open.map(
          ({ of, label, expires, owner }) =>
            `   - ${of}: \`kubectl label pod POD ${label}\` (until ${expires}, ${owner})`,
        )),
    "",
    ...breakGlass.map(
      ({ name, of, grantedTo, maxSeconds, owner }) =>
        `   - by grant ${name} (${owner}), for ${grantedTo.join(", ")}, at most ${durationText(maxSeconds)}: ` +
        `\`cluster-security bypass open ${targetOf(of[0] ?? "")} --for 1h --owner TEAM --reason "…" --context CONTEXT\``,
    ),
    ...(breakGlass.length === 0 ? [] : [""]),
    "3. **Remove the default deny of the cluster,** and nothing else. Metadata endpoints stay closed, since their deny is explicit. The stack refuses to remove it until it is told to: see `defaultDeny` of `ClusterSecurity`.",
    ...recording(enforcer),
    "5. **Go back.** Hold the recording against the policies before they are enforced again. Exit code 0 means that nothing recorded would be denied.",
    "",
    "   ```sh",
    "   cluster-security replay flows.json --policies manifests/",
    "   pulumi up",
    "   cluster-security verify --context production",
    "   ```",
  ]);
}

/** How the traffic of an emergency is recorded. */
function recording(enforcer: MonitoredEnforcer | undefined): readonly string[] {
  const what = "4. **Record what passes meanwhile,** so that what was missing can be declared";
  if (enforcer === MonitoredEnforcer.Cilium)
    return [`${what}:`, "", "   ```sh", "   hubble observe --last 10000 -o json > flows.json", "   ```", ""];
  const source = enforcer === MonitoredEnforcer.Calico ? "Goldmane's flows, as Whisker shows them" : "the CNI's flows";
  return [`${what}: save ${source}, to \`flows.json\`.`];
}

function change(): string {
  return text([
    "# Change workflow",
    "",
    "1. **Declare.** Add the flow with its reason and its owner. An exception has a last day.",
    "2. **See what it opens and closes.** Nothing but the flow may differ:",
    "",
    "   ```sh",
    "   pulumi preview --json > preview.json",
    "   cluster-security diff context=production preview.json --fail-on closed",
    "   ```",
    "",
    "3. **Check.** The findings of the changed manifests:",
    "",
    "   ```sh",
    "   cluster-security check preview.json",
    "   ```",
    "",
    "4. **Replay.** What was recorded in the last seven days must still pass:",
    "",
    "   ```sh",
    "   cluster-security replay flows.json --policies preview.json",
    "   ```",
    "",
    "5. **Review.** The owner of both ends agrees: of the source because it sends, of the destination because it is reached.",
    "6. **Deploy.** `pulumi up`, then look at the dashboard of violations for fifteen minutes; `DeclaredFlowCut` reaches the owner within two minutes.",
    "7. **Prove.**",
    "",
    "   ```sh",
    "   cluster-security verify --context production",
    "   ```",
    "",
    "Back at any step: revert the commit and run `pulumi up`. Policies are removed in the reverse order, so nothing is open on the way that was not open before.",
  ]);
}

function guide(plan: Plan, { enforcer }: MonitoringSettings, owners: ReadonlyMap<string, string>): string {
  const { namespaces, exemptNamespaces } = plan;
  const ends = exampleEnds(plan);
  const tiers: Readonly<Record<Tier, string>> = {
    [Tier.Platform]: "0: no default deny",
    [Tier.SharedServices]: "1: default deny, opened by presets and flows",
    [Tier.Applications]: "2: default deny, only declared flows pass",
  };
  const rows = [
    ...namespaces.map(({ name, tier }) => [name, tiers[tier]] as const),
    ...exemptNamespaces
      .filter((name) => !namespaces.some((one) => one.name === name))
      .map((name) => [name, tiers[Tier.Platform]] as const),
  ];
  return text([
    "# User guide: network policies in this cluster",
    "",
    "A pod reaches what is declared for its workload, and DNS. Everything else is denied without an answer: a connection that is not declared times out.",
    "",
    "## My connection times out",
    "",
    "1. Ask whether it is declared, and what is missing:",
    "",
    "   ```sh",
    `   ${explained(ends)}`,
    "   ```",
    "",
    "2. Look whether it is denied at all:",
    "",
    "   ```sh",
    enforcer === MonitoredEnforcer.Cilium
      ? `   hubble observe --verdict DROPPED --from-pod ${ends.source} --last 20`
      : `   cluster-security verify --context production -d security.yaml -w ${ends.source} --create-probe-pods`,
    "   ```",
    "",
    `3. Declare it. The line needs a reason and an owner: \`flow("${ends.source}").to("${ends.destination}").on(${ends.port}).because("…").ownedBy("…")\`.`,
    "",
    "## What I have to keep",
    "",
    "- Labels of pods are what policies select them by: changing them changes what the pods may do.",
    "- Give each workload a label `app.kubernetes.io/name` of its own: metrics and alerts name it by that.",
    "- A service account of its own tells a workload from its neighbours.",
    "",
    "## Namespaces",
    "",
    "| namespace | tier | owner |",
    "|---|---|---|",
    ...rows
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, tier]) => `| ${name} | ${tier} | ${cell(owners.get(name) ?? "")} |`),
  ]);
}

/** A subject as the command line takes it. */
function targetOf(subject: string): string {
  return subject.replace(/^namespace /, "");
}
