/** Denials as a share of all verdicts, compared with an objective at several burn rates. */
import type { MonitoringSettings } from "../settings";
import type { Alert, RecordingRule, RuleSet } from "../types";

const verdicts = 'hubble_flows_processed_total{type="PolicyVerdict",protocol=~"TCP|UDP"';
const windows = ["5m", "30m", "1h", "6h", "3d"] as const;
type Window = (typeof windows)[number];

const ratio = (window: Window): string => `cluster_security:violation_ratio:rate${window}`;
const traffic = (window: Window): string => `cluster_security:verdicts:rate${window}`;

/**
 * Multi-window, multi-burn-rate alerts (Google, The Site Reliability Workbook, chapter 5): the long window says that it
 * matters, the short one that it is still going on. A budget that burns 14.4 times as fast as it may is gone in two days.
 */
export function budgetRules({ objective, leastTraffic, securityOwner }: MonitoringSettings): RuleSet {
  const budget = 1 - objective;
  const burns = (long: Window, short: Window, factor: number): string => {
    const limit = Number((factor * budget).toPrecision(6));
    return (
      `(${ratio(long)} > ${limit} and ${ratio(short)} > ${limit}` +
      ` and ${traffic(long)} > ${leastTraffic} and ${traffic(short)} > ${leastTraffic})`
    );
  };
  const percent = `${Number((objective * 100).toPrecision(6))} %`;
  const common = {
    scope: "cluster",
    source: "hubble",
    owner: securityOwner,
    commands: [
      "hubble observe --verdict DROPPED --last 200",
      "kubectl get ciliumclusterwidenetworkpolicies",
      "kubectl get ciliumnetworkpolicies --all-namespaces",
    ],
    confirm: "The dashboard of violations shows which pairs and namespaces the denials come from, and since when.",
    mitigate: "Declare what is missing, or stop what tries. A change of policies at that time is rolled back first.",
    rollBack: "Revert the last change in the declaration and run `pulumi up`.",
  } as const satisfies Partial<Alert>;
  return {
    name: "cluster-security-budget",
    interval: "30s",
    recordings: windows.flatMap((window): RecordingRule[] => [
      { record: traffic(window), expr: `sum(rate(${verdicts}}[${window}]))` },
      {
        record: ratio(window),
        expr: `(sum(rate(${verdicts},verdict="DROPPED"}[${window}])) or vector(0)) / (${traffic(window)} > 0)`,
      },
    ]),
    alerts: [
      {
        ...common,
        name: "ViolationBudgetBurnsFast",
        severity: "critical",
        expr: `${burns("1h", "5m", 14.4)}\nor\n${burns("6h", "30m", 6)}`,
        keepFiringFor: "10m",
        summary: `{{ $value | humanizePercentage }} of all policy verdicts are denials; the objective of ${percent} fails within days.`,
        meaning: `More connections are denied than the objective of ${percent} allows, at least six times as many, and it goes on.`,
        impact: "Something that many depend on is denied, or something tries many ways at once.",
      },
      {
        ...common,
        name: "ViolationBudgetBurnsSlowly",
        severity: "warning",
        expr: burns("3d", "6h", 1),
        for: "1h",
        keepFiringFor: "1h",
        summary: `{{ $value | humanizePercentage }} of all policy verdicts of three days are denials; the objective is ${percent}.`,
        meaning: `For three days more connections have been denied than the objective of ${percent} allows.`,
        impact: "Denials that nobody looks at hide those that matter.",
      },
    ],
  };
}
