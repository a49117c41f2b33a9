/** What Cilium's and Hubble's metrics say, as series of promtool, and what scenarios have in common. */
import type { MetricEnd } from "../../../sdk/monitoring/table";
import type { InputSeries, Moment, Scenario } from "../promtool";

/** Steps of 15 seconds. */
export const steps = (minutes: number): number => minutes * 4;

/** A counter that grows by so many each step for some minutes, then by other numbers for others. */
export function counter(...parts: readonly (readonly [perStep: number, minutes: number])[]): string {
  let value = 0;
  return parts
    .map(([perStep, minutes]) => {
      const text = `${value}+${perStep}x${steps(minutes) - 1}`;
      value += perStep * steps(minutes);
      return text;
    })
    .join(" ");
}

/** A value that stays. */
export const constant = (value: number, minutes: number): string => `${value}x${steps(minutes)}`;

export function labelled(metric: string, labels: Readonly<Record<string, string>>): string {
  const given = Object.entries(labels).filter(([, value]) => value !== "");
  return `${metric}{${given.map(([key, value]) => `${key}="${value}"`).join(",")}}`;
}

export function pairLabels(source: MetricEnd, destination: MetricEnd): Record<string, string> {
  return {
    source_namespace: source.namespace,
    source: source.name,
    destination_namespace: destination.namespace,
    destination: destination.name,
  };
}

export const hubble = { instance: "10.0.0.1:9965" };
export const agent = { instance: "10.0.0.1:9962" };

/** Denied packets between two ends. */
export function drops(
  source: MetricEnd,
  destination: MetricEnd,
  values: string,
  reason = "POLICY_DENIED",
  protocol = "TCP",
): InputSeries {
  return {
    series: labelled("hubble_drop_total", { ...hubble, reason, protocol, ...pairLabels(source, destination) }),
    values,
  };
}

/** Connections that pass at both ends. */
export function passes(source: MetricEnd, destination: MetricEnd, values: string): InputSeries[] {
  const verdict = (direction: string): InputSeries => ({
    series: labelled("hubble_policy_verdicts_total", {
      ...hubble,
      direction,
      match: "l3-l4",
      action: "forwarded",
      ...pairLabels(source, destination),
    }),
    values,
  });
  return destination.namespace === "" ? [verdict("egress")] : [verdict("egress"), verdict("ingress")];
}

/** Policies that agents took over. */
export function policyChanges(values: string, outcome = "success"): InputSeries {
  return {
    series: labelled("cilium_policy_change_total", {
      ...agent,
      source: "k8s",
      operation: "update",
      outcome,
    }),
    values,
  };
}

/** Verdicts of the whole cluster; other events than a policy's verdict have another type. */
export function verdicts(verdict: string, values: string, protocol = "TCP", type = "PolicyVerdict"): InputSeries {
  return {
    series: labelled("hubble_flows_processed_total", { ...hubble, protocol, type, verdict }),
    values,
  };
}

export function enforcement(kind: string, values: string, instance = agent.instance): InputSeries {
  return {
    series: labelled("cilium_policy_endpoint_enforcement_status", { instance, enforcement: kind }),
    values,
  };
}

/** A cluster in which nothing is wrong, for so long. `without`: metrics that are left out, or that a scenario has itself. */
export function healthy(minutes: number, ...without: readonly string[]): InputSeries[] {
  const other: MetricEnd = { namespace: "elsewhere", name: "other" };
  const all = [
    ...passes(other, { namespace: "elsewhere", name: "another" }, counter([10, minutes])),
    verdicts("FORWARDED", counter([100, minutes])),
    enforcement("both", constant(12, minutes)),
    enforcement("none", constant(5, minutes)),
    policyChanges(constant(7, minutes)),
    {
      series: labelled("cilium_forward_count_total", { ...agent, direction: "EGRESS" }),
      values: counter([9, minutes]),
    },
    { series: labelled("up", { ...hubble, job: "hubble" }), values: constant(1, minutes) },
    { series: labelled("up", { ...agent, job: "cilium" }), values: constant(1, minutes) },
    ...["istio_tcp_connections_opened_total"].map((metric) => ({
      series: labelled(metric, { reporter: "source", connection_security_policy: "mutual_tls" }),
      values: counter([1, minutes]),
    })),
  ];
  return all.filter(({ series }) => !without.some((metric) => series.startsWith(`${metric}{`)));
}

/**
 * An alert that fires from one minute to another, both included. Rules are evaluated every two minutes here: what begins or
 * ends between two evaluations is seen two minutes later.
 */
export function between(alert: string, [first, last]: readonly [number, number]): Moment[] {
  return [
    { at: `${first - 1}m`, firing: [] },
    { at: `${first + 2}m`, firing: [alert] },
    { at: `${last}m`, firing: [alert] },
    { at: `${last + 4}m`, firing: [] },
  ];
}

/** Something that an alert fires for, in an hour in which nothing else is wrong. `alert`: as in {@link Moment}. */
export function fires(
  title: string,
  alert: string,
  minutes: readonly [number, number],
  ...series: readonly InputSeries[]
): Scenario {
  return {
    title,
    about: [alert.split(" ")[0] ?? ""],
    series: [...healthy(60), ...series],
    moments: between(alert, minutes),
  };
}

/** Something that nothing fires for, in such an hour. `about`: the alert that might. */
export function silent(title: string, about: string, ...series: readonly InputSeries[]): Scenario {
  return {
    title,
    about: [about],
    series: [...healthy(60), ...series],
    moments: ["20m", "30m", "40m"].map((at) => ({ at, firing: [] })),
  };
}

/** Scenarios of many minutes, whose rules are evaluated every second one. */
export function slowly(scenarios: readonly Scenario[]): readonly Scenario[] {
  return scenarios.map((scenario) => ({ evaluation: "2m", ...scenario }));
}

/** Scenarios of some groups of rules alone. */
export function within(groups: readonly string[], scenarios: readonly Scenario[]): readonly Scenario[] {
  return scenarios.map((scenario) => ({ ...scenario, groups: groups.map((name) => `cluster-security-${name}`) }));
}
