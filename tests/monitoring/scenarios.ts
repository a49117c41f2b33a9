/** What happens in a cluster, as the series that Cilium's and Hubble's metrics then have, and what has to fire. */
import type { MonitoringPlan } from "../../sdk/monitoring/index";
import type { DeclaredPair, MetricEnd } from "../../sdk/monitoring/table";
import { Tier } from "../../sdk/plan/index";
import type { Watched } from "./declarations";
import type { InputSeries, Moment, Scenario } from "./promtool";

/** Steps of 15 seconds. */
const steps = (minutes: number): number => minutes * 4;

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

function pairLabels(source: MetricEnd, destination: MetricEnd): Record<string, string> {
  return {
    source_namespace: source.namespace,
    source: source.name,
    destination_namespace: destination.namespace,
    destination: destination.name,
  };
}

const hubble = { instance: "10.0.0.1:9965" };
const agent = { instance: "10.0.0.1:9962" };

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

/** Verdicts of the whole cluster. */
export function verdicts(verdict: string, values: string, protocol = "TCP"): InputSeries {
  return {
    series: labelled("hubble_flows_processed_total", { ...hubble, protocol, type: "PolicyVerdict", verdict }),
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

/** The pair of a declaration that scenarios are about: two workloads with names, where there are any. */
export function pairOf(
  { pairs }: MonitoringPlan,
  isSuitable: (pair: DeclaredPair) => boolean = () => true,
): DeclaredPair {
  const isPods = ({ source, destination }: DeclaredPair): boolean =>
    source.namespace !== "" && destination.namespace !== "" && source.name !== "*" && destination.name !== "*";
  const found =
    pairs.find((pair) => isPods(pair) && pair.source.name !== "" && pair.destination.name !== "" && isSuitable(pair)) ??
    pairs.find((pair) => isPods(pair) && isSuitable(pair));
  if (found === undefined) throw new Error("no declared pair of two workloads");
  return found;
}

/** Owners of the flows between the ends of a pair, whatever rows of the table name it. */
export function flowOwners({ pairs }: MonitoringPlan, { source, destination }: DeclaredPair): readonly string[] {
  const fits = (row: MetricEnd, end: MetricEnd): boolean =>
    row.namespace === end.namespace && (row.name === end.name || row.name === "*");
  const own = pairs.filter((row) => fits(row.source, source) && fits(row.destination, destination));
  return [...new Set(own.map(({ owner }) => owner))].sort();
}

/**
 * An alert that fires from one minute to another, both included. Rules are evaluated every two minutes here: what begins or
 * ends between two evaluations is seen two minutes later.
 */
function between(alert: string, [first, last]: readonly [number, number]): Moment[] {
  return [
    { at: `${first - 1}m`, firing: [] },
    { at: `${first + 2}m`, firing: [alert] },
    { at: `${last}m`, firing: [alert] },
    { at: `${last + 4}m`, firing: [] },
  ];
}

/** Scenarios of many minutes, whose rules are evaluated every second one. */
function slowly(scenarios: readonly Scenario[]): readonly Scenario[] {
  return scenarios.map((scenario) => ({ evaluation: "2m", ...scenario }));
}

/** What has to fire, and what must not, on Cilium with enforced policies. */
export function ciliumScenarios(example: Watched): readonly Scenario[] {
  return [
    ...denialScenarios(example),
    ...within(["table", "denials", "cilium"], [successScenario(example)]),
    ...agentScenarios(example),
  ];
}

/** The part of it that is not about single pairs. */
export function agentScenarios(example: Watched): readonly Scenario[] {
  return [
    ...within(["budget"], budgetScenarios()),
    ...within(["cilium", "watch"], slowly(troubles())),
    ...within(["watch"], slowly(absentScenarios(example))),
  ];
}

/** Scenarios of some groups of rules alone. */
export function within(groups: readonly string[], scenarios: readonly Scenario[]): readonly Scenario[] {
  return scenarios.map((scenario) => ({ ...scenario, groups: groups.map((name) => `cluster-security-${name}`) }));
}

/** How many connections and changes come about. */
function successScenario({ monitoring }: Watched): Scenario {
  const { source, destination } = pairOf(monitoring);
  const home = monitoring.owners.get(source.namespace) ?? "platform";
  const value = (expr: string, of: number, labels = "{}") => [`round(${expr}, 0.01)`, [{ labels, value: of }]] as const;
  return {
    title: "S2-16 success of connections and of changes",
    about: [
      "cluster_security:connection_success:ratio5m",
      "cluster_security:connection_success:by_namespace:ratio5m",
      "cluster_security:policy_change_success:ratio1h",
    ],
    series: [
      ...healthy(40, "cilium_policy_change_total"),
      // beside ten a step that pass elsewhere
      ...passes(source, destination, counter([6, 40])),
      drops(source, destination, counter([4, 40])),
      policyChanges(counter([3, 40])),
      policyChanges(counter([1, 40]), "fail"),
    ],
    moments: [
      { at: "30m", firing: [`DeclaredPairPartlyDenied ${home} warning`, "PolicyImportFailed platform critical"] },
    ],
    records: Object.fromEntries([
      value("cluster_security:connection_success:ratio5m", 0.8),
      value(
        `cluster_security:connection_success:by_namespace:ratio5m{namespace="${source.namespace}"}`,
        0.6,
        `{namespace="${source.namespace}"}`,
      ),
      value("cluster_security:policy_change_success:ratio1h", 0.75),
    ]),
  };
}

/** The part of it that depends on what is declared. Noise is held against every rule there is, the rest against its own. */
export function denialScenarios(example: Watched): readonly Scenario[] {
  const isNoise = ({ moments }: Scenario): boolean => moments.every(({ firing }) => firing.length === 0);
  return denialsOf(example).flatMap((each) => (isNoise(each) ? [each] : within(["table", "denials"], [each])));
}

function denialsOf(example: Watched): readonly Scenario[] {
  const { monitoring, plan } = example;
  const pair = pairOf(monitoring);
  const { source, destination } = pair;
  const ownerOf = (name: string): string => monitoring.owners.get(name) ?? "platform";
  const owners = flowOwners(monitoring, pair);
  const cut = owners.map((owner) => `DeclaredFlowCut ${owner} critical`);
  const denied = owners.map((owner) => `DeclaredFlowDenied ${owner} critical`);
  const stranger: MetricEnd = { namespace: source.namespace, name: "stranger" };
  const home = plan.namespaces.find(({ tier }) => tier === Tier.Applications)?.name ?? source.namespace;
  const hidden: MetricEnd = { namespace: home, name: "hidden" };
  const far: MetricEnd = { namespace: "far-away", name: "safe" };
  const outside: MetricEnd = { namespace: "", name: "reserved:world" };
  const partly = `DeclaredPairPartlyDenied ${ownerOf(source.namespace)} warning`;
  const undeclared = `UndeclaredFlowDenied ${ownerOf(source.namespace)} warning`;
  const closed = monitoring.alerts.some(({ name }) => name === "OtherTenantTried")
    ? "OtherTenantTried"
    : "ClosedPathTried";

  return [
    {
      title: "a change of policies cuts a declared flow: its owner hears within two minutes",
      about: ["DeclaredFlowCut"],
      evaluation: "30s",
      series: [
        ...healthy(40, "cilium_policy_change_total"),
        policyChanges(`${constant(7, 10)} ${constant(9, 30)}`),
        ...passes(source, destination, counter([6, 10], [0, 30])),
        drops(source, destination, counter([0, 10], [4, 10], [0, 20])),
      ],
      moments: [
        { at: "9m45s", firing: [] },
        { at: "12m", firing: cut },
        // what fired once goes on for a while, and ends
        { at: "22m", firing: [...cut, ...denied].sort() },
        { at: "38m", firing: [] },
      ],
    },
    {
      title: "an explicit deny cuts it too",
      about: ["DeclaredFlowCut", closed],
      evaluation: "30s",
      series: [
        ...healthy(20, "cilium_policy_change_total"),
        policyChanges(`${constant(7, 10)} ${constant(9, 10)}`),
        ...passes(source, destination, counter([6, 10], [0, 10])),
        drops(source, destination, counter([0, 10], [4, 10]), "POLICY_DENY"),
      ],
      moments: [{ at: "12m", firing: cut }],
    },
    {
      title: "without a change of policies, a declared flow of which nothing passes is an alert after some minutes",
      about: ["DeclaredFlowDenied"],
      series: [
        ...healthy(40),
        ...passes(source, destination, counter([6, 10], [0, 30])),
        drops(source, destination, counter([0, 10], [4, 15], [0, 15])),
      ],
      moments: [
        { at: "14m", firing: [] },
        { at: "21m", firing: denied },
        { at: "37m", firing: [] },
      ],
    },
    {
      title: "a roll-out whose new pods are denied for four minutes is silent, beside what passes and without it",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied", "DeclaredPairPartlyDenied"],
      evaluation: "30s",
      series: [
        ...healthy(40),
        ...passes(source, destination, counter([6, 10], [0, 4], [6, 26])),
        drops(source, destination, counter([0, 10], [8, 4], [0, 26])),
        drops(stranger, hidden, counter([0, 10], [8, 4], [0, 26])),
        drops(outside, hidden, counter([0, 10], [8, 4], [0, 26]), "POLICY_DENY"),
        ...passes(destination, source, counter([6, 40])),
        drops(destination, source, counter([0, 10], [8, 4], [0, 26])),
      ],
      moments: ["11m", "12m", "13m", "14m", "15m", "18m", "22m", "30m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "ICMP is nobody's flow",
      about: ["UndeclaredFlowDenied", "DeclaredFlowDenied", "MetadataEndpointTried"],
      series: [
        ...healthy(60, "cilium_policy_change_total"),
        policyChanges(`${constant(7, 5)} ${constant(9, 55)}`),
        ...["ICMPv4", "ICMPv6"].flatMap((protocol) => [
          drops(source, destination, counter([50, 60]), "POLICY_DENIED", protocol),
          drops(stranger, hidden, counter([50, 60]), "POLICY_DENIED", protocol),
          drops(stranger, outside, counter([50, 60]), "POLICY_DENY", protocol),
          verdicts("DROPPED", counter([90, 60]), protocol),
        ]),
      ],
      moments: ["6m", "20m", "40m", "59m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "an undeclared flow that is denied for long: the owner of the source's namespace",
      about: ["UndeclaredFlowDenied"],
      evaluation: "2m",
      series: [...healthy(80), drops(stranger, far, counter([0, 5], [4, 30], [0, 45]), "POLICY_DENIED", "UDP")],
      moments: [
        { at: "15m", firing: [] },
        { at: "25m", firing: [undeclared] },
        { at: "50m", firing: [undeclared] },
        { at: "75m", firing: [] },
      ],
    },
    {
      title: "an undeclared flow from a namespace that nobody knows: the owner of the platform",
      about: ["UndeclaredFlowDenied"],
      evaluation: "2m",
      series: [...healthy(40), drops({ namespace: "nobody-knows", name: "x" }, far, counter([4, 40]))],
      moments: [{ at: "30m", firing: ["UndeclaredFlowDenied platform warning"] }],
    },
    {
      title: "a declared pair that is denied beside what passes: the owner of the namespace",
      about: ["DeclaredPairPartlyDenied"],
      evaluation: "2m",
      series: [
        ...healthy(60),
        ...passes(source, destination, counter([6, 60])),
        drops(source, destination, counter([0, 5], [4, 25], [0, 30])),
      ],
      moments: [
        { at: "15m", firing: [] },
        { at: "30m", firing: [partly] },
        // what fired goes on for a while, and ends
        { at: "45m", firing: [partly] },
        { at: "58m", firing: [] },
      ],
    },
    ...[
      { words: "an undeclared flow", to: far, told: undeclared },
      { words: "a declared pair beside what passes", to: destination, told: partly },
    ].map(({ words, to, told }): Scenario => ({
      // a little more than one attempt in five minutes: the first window has seen enough long before the second
      title: `${words} that is denied now and then: its owner hears once half an hour has seen enough`,
      about: ["UndeclaredFlowDenied", "DeclaredPairPartlyDenied"],
      evaluation: "2m",
      series: [
        ...healthy(40),
        ...passes(source, destination, counter([6, 40])),
        drops(source, to, counter([0, 5], [0.3125, 35])),
      ],
      moments: [
        { at: "26m", firing: [] },
        { at: "39m", firing: [told] },
      ],
    })),
    {
      title: "a declared flow that is cut and an undeclared one that is tried are different alerts",
      about: ["DeclaredFlowDenied", "UndeclaredFlowDenied"],
      evaluation: "2m",
      series: [
        ...healthy(40),
        ...passes(source, destination, counter([6, 5], [0, 35])),
        drops(source, destination, counter([0, 5], [4, 35])),
        drops(stranger, far, counter([0, 5], [4, 35])),
      ],
      moments: [{ at: "30m", firing: [...denied, undeclared].sort() }],
    },
    {
      title: "one attempt at a metadata endpoint: security hears at once, whatever the pod may reach outside",
      about: ["MetadataEndpointTried"],
      series: [
        ...healthy(60, "cilium_policy_change_total"),
        policyChanges(`${constant(7, 10)} ${constant(9, 50)}`),
        // the counter begins with the attempt: its packet is a verdict and a drop
        drops(source, outside, `_x${steps(15)} 2x${steps(45)}`, "POLICY_DENY"),
      ],
      moments: [
        { at: "14m", firing: [] },
        { at: "16m", firing: ["MetadataEndpointTried security critical"] },
        { at: "35m", firing: ["MetadataEndpointTried security critical"] },
        { at: "50m", firing: [] },
      ],
    },
    {
      title: "a counter that exists when Prometheus sees the agent for the first time is no attempt",
      about: ["MetadataEndpointTried"],
      series: [
        ...healthy(20, "up"),
        { series: labelled("up", { ...hubble, job: "hubble" }), values: `_x${steps(2)} 1x${steps(18)}` },
        drops(source, outside, `_x${steps(2)} 40x${steps(18)}`, "POLICY_DENY"),
      ],
      moments: [
        { at: "4m", firing: [] },
        { at: "15m", firing: [] },
      ],
    },
    {
      title: "something outside that keeps trying a closed workload: security",
      about: ["ClosedWorkloadTried"],
      evaluation: "2m",
      series: [
        ...healthy(50),
        drops(
          { namespace: "", name: "reserved:world-ipv4" },
          hidden,
          counter([0, 10], [2, 15], [0, 25]),
          "POLICY_DENY",
        ),
      ],
      moments: [...between("ClosedWorkloadTried security critical", [16, 40])],
    },
    ...falseFriends(example),
    {
      title: "an explicit deny between namespaces: security",
      about: [closed],
      evaluation: "2m",
      series: [...healthy(60), drops(stranger, far, counter([0, 10], [4, 1], [0, 49]), "POLICY_DENY")],
      moments: between(`${closed} security critical`, [11, 35]),
    },
    {
      title: "few explicit denies between namespaces are silent",
      about: [closed],
      series: [...healthy(20), drops(stranger, far, counter([0, 10], [0.5, 1], [0, 9]), "POLICY_DENY")],
      moments: ["11m", "12m", "15m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "one knock from outside, and what no policy allows after it, is nobody who keeps trying",
      about: ["ClosedWorkloadTried"],
      series: [
        ...healthy(30),
        drops(outside, hidden, counter([0, 10], [8, 1], [0, 19]), "POLICY_DENY"),
        drops(outside, hidden, counter([0, 10], [4, 9], [0, 11])),
        drops(outside, { ...hidden, name: "another" }, counter([0.05, 30]), "POLICY_DENY"),
      ],
      moments: ["16m", "18m", "20m"].map((at) => ({ at, firing: [] })),
    },
  ];
}

/** What looks like a denial or like traffic that passes, and is neither. */
function falseFriends({ monitoring, plan }: Watched): readonly Scenario[] {
  const pair = pairOf(monitoring);
  const { source, destination } = pair;
  const outside: MetricEnd = { namespace: "", name: "reserved:world" };
  const denied = flowOwners(monitoring, pair).map((owner) => `DeclaredFlowDenied ${owner} critical`);
  const cut = flowOwners(monitoring, pair).map((owner) => `DeclaredFlowCut ${owner} critical`);
  const verdict = (to: MetricEnd, labels: Readonly<Record<string, string>>): InputSeries => ({
    series: labelled("hubble_policy_verdicts_total", {
      ...hubble,
      match: "l3-l4",
      action: "forwarded",
      ...labels,
      ...pairLabels(source, to),
    }),
    values: counter([6, 40]),
  });
  const changed = [
    ...healthy(40, "cilium_policy_change_total"),
    policyChanges(`${constant(7, 10)} ${constant(9, 30)}`),
  ];
  const burst = (from: MetricEnd, to: MetricEnd, reason?: string): InputSeries =>
    drops(from, to, counter([0, 10], [4, 30]), reason);
  const servers = monitoring.pairs.find(({ flows }) => flows.includes("dns"))?.destination;
  const entrance = plan.flows.find(
    ({ from, to }) => from.kind === "entity" && from.entity === "internet" && to.kind === "workload",
  );
  return [
    {
      title: "verdicts that deny, that let a pod out alone, and those of layer 7 do not pass",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
      series: [
        ...changed,
        ...passes(source, destination, counter([6, 10], [0, 30])),
        verdict(destination, { direction: "ingress", action: "dropped" }),
        verdict(destination, { direction: "egress", match: "all" }),
        verdict(destination, { direction: "ingress", match: "l7/http" }),
        burst(source, destination),
      ],
      moments: [
        { at: "12m", firing: cut },
        { at: "21m", firing: [...cut, ...denied].sort() },
      ],
    },
    {
      title: "out of the cluster and to namespaces without policies, only verdicts that let a pod out pass",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
      series: [
        ...changed,
        ...(servers === undefined
          ? []
          : [
              verdict(servers, { direction: "egress", action: "dropped" }),
              verdict(servers, { direction: "egress", match: "l7/dns" }),
              verdict(servers, { direction: "ingress" }),
              burst(source, servers),
            ]),
      ],
      moments:
        servers === undefined
          ? []
          : [
              { at: "12m", firing: ["DeclaredFlowCut platform critical"] },
              { at: "21m", firing: ["DeclaredFlowCut platform critical", "DeclaredFlowDenied platform critical"] },
            ],
    },
    {
      title: "a source that gives up after four minutes is silent",
      about: ["DeclaredFlowDenied"],
      series: [
        ...healthy(25),
        ...passes(source, destination, counter([6, 4], [0, 21])),
        drops(source, destination, counter([0, 10], [8, 4], [0, 11])),
      ],
      moments: ["14m", "17m", "20m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "a declared flow of which little is denied: nobody, or its owner after some minutes",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
      series: [
        ...changed,
        ...passes(source, destination, counter([6, 5], [0, 35])),
        drops(source, destination, counter([0, 10], [0.45, 30])),
      ],
      moments: [
        { at: "13m", firing: [] },
        { at: "24m", firing: denied },
      ],
    },
    {
      title: "a declared flow of which one packet is denied in 100 seconds is silent",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
      series: [
        ...changed,
        ...passes(source, destination, counter([6, 5], [0, 35])),
        drops(source, destination, counter([0, 10], [0.15, 30])),
      ],
      moments: ["13m", "24m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "a change that agents refuse cuts nothing: the flow is denied for another reason",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
      series: [
        ...healthy(40),
        policyChanges(`${constant(7, 10)} ${constant(9, 30)}`, "fail"),
        ...passes(source, destination, counter([6, 10], [0, 30])),
        burst(source, destination),
      ],
      moments: [
        { at: "13m", firing: [] },
        { at: "22m", firing: denied },
      ],
    },
    {
      title: "a single event towards a closed address, and what a node tries, are no attempt of a pod",
      about: ["MetadataEndpointTried"],
      series: [
        ...healthy(25),
        drops(source, outside, `_x${steps(5)} 1x${steps(20)}`, "POLICY_DENY"),
        drops({ namespace: "", name: "reserved:host" }, outside, counter([4, 25]), "POLICY_DENY"),
      ],
      moments: ["7m", "12m", "20m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "drops that no policy makes are silent",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied", "UndeclaredFlowDenied"],
      series: [
        ...changed,
        ...passes(source, destination, counter([6, 10], [0, 30])),
        burst(source, destination, "STALE_OR_UNROUTABLE_IP"),
        burst({ namespace: source.namespace, name: "stranger" }, destination, "CT_MAP_INSERTION_FAILED"),
      ],
      moments: ["12m", "21m", "35m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "an explicit deny towards the outside, or from there, is held against no declared flow",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied", "UndeclaredFlowDenied", "ClosedWorkloadTried"],
      series: [
        ...changed,
        ...monitoring.pairs
          .filter((each) => each.destination.name === outside.name && each.source.namespace !== "")
          .flatMap((each) => [
            ...passes(each.source, outside, counter([6, 10], [0, 30])),
            burst(each.source, outside, "POLICY_DENY"),
          ]),
        ...(entrance === undefined
          ? []
          : monitoring.pairs
              .filter((each) => each.source.name === outside.name && each.destination.namespace !== "")
              .map((each) => burst(outside, each.destination, "POLICY_DENY"))),
        burst(source, outside, "POLICY_DENY"),
        burst(outside, { namespace: destination.namespace, name: "hidden" }, "POLICY_DENY"),
      ],
      moments: [
        { at: "12m", firing: ["MetadataEndpointTried security critical"] },
        { at: "38m", firing: ["ClosedWorkloadTried security critical", "MetadataEndpointTried security critical"] },
      ],
    },
  ];
}

function budgetScenarios(): readonly Scenario[] {
  // hours pass here: one value a minute, and a quarter as many minutes in what counts four steps to each
  const traffic = (dropped: (readonly [number, number])[], passed = 1000, minutes = 120): InputSeries[] => [
    ...healthy(minutes, "hubble_flows_processed_total"),
    verdicts("FORWARDED", counter([passed, minutes])),
    verdicts("DROPPED", counter(...dropped)),
  ];
  const fast = "ViolationBudgetBurnsFast security critical";
  const slow = "ViolationBudgetBurnsSlowly security warning";
  return [
    {
      title: "S1-25 two percent of verdicts are denials: the budget burns fast, and slowly too once it lasts",
      about: ["ViolationBudgetBurnsFast", "ViolationBudgetBurnsSlowly"],
      interval: "1m",
      evaluation: "5m",
      series: traffic([
        [0, 15],
        [20, 45],
        [0, 60],
      ]),
      moments: [
        { at: "50m", firing: [] },
        { at: "130m", firing: [fast, slow] },
        { at: "275m", firing: [slow] },
      ],
    },
    {
      title: "S1-25 0.2 percent: the budget burns slowly",
      about: ["ViolationBudgetBurnsFast", "ViolationBudgetBurnsSlowly"],
      interval: "1m",
      evaluation: "5m",
      series: traffic([[2, 120]]),
      moments: [
        { at: "50m", firing: [] },
        { at: "120m", firing: [slow] },
      ],
    },
    {
      title: "S1-25 0.05 percent is within the objective",
      about: ["ViolationBudgetBurnsFast", "ViolationBudgetBurnsSlowly"],
      interval: "1m",
      evaluation: "5m",
      series: traffic([[0.5, 120]]),
      moments: ["120m", "300m", "470m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "S1-25 a single denial in a cluster without traffic says nothing",
      about: ["ViolationBudgetBurnsFast", "ViolationBudgetBurnsSlowly"],
      interval: "1m",
      evaluation: "5m",
      series: traffic([[0.5, 120]], 0.5),
      moments: ["120m", "300m", "470m"].map((at) => ({ at, firing: [] })),
    },
  ];
}

function troubles(): readonly Scenario[] {
  const of = (metric: string, labels: Record<string, string>, values: string): InputSeries => ({
    series: labelled(metric, { ...agent, ...labels }),
    values,
  });
  const delays = (...parts: readonly (readonly [fast: number, slow: number, minutes: number])[]): InputSeries[] => {
    const quick = counter(...parts.map(([fast, , minutes]) => [fast, minutes] as const));
    const all = counter(...parts.map(([fast, slow, minutes]) => [fast + slow, minutes] as const));
    return [
      of("cilium_policy_implementation_delay_bucket", { source: "k8s", le: "1" }, quick),
      of("cilium_policy_implementation_delay_bucket", { source: "k8s", le: "10" }, all),
      of("cilium_policy_implementation_delay_bucket", { source: "k8s", le: "+Inf" }, all),
      of("cilium_policy_implementation_delay_count", { source: "k8s" }, all),
    ];
  };
  const events = (perStep: number, minutes = 20): InputSeries => ({
    series: labelled("hubble_lost_events_total", { ...hubble, source: "hubble_ring_buffer" }),
    values: counter([0, 10], [perStep, minutes], [0, 50 - minutes]),
  });
  const dropped = (reason: string, perStep: number, minutes = 20): InputSeries =>
    of(
      "cilium_drop_count_total",
      { reason, direction: "EGRESS" },
      counter([0, 10], [perStep, minutes], [0, 50 - minutes]),
    );
  const unencrypted = (perStep: number, minutes?: number): InputSeries =>
    dropped("Traffic is unencrypted", perStep, minutes);
  const encrypting = (instance: string, value: number | string): InputSeries => ({
    series: labelled("cilium_feature_adv_connect_and_lb_transparent_encryption", {
      instance,
      mode: "wireguard",
      node2node_enabled: "false",
    }),
    values: typeof value === "string" ? value : constant(value, 60),
  });
  const silent = (title: string, about: string, ...series: readonly InputSeries[]): Scenario => ({
    title,
    about: [about],
    series: [...healthy(60), ...series],
    moments: ["20m", "30m", "40m"].map((at) => ({ at, firing: [] })),
  });
  const fires = (
    title: string,
    alert: string,
    minutes: readonly [number, number],
    ...series: readonly InputSeries[]
  ): Scenario => ({
    title,
    about: [alert.split(" ")[0] ?? ""],
    series: [...healthy(60), ...series],
    moments: between(alert, minutes),
  });
  return [
    {
      title: "no endpoint is enforced any more",
      about: ["EnforcementOff"],
      series: [
        ...healthy(60, "cilium_policy_endpoint_enforcement_status"),
        enforcement("both", `${constant(12, 10)} ${constant(0, 20)} ${constant(12, 30)}`),
        enforcement("none", `${constant(5, 10)} ${constant(17, 20)} ${constant(5, 30)}`),
      ],
      moments: between("EnforcementOff security critical", [13, 35]),
    },
    {
      title: "an agent audits",
      about: ["EnforcementAudited"],
      series: [...healthy(60), enforcement("audit-both", `${constant(0, 10)} ${constant(3, 20)} ${constant(0, 30)}`)],
      moments: between("EnforcementAudited security critical", [13, 35]),
    },
    {
      title: "a policy is refused by an agent",
      about: ["PolicyImportFailed"],
      series: [...healthy(60), policyChanges(`${constant(0, 10)} ${constant(1, 50)}`, "fail")],
      moments: between("PolicyImportFailed platform critical", [11, 34]),
    },
    silent("policies are taken over", "PolicyImportFailed", policyChanges(counter([3, 60]), "success")),
    {
      title: "no pod is there yet",
      about: ["EnforcementOff"],
      series: [
        ...healthy(60, "cilium_policy_endpoint_enforcement_status"),
        enforcement("both", constant(0, 60)),
        enforcement("none", constant(0, 60)),
      ],
      moments: [{ at: "20m", firing: [] }],
    },
    {
      title: "policies take long",
      about: ["PolicyPropagationSlow"],
      series: [...healthy(60), ...delays([9, 1, 25], [10, 0, 35])],
      moments: between("PolicyPropagationSlow platform warning", [11, 42]),
    },
    silent("one policy took long, and there was no other", "PolicyPropagationSlow", ...delays([0, 0.001, 60])),
    silent("policies are quick", "PolicyPropagationSlow", ...delays([10, 0, 60])),
    fires(
      "a policy map is almost full",
      "PolicyMapPressure platform warning",
      [16, 45],
      of(
        "cilium_bpf_map_pressure",
        { map_name: "policy" },
        `${constant(0.5, 10)} ${constant(0.95, 20)} ${constant(0.5, 30)}`,
      ),
    ),
    silent(
      "another map is full",
      "PolicyMapPressure",
      of("cilium_bpf_map_pressure", { map_name: "ct4_global" }, constant(0.99, 60)),
    ),
    fires("Hubble loses events", "FlowEventsLost platform warning", [16, 41], events(50)),
    silent("Hubble loses a few events", "FlowEventsLost", events(0.5)),
    silent("Hubble loses many events for two minutes", "FlowEventsLost", events(200, 2)),
    silent("Hubble loses less than one event a second", "FlowEventsLost", events(7)),
    silent(
      "Hubble loses few of many events",
      "FlowEventsLost",
      events(20),
      verdicts("REDIRECTED", counter([20_000, 60])),
    ),
    silent("packets are dropped for another reason", "UnencryptedTrafficDropped", dropped("Invalid source ip", 5)),
    silent("traffic in the clear for two minutes", "UnencryptedTrafficDropped", unencrypted(40, 2)),
    silent("little traffic in the clear for six minutes", "UnencryptedTrafficDropped", unencrypted(2.25, 6)),
    fires("traffic in the clear is dropped", "UnencryptedTrafficDropped platform warning", [19, 41], unencrypted(5)),
    silent("one packet in the clear", "UnencryptedTrafficDropped", unencrypted(0.1)),
    {
      title: "one agent encrypts and another does not",
      about: ["EncryptionOff"],
      series: [
        ...healthy(60),
        encrypting("10.0.0.1:9962", 1),
        encrypting("10.0.0.2:9962", `${constant(0, 20)} ${constant(1, 40)}`),
      ],
      moments: between("EncryptionOff security critical", [10, 30]),
    },
    silent("all agents encrypt", "EncryptionOff", encrypting("10.0.0.1:9962", 1), encrypting("10.0.0.2:9962", 1)),
    silent("no agent is to encrypt", "EncryptionOff", encrypting("10.0.0.1:9962", 0)),
    fires("the canary failed", "CanaryFailed security critical", [12, 40], {
      series: 'kube_job_status_failed{namespace="cluster-security-canary",job_name="deny-all-must-block-egress"}',
      values: `${constant(0, 10)} ${constant(1, 20)} ${constant(0, 30)}`,
    }),
    silent("a Job of others failed", "CanaryFailed", {
      series: 'kube_job_status_failed{namespace="shop",job_name="import"}',
      values: constant(1, 60),
    }),
  ];
}

/** Each metric that alerts stand on, gone. */
function absentScenarios({ monitoring }: Watched): readonly Scenario[] {
  const there: Scenario = {
    title: "every metric is there",
    about: ["PolicyMetricsAbsent"],
    series: healthy(30),
    moments: ["15m", "29m"].map((at) => ({ at, firing: [] })),
  };
  const gone = monitoring.alerts
    .filter(({ name }) => name === "PolicyMetricsAbsent")
    .map(({ labels }): Scenario => {
      const metric = labels?.["metric"] ?? "";
      return {
        title: `${metric} is gone`,
        about: ["PolicyMetricsAbsent"],
        series: healthy(30, metric),
        moments: [
          { at: "9m", firing: [] },
          { at: "15m", firing: ["PolicyMetricsAbsent platform critical"] },
        ],
      };
    });
  return [there, ...gone];
}

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

const felixNode = { instance: "10.0.0.1:9091" };

/** What Felix, WireGuard and Goldmane report. */
export function calicoScenarios(): readonly Scenario[] {
  const of = (metric: string, labels: Record<string, string>, values: string): InputSeries => ({
    series: labelled(metric, { ...felixNode, ...labels }),
    values,
  });
  const well = (...without: readonly string[]): InputSeries[] =>
    [
      of("felix_cluster_num_policies", {}, constant(9, 60)),
      of("felix_active_local_endpoints", {}, constant(9, 60)),
      of("felix_int_dataplane_failures", {}, constant(3, 60)),
    ].filter(({ series }) => !without.some((metric) => series.startsWith(metric === "felix_" ? metric : `${metric}{`)));
  const scenario = (
    title: string,
    alert: string,
    minutes: readonly [number, number],
    replaced: string,
    ...series: readonly InputSeries[]
  ): Scenario => ({
    title,
    about: [alert.split(" ")[0] ?? ""],
    series: [...well(replaced), ...series],
    moments: between(alert, minutes),
  });
  const silent = (title: string, about: string, replaced: string, ...series: readonly InputSeries[]): Scenario => ({
    title,
    about: [about],
    series: [...well(replaced), ...series],
    moments: ["20m", "30m", "40m"].map((at) => ({ at, firing: [] })),
  });
  const apply = (seconds: number, perStep = 1, quantile = "0.99"): InputSeries[] => [
    of(
      "felix_int_dataplane_apply_time_seconds",
      { quantile },
      `${constant(0.2, 10)} ${constant(seconds, 20)} ${constant(0.2, 30)}`,
    ),
    of("felix_int_dataplane_apply_time_seconds_count", {}, counter([perStep, 60])),
  ];
  const peer = { hostname: "node-1", peer_key: "key", public_key: "own" };
  const goldmane = (lost: number): InputSeries[] => [
    of("goldmane_aggr_received_flows_total", {}, counter([100, 60])),
    of("goldmane_aggr_dropped_flows_total", {}, counter([0, 10], [lost, 15], [0, 35])),
  ];
  const all = [
    scenario(
      "Felix knows no policy any more",
      "EnforcementOff security critical",
      [13, 35],
      "felix_cluster_num_policies",
      of("felix_cluster_num_policies", {}, `${constant(9, 10)} ${constant(0, 20)} ${constant(9, 30)}`),
    ),
    scenario(
      "the dataplane fails again and again",
      "FelixDataplaneFailing platform critical",
      [16, 41],
      "felix_int_dataplane_failures",
      of("felix_int_dataplane_failures", {}, counter([0, 10], [1, 20], [0, 30])),
    ),
    silent(
      "one failure that was repaired",
      "FelixDataplaneFailing",
      "felix_int_dataplane_failures",
      of("felix_int_dataplane_failures", {}, `${constant(0, 10)} ${constant(1, 50)}`),
    ),
    silent(
      "a cluster without pods has no policy",
      "EnforcementOff",
      "felix_",
      of("felix_cluster_num_policies", {}, constant(0, 60)),
      of("felix_active_local_endpoints", {}, constant(0, 60)),
    ),
    silent(
      "the dataplane failed for two minutes",
      "FelixDataplaneFailing",
      "felix_int_dataplane_failures",
      of("felix_int_dataplane_failures", {}, counter([0, 10], [1, 2], [0, 48])),
    ),
    silent(
      "the dataplane fails now and then",
      "FelixDataplaneFailing",
      "felix_int_dataplane_failures",
      of("felix_int_dataplane_failures", {}, counter([0.04, 60])),
    ),
    silent("one update took long, and there were few", "PolicyPropagationSlow", "", ...apply(9, 0.01)),
    silent("the slowest update of all took long", "PolicyPropagationSlow", "", ...apply(9, 1, "1")),
    scenario("updates take long", "PolicyPropagationSlow platform warning", [21, 40], "", ...apply(9)),
    silent("updates are quick", "PolicyPropagationSlow", "", ...apply(0.5)),
    scenario(
      "a WireGuard peer is silent while it is sent to",
      "WireGuardStale security critical",
      [21, 40],
      "",
      of("wireguard_latest_handshake_seconds", peer, `0+15x${steps(10)} ${constant(600, 20)} 1800+15x${steps(30)}`),
      of("wireguard_bytes_sent", peer, counter([1000, 60])),
    ),
    silent(
      "a WireGuard peer that nobody sends to",
      "WireGuardStale",
      "",
      of("wireguard_latest_handshake_seconds", peer, constant(0, 60)),
      of("wireguard_bytes_sent", peer, constant(1000, 60)),
    ),
    scenario("Goldmane loses flows", "FlowEventsLost platform warning", [17, 43], "", ...goldmane(10)),
    silent("Goldmane loses a few flows", "FlowEventsLost", "", ...goldmane(0.2)),
    ...["felix_cluster_num_policies", "felix_active_local_endpoints"].map((metric): Scenario => ({
      title: `${metric} is gone`,
      about: ["PolicyMetricsAbsent"],
      series: well(metric),
      moments: [
        { at: "9m", firing: [] },
        { at: "20m", firing: ["PolicyMetricsAbsent platform critical"] },
      ],
    })),
  ];
  return within(["calico", "watch"], slowly(all));
}

/** What ztunnel and waypoints report, between two workloads of the plan. */
export function meshScenarios(example: Watched): readonly Scenario[] {
  const { from, to } = meshFlow(example);
  const ends = {
    source_workload_namespace: from.namespace,
    source_workload: from.name,
    destination_workload_namespace: to.namespace,
    destination_workload: to.name,
  };
  const burst = (metric: string, labels: Record<string, string>, perStep: number, minutes = 20): InputSeries => ({
    series: labelled(metric, { ...ends, ...labels }),
    values: counter([0, 10], [perStep, minutes], [0, 50 - minutes]),
  });
  const failed = "istio_tcp_connections_failed_total";
  const owner = example.monitoring.owners.get(to.namespace) ?? "platform";
  const scenario = (
    title: string,
    alert: string,
    minutes: readonly [number, number],
    ...series: readonly InputSeries[]
  ): Scenario => ({
    title,
    about: [alert.split(" ")[0] ?? ""],
    series: [...healthy(60), ...series],
    moments: between(alert, minutes),
  });
  const silent = (title: string, about: string, ...series: readonly InputSeries[]): Scenario => ({
    title,
    about: [about],
    series: [...healthy(60), ...series],
    moments: ["20m", "30m", "40m"].map((at) => ({ at, firing: [] })),
  });
  const request = { reporter: "destination", response_code: "403", connection_security_policy: "mutual_tls" };
  const has = (name: string): boolean => example.monitoring.alerts.some((alert) => alert.name === name);
  const all: readonly Scenario[] = [
    scenario(
      "ztunnel denies",
      `MeshConnectionDenied ${owner} warning`,
      [21, 44],
      burst(failed, { response_flags: "DENY" }, 2),
    ),
    silent("ztunnel fails for another reason", "MeshConnectionDenied", burst(failed, { response_flags: "CONNECT" }, 2)),
    scenario(
      "a network policy blocks the tunnel",
      "MeshTunnelBlocked platform critical",
      [13, 35],
      burst(failed, { response_flags: "NETWORK_POLICY" }, 2),
    ),
    silent("ztunnel fails to connect", "MeshTunnelBlocked", burst(failed, { response_flags: "CONNECT" }, 2)),
    silent(
      "the tunnel is blocked for a minute",
      "MeshTunnelBlocked",
      burst(failed, { response_flags: "NETWORK_POLICY" }, 4, 1),
    ),
    silent(
      "the tunnel is blocked now and then",
      "MeshTunnelBlocked",
      burst(failed, { response_flags: "NETWORK_POLICY" }, 0.25),
    ),
    silent(
      "a client says that its requests are forbidden",
      "MeshRequestForbidden",
      burst("istio_requests_total", { ...request, reporter: "source" }, 2),
    ),
    silent(
      "a client says that it sends plaintext",
      "PlaintextAccepted",
      burst(
        "istio_requests_total",
        { reporter: "source", response_code: "200", connection_security_policy: "none" },
        2,
      ),
    ),
    silent(
      "requests and connections are encrypted",
      "PlaintextAccepted",
      burst("istio_requests_total", { ...request, response_code: "200" }, 2),
      burst(
        "istio_tcp_connections_opened_total",
        { reporter: "destination", connection_security_policy: "mutual_tls" },
        2,
      ),
    ),
    scenario(
      "requests are forbidden",
      `MeshRequestForbidden ${owner} warning`,
      [21, 44],
      burst("istio_requests_total", request, 2),
    ),
    silent(
      "requests fail",
      "MeshRequestForbidden",
      burst("istio_requests_total", { ...request, response_code: "500" }, 2),
    ),
    scenario(
      "plaintext is accepted",
      "PlaintextAccepted security critical",
      [16, 44],
      burst(
        "istio_requests_total",
        { reporter: "destination", response_code: "200", connection_security_policy: "none" },
        2,
      ),
    ),
    scenario(
      "plaintext connections are accepted",
      "PlaintextAccepted security critical",
      [16, 44],
      burst("istio_tcp_connections_opened_total", { reporter: "destination", connection_security_policy: "none" }, 2),
    ),
    {
      title: "the mesh's metrics are gone",
      about: ["PolicyMetricsAbsent"],
      series: healthy(30, "istio_tcp_connections_opened_total"),
      groups: ["cluster-security-watch"],
      moments: [{ at: "15m", firing: ["PolicyMetricsAbsent platform critical"] }],
    },
  ];
  // a mesh of sidecars has no ztunnel
  return slowly(all)
    .filter(({ about }) => about.every(has))
    .map((each) => ({ ...each, groups: each.groups ?? ["cluster-security-table", "cluster-security-istio"] }));
}

/** Those of them whose alerts name an owner: the rest of the rules is the same in every declaration. */
export function meshOwnerScenarios(example: Watched): readonly Scenario[] {
  const isFiring = ({ moments }: Scenario): boolean => moments.some(({ firing }) => firing.length > 0);
  return meshScenarios(example).filter(
    (scenario) =>
      isFiring(scenario) && scenario.about.some((name) => /^Mesh(?:ConnectionDenied|RequestForbidden)$/.test(name)),
  );
}

/** A declared flow between workloads: to another namespace where there is one. */
function meshFlow({ plan }: Watched): Readonly<Record<"from" | "to", { namespace: string; name: string }>> {
  const all = plan.flows.flatMap(({ from, to }) =>
    from.kind === "workload" && to.kind === "workload" ? [{ from, to }] : [],
  );
  const found = all.find(({ from, to }) => from.namespace !== to.namespace) ?? all[0];
  if (found === undefined) throw new Error("no declared flow between workloads");
  return found;
}
