/** What the declaration itself says has an end, and bypasses that are opened by break glass. */
import type { InputSeries, Scenario } from "../promtool";
import { healthy, labelled, within } from "./series";

/** What ends by declaration, with a clock that begins on 1970-01-01. */
export function declarationScenarios(): readonly Scenario[] {
  return [...within(["declaration"], endScenarios()), ...within(["break-glass"], breakGlassScenarios())];
}

function endScenarios(): readonly Scenario[] {
  const hours = (count: number): string => `${count}h`;
  return [
    {
      title: "bypass, exceptions and reviews on the day before and after their end",
      about: ["BypassOverdue", "ExceptionOverdue", "ReviewOverdue"],
      evaluation: "30m",
      interval: "1m",
      series: healthy(60 * 14),
      moments: [
        { at: hours(23), firing: [] },
        // what has just ended is given a minute
        { at: hours(24), firing: [] },
        {
          at: hours(25),
          firing: [
            "BypassOverdue shop critical",
            "ExceptionOverdue bank warning",
            "ExceptionOverdue shop warning",
            "ReviewOverdue shop warning",
          ],
        },
        {
          at: hours(49),
          firing: [
            "BypassOverdue shop critical",
            "ExceptionOverdue bank warning",
            "ExceptionOverdue shop warning",
            "ReviewOverdue security warning",
            "ReviewOverdue shop warning",
          ],
        },
      ],
    },
  ];
}

/** What kube-state-metrics reports of a timer: from a minute on, for so many minutes. */
function timer(name: string, from: number, seconds: number, minutes: number): InputSeries[] {
  const labels = { namespace: "shop", job_name: name };
  const values = (value: number): string => `_x${from} ${value}x${minutes} stale`;
  return [
    { series: labelled("kube_job_created", labels), values: values(from * 60) },
    { series: labelled("kube_job_status_start_time", labels), values: values(from * 60) },
    { series: labelled("kube_job_spec_active_deadline_seconds", labels), values: values(seconds) },
  ];
}

/** Bypasses that are opened, for long, and not removed at their end. */
function breakGlassScenarios(): readonly Scenario[] {
  const [nights, long] = ["break-glass-nights-k3j9x2ab", "break-glass-nights-long-k3j9x2ab"];
  const policyOf = (networkpolicy: string): InputSeries => ({
    series: labelled("kube_networkpolicy_created", { namespace: "shop", networkpolicy }),
    values: "60x60",
  });
  const opened = 'count by (owner) (ALERTS{alertname="BreakGlassOpen",alertstate="firing"})';
  const shared = { interval: "1m" } as const;
  return [
    {
      ...shared,
      title: "S3-29 a bypass of two hours is open, then for long, then gone",
      about: ["BreakGlassOpen", "BreakGlassLong"],
      series: timer(nights, 10, 7200, 120),
      moments: [
        { at: "20m", firing: [] },
        { at: "71m", firing: [] },
        { at: "75m", firing: ["BreakGlassLong platform warning"] },
        { at: "140m", firing: [] },
      ],
    },
    {
      ...shared,
      title: "S3-29 an open bypass is told to the owner of its grant, not to that of another",
      about: ["BreakGlassOpen"],
      series: [...timer(long, 10, 7200, 120), policyOf(long)],
      moments: [{ at: "20m", firing: [] }],
      records: {
        [opened]: [{ labels: '{owner="data"}', value: 1 }],
        "cluster_security:break_glass_ends_at_seconds - cluster_security:break_glass_opened_at_seconds": [
          {
            labels: `{grant="nights-long", job_name="${long}", namespace="shop", owner="data"}`,
            value: 7200,
          },
        ],
      },
    },
    {
      ...shared,
      title: "S3-29 no controller removes a bypass at its end",
      about: ["BreakGlassOverdue"],
      series: timer(nights, 10, 3600, 180),
      moments: [
        { at: "69m", firing: ["BreakGlassLong platform warning"] },
        { at: "71m", firing: [] },
        { at: "75m", firing: ["BreakGlassOverdue platform critical"] },
      ],
    },
    {
      ...shared,
      title: "S3-29 the policy of a bypass is there without its timer",
      about: ["BreakGlassOverdue"],
      series: [policyOf(long), policyOf(nights)],
      moments: [{ at: "10m", firing: ["BreakGlassOverdue data critical", "BreakGlassOverdue platform critical"] }],
    },
    {
      ...shared,
      title: "Jobs and policies of other names are none of it",
      about: ["BreakGlassLong", "BreakGlassOverdue"],
      series: [
        ...timer("break-glass-days-k3j9x2ab", 1, 60, 60),
        ...timer("import", 1, 60, 60),
        policyOf("allow-web"),
        policyOf("break-glass-days-k3j9x2ab"),
      ],
      moments: [{ at: "30m", firing: [] }],
    },
  ];
}
