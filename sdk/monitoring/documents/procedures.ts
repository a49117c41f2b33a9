/** What to do in an incident, in an emergency and for a change, with the names of this declaration. */
import type { Plan } from "../../plan";
import { durationText, Tier } from "../../plan";
import type { MonitoringSettings } from "../settings";
import type { MonitoringDocument } from "./runbooks";
import { verification } from "./verification";

/** The procedures that go with the runbooks. */
export function procedures(
  plan: Plan,
  settings: MonitoringSettings,
  owners: ReadonlyMap<string, string>,
): readonly MonitoringDocument[] {
  return [
    { file: "incident-playbook.md", text: incident(settings) },
    { file: "emergency-procedure.md", text: emergency(plan, settings) },
    { file: "change-workflow.md", text: change() },
    { file: "user-guide.md", text: guide(plan, owners) },
    verification(plan, settings),
  ];
}

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

function incident({ securityOwner, platformOwner }: MonitoringSettings): string {
  return text([
    "# Incident playbook: network policies",
    "",
    "One question decides what it is: is the connection declared?",
    "",
    "| what is seen | it is | who acts | runbook |",
    "|---|---|---|---|",
    "| a declared flow is denied and nothing passes | an outage | the owner of the flow | [DeclaredFlowCut](runbooks/DeclaredFlowCut.md) |",
    `| an undeclared flow is denied | a violation, or a flow that is missing | the owner of the namespace | [UndeclaredFlowDenied](runbooks/UndeclaredFlowDenied.md) |`,
    `| what must stay closed was tried | an attack until it is explained | ${securityOwner} | [MetadataEndpointTried](runbooks/MetadataEndpointTried.md) |`,
    `| nothing is denied any more | enforcement is off | ${securityOwner} | [EnforcementOff](runbooks/EnforcementOff.md) |`,
    `| no metrics | nobody would hear of it | ${platformOwner} | [PolicyMetricsAbsent](runbooks/PolicyMetricsAbsent.md) |`,
    "",
    "1. **Take it.** Acknowledge the alert; say in the channel of the incident who leads.",
    "2. **Look.** Run the three commands of the runbook. Write down the pair, the flow's id and the time.",
    "3. **Ask why.** `explain` names the rule that decides, or what is missing:",
    "",
    "   ```sh",
    "   hubble observe --verdict DROPPED --last 1 -o json | cluster-security explain --flow - --context production",
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

function emergency({ bypasses, breakGlass }: Plan, { securityOwner }: MonitoringSettings): string {
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
    "4. **Record what passes meanwhile,** so that what was missing can be declared:",
    "",
    "   ```sh",
    "   hubble observe --last 10000 -o json",
    "   ```",
    "",
    "5. **Go back.** Hold the recording against the policies before they are enforced again. Exit code 0 means that nothing recorded would be denied.",
    "",
    "   ```sh",
    "   cluster-security replay flows.json --policies manifests/",
    "   pulumi up",
    "   cluster-security verify --context production",
    "   ```",
  ]);
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

function guide({ namespaces, exemptNamespaces }: Plan, owners: ReadonlyMap<string, string>): string {
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
    "   cluster-security explain shop/web shop/api:8080 --context production",
    "   ```",
    "",
    "2. Look whether it is denied at all. Where nothing is listed, it is no policy:",
    "",
    "   ```sh",
    "   hubble observe --verdict DROPPED --from-pod shop/web --last 20",
    "   ```",
    "",
    '3. Declare it. The line needs a reason and an owner: `flow("shop/web").to("shop/api").on(tcp(8080)).because("…").ownedBy("…")`.',
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
      .map(([name, tier]) => `| ${name} | ${tier} | ${owners.get(name) ?? ""} |`),
  ]);
}

/** A subject as the command line takes it. */
function targetOf(subject: string): string {
  return subject.replace(/^namespace /, "");
}
