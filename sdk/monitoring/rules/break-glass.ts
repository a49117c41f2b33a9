/** Bypasses that were opened by break glass: what is open, for long, or still there after its end. */
import type { Plan, PlannedBreakGlass } from "../../plan";
import { timerPrefix } from "../../plan";
import type { Alert, RecordingRule, RuleSet } from "../types";

/** Seconds since 1970 at which a bypass was opened and at which it ends, by its timer; the labels are namespace and job_name. */
const openedAt = "cluster_security:break_glass_opened_at_seconds";
const endsAt = "cluster_security:break_glass_ends_at_seconds";
/** 1 for each NetworkPolicy of a bypass whose timer is gone. */
const withoutTimer = "cluster_security:break_glass_without_timer";

/** Controllers need a moment after the end. */
const grace = 60;

/** The rules about what is opened; none where nothing is granted. They read what kube-state-metrics exports of Jobs. */
export function breakGlassRules({ breakGlass }: Plan): RuleSet {
  return {
    name: "cluster-security-break-glass",
    interval: "15s",
    recordings: breakGlass.flatMap(recordingsOf),
    alerts: breakGlass.length === 0 ? [] : [open, long, overdue],
  };
}

function recordingsOf({ name, owner }: PlannedBreakGlass): RecordingRule[] {
  const timers = `${timerPrefix}${name}-[a-z0-9]{8,16}`;
  const labels = { grant: name, owner };
  const of = (metric: string): string => `max by (namespace, job_name) (${metric}{job_name=~"${timers}"})`;
  const policies = `kube_networkpolicy_created{networkpolicy=~"${timers}"}`;
  return [
    { record: openedAt, expr: of("kube_job_status_start_time"), labels },
    {
      record: endsAt,
      expr: `${of("kube_job_status_start_time")} + ${of("kube_job_spec_active_deadline_seconds")}`,
      labels,
    },
    {
      record: withoutTimer,
      expr: `count by (namespace, job_name) (label_replace(${policies}, "job_name", "$1", "networkpolicy", "(.*)")) unless on (namespace, job_name) ${of("kube_job_created")}`,
      labels,
    },
  ];
}

const common = {
  scope: "flow",
  source: "kube-state-metrics",
  commands: [
    "cluster-security bypass list --context $context",
    "kubectl get jobs --all-namespaces -l policy-bypass.pulumi-cluster-security/timer",
    "kubectl get pods --all-namespaces -l policy-bypass.pulumi-cluster-security/timer",
  ],
  rollBack: "A bypass that was closed too early is opened again with `cluster-security bypass open`.",
} as const satisfies Partial<Alert>;

const open: Alert = {
  ...common,
  name: "BreakGlassOpen",
  severity: "info",
  expr: `${endsAt} > time()`,
  // a bypass of a minute is told, too
  keepFiringFor: "5m",
  summary:
    "A bypass is open in {{ $labels.namespace }} until {{ $value | humanizeTimestamp }}: {{ $labels.job_name }}.",
  meaning:
    "A member of the groups of a grant opened the paths of pods. The cluster closes them at the end of the timer.",
  impact: "The labelled pods reach everything, and are reached by everything, but for explicit denies.",
  confirm: "`bypass list` names who opened it, for whom, why and until when.",
  mitigate: "Close it when it is no longer needed: `cluster-security bypass close`.",
};

const long: Alert = {
  ...common,
  name: "BreakGlassLong",
  severity: "warning",
  expr: `(time() - ${openedAt}) > (${endsAt} - ${openedAt}) / 2 and ${endsAt} > time()`,
  for: "1m",
  summary: "More than half of the time of a bypass in {{ $labels.namespace }} is over: {{ $labels.job_name }}.",
  meaning: "A bypass has been open for more than half of the time that it was opened for.",
  impact: "What it was opened for may be done, and the pods are still open.",
  confirm: "`bypass list` shows it as open.",
  mitigate: "Ask who opened it. Close it, or let it end.",
};

const overdue: Alert = {
  ...common,
  name: "BreakGlassOverdue",
  severity: "critical",
  expr: `${endsAt} + ${grace} <= time() or ${withoutTimer}`,
  for: "1m",
  summary: "A bypass in {{ $labels.namespace }} is there after its end: {{ $labels.job_name }}.",
  meaning:
    "The end of a bypass is over, or its timer is gone, and nothing removed it: the controller-manager does not run, or does not run the controllers of Jobs, of their TTL, or the garbage collector.",
  impact: "The labelled pods stay open until a controller runs again.",
  confirm: "`bypass list` shows it as overdue.",
  mitigate: "Run `cluster-security bypass close`, which needs no controller. Then start the controller-manager.",
};
