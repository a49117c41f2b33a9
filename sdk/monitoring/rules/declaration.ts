/** What the declaration itself says has an end: bypasses, exceptions, reviews. */
import type { Plan } from "../../plan";
import { describePlannedPeer } from "../../plan";
import type { MonitoringSettings } from "../settings";
import type { Alert, Labels, RecordingRule, RuleSet } from "../types";

/** Seconds since 1970 at which something ends; labels say what. */
const ends = "cluster_security:ends_at_seconds";

/** The rules about what ends. Kinds of which nothing is declared have no rules. */
export function declarationRules(plan: Plan, { securityOwner }: MonitoringSettings): RuleSet {
  const recordings = unique([...bypasses(plan), ...exceptions(plan), ...reviews(plan, securityOwner)]);
  const alertsOf: Readonly<Record<Kind, readonly Alert[]>> = {
    bypass: [bypassOpen, bypassOverdue],
    exception: [exceptionOverdue],
    review: [reviewOverdue],
  };
  const declared = new Set(recordings.map(({ labels }) => labels?.["kind"]));
  return {
    name: "cluster-security-declaration",
    interval: "1m",
    recordings,
    alerts: kinds.filter((kind) => declared.has(kind)).flatMap((kind) => alertsOf[kind]),
  };
}

const kinds = ["bypass", "exception", "review"] as const;
type Kind = (typeof kinds)[number];

function bypasses(plan: Plan): RecordingRule[] {
  return plan.bypasses.map(({ of, owner, expires }) => ending("bypass", expires, { subject: of, owner }));
}

/** Those between tenants, those that reach a metadata endpoint, and namespaces without a default deny. */
function exceptions(plan: Plan): RecordingRule[] {
  const betweenTenants = plan.exceptions
    .filter(({ state }) => state !== "closed")
    .map(({ from, to, owner, expires }) => ending("exception", expires, { subject: `${from} → ${to}`, owner }));
  const toMetadata = plan.metadataAccess.flatMap(({ workload, service, owner, expires }) =>
    expires === undefined ? [] : [ending("exception", expires, { subject: `${workload} → ${service}`, owner })],
  );
  const undenied = plan.undenied
    .filter(({ state }) => state === "open")
    .map(({ namespaces, owner, expires }) =>
      ending("exception", expires, { subject: `no default deny in ${namespaces.join(", ")}`, owner }),
    );
  return [...betweenTenants, ...toMetadata, ...undenied];
}

/** Those of flows with a day of their own, and the one of all policies. */
function reviews({ flows, reviewBy }: Plan, securityOwner: string): RecordingRule[] {
  const ofFlows = flows.flatMap(({ id, from, to, owner, reviewBy: day }) => {
    if (day === undefined || day === reviewBy) return [];
    const subject = `${describePlannedPeer(from)} → ${describePlannedPeer(to)}`;
    return [ending("review", day, { subject, owner, flow: id })];
  });
  if (reviewBy === undefined) return ofFlows;
  return [...ofFlows, ending("review", reviewBy, { subject: "all policies", owner: securityOwner })];
}

function ending(kind: Kind, day: string, labels: Labels): RecordingRule {
  return { record: ends, expr: `vector(${endOf(day)})`, labels: { kind, ...labels, until: day } };
}

/** The second after the last of a day. */
function endOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) / 1000 + 86_400;
}

/** Two exceptions of the same source, destination and day are one series. */
function unique(rules: readonly RecordingRule[]): readonly RecordingRule[] {
  return [...new Map(rules.map((rule) => [JSON.stringify(rule.labels), rule])).values()];
}

const common = {
  scope: "flow",
  source: "declaration",
  for: "1m",
  rollBack: "Nothing was changed, so nothing goes back.",
} as const satisfies Partial<Alert>;

const posture = "pulumi stack output posture";
const podsWithBypass = "kubectl get pods --all-namespaces -l policy-bypass.pulumi-cluster-security/until";

const bypassOpen: Alert = {
  ...common,
  name: "BypassOpen",
  severity: "info",
  expr: `${ends}{kind="bypass"} > time()`,
  summary: "Policies of {{ $labels.subject }} may be lifted by a label until {{ $labels.until }}.",
  meaning: "The declaration has a bypass: pods that carry its label have no policies but explicit denies.",
  impact: "A labelled pod reaches everything, and is reached by everything.",
  commands: [podsWithBypass, posture, "pulumi stack history"],
  confirm: "Pods carry the label.",
  mitigate: "Remove the label from the pods once they are debugged, and the bypass from the declaration.",
};

const bypassOverdue: Alert = {
  ...common,
  name: "BypassOverdue",
  severity: "critical",
  expr: `${ends}{kind="bypass"} <= time()`,
  summary: "The bypass of {{ $labels.subject }} ended on {{ $labels.until }} and its policy may still be in place.",
  meaning: "The last day of a bypass is over. Its policy goes with the next `pulumi up`, not before.",
  impact: "Pods that still carry the label have no policies but explicit denies.",
  commands: [podsWithBypass, "pulumi preview", posture],
  confirm: "The policy of the bypass is still in the cluster.",
  mitigate: "Run `pulumi up`.",
};

const exceptionOverdue: Alert = {
  ...common,
  name: "ExceptionOverdue",
  severity: "warning",
  expr: `${ends}{kind="exception"} <= time()`,
  summary: "The exception {{ $labels.subject }} ended on {{ $labels.until }}.",
  meaning: "The last day of an exception is over, and it still lets traffic pass.",
  impact: "Something is open that was to be closed by now.",
  commands: [posture, "pulumi preview", "cluster-security check --context $context"],
  confirm: "The exception is still in the declaration.",
  mitigate: "Renew it with its owner, or remove it and run `pulumi up`.",
};

const reviewOverdue: Alert = {
  ...common,
  name: "ReviewOverdue",
  severity: "warning",
  expr: `${ends}{kind="review"} <= time()`,
  summary: "The review of {{ $labels.subject }} was due on {{ $labels.until }}.",
  meaning: "The day by which somebody was to look at it again has passed.",
  impact: "What is open may no longer be needed.",
  commands: [posture, "cluster-security check --context $context", "pulumi preview"],
  confirm: "The declaration still has that day.",
  mitigate: "Review it with its owner, and set the next day.",
};
