/** Rules as Prometheus reads them, and what the package knows about each alert. */

/** Labels or annotations. */
export type Labels = Readonly<Record<string, string>>;

/** A rule that records the result of an expression under a new name. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Labels;
}

/** A rule that fires where its expression returns a series. */
export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  /** How long the expression returns the series before the alert fires. Default 0s. */
  readonly for?: string;
  /** How long the alert goes on firing after that; Prometheus 2.42 and newer. Default 0s. */
  readonly keep_firing_for?: string;
  readonly labels: Labels;
  readonly annotations: Labels;
}

/** A rule of either kind. */
export type Rule = RecordingRule | AlertingRule;

/** Rules that Prometheus evaluates one after the other. */
export interface RuleGroup {
  readonly name: string;
  /** Default: the interval of the Prometheus server. */
  readonly interval?: string;
  readonly rules: readonly Rule[];
}

/** A file of rules; the `spec` of a PrometheusRule is the same. */
export interface RuleFile {
  readonly groups: readonly RuleGroup[];
}

/** How urgent an alert is: `critical` wakes somebody, `warning` waits for the morning, `info` is only to be known. */
type Severity = "critical" | "warning" | "info";

/** What an alert is about: a wider scope silences a narrower one. */
type Scope = "cluster" | "namespace" | "flow";

/** What exports the metrics of a rule. `declaration`: nothing has to, the rule knows it from the declaration. */
type MetricSource = "cilium" | "hubble" | "calico" | "istio" | "kube-state-metrics" | "declaration";

/** An alert with everything that a rule, a route and a runbook need of it. */
export interface Alert {
  readonly name: string;
  readonly severity: Severity;
  readonly scope: Scope;
  readonly source: MetricSource;
  /** Who is told. Absent: the series of the expression have a label `owner`. */
  readonly owner?: string;
  readonly expr: string;
  readonly for?: string;
  readonly keepFiringFor?: string;
  /** One line with the alert's labels, as a template of Prometheus. */
  readonly summary: string;
  /** What is the case when it fires. */
  readonly meaning: string;
  /** What it costs as long as nobody acts. */
  readonly impact: string;
  /** Three commands that show more; `$source` and the like stand for the alert's labels. */
  readonly commands: readonly [string, string, string];
  /** How to see that it is real. */
  readonly confirm: string;
  /** What stops the damage. */
  readonly mitigate: string;
  /** How to go back. */
  readonly rollBack: string;
  /** Further labels. */
  readonly labels?: Labels;
}

/** Rules about one subject. */
export interface RuleSet {
  /** Name of the group: `cluster-security-denials`. */
  readonly name: string;
  readonly interval?: string;
  readonly recordings: readonly RecordingRule[];
  readonly alerts: readonly Alert[];
}

/** Whether a rule is one that records. */
export function isRecording(rule: Rule): rule is RecordingRule {
  return "record" in rule;
}
