/** Connections that are denied: declared, undeclared, or tried where something must stay closed. */
import { Tier } from "../../../sdk/plan/index";
import type { MetricEnd } from "../../../sdk/monitoring/table";
import type { Watched } from "../declarations";
import type { InputSeries, Scenario } from "../promtool";
import { falseFriends } from "./false-friends";
import { flowOwners, pairOf, widePairs } from "./pair";
import {
  between,
  constant,
  counter,
  drops,
  healthy,
  hubble,
  labelled,
  passes,
  policyChanges,
  steps,
  verdicts,
  within,
} from "./series";

/** How many connections and changes come about. */
export function successScenario({ monitoring }: Watched): Scenario {
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
    ...barely(example),
    ...wide(example),
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

/** What is above a limit by something that does not count, or was above it before. */
function barely({ monitoring, plan }: Watched): readonly Scenario[] {
  const { source } = pairOf(monitoring);
  const home = plan.namespaces.find(({ tier }) => tier === Tier.Applications)?.name ?? source.namespace;
  const ownerOf = (name: string): string => monitoring.owners.get(name) ?? "platform";
  const stranger: MetricEnd = { namespace: source.namespace, name: "stranger" };
  const hidden: MetricEnd = { namespace: home, name: "hidden" };
  const outside: MetricEnd = { namespace: "", name: "reserved:world" };
  const ends = [
    [stranger, { namespace: "far-away", name: "safe" }],
    [stranger, outside],
    [outside, hidden],
  ] as const;
  const explicit = ["ClosedWorkloadTried security critical", "MetadataEndpointTried security critical"];
  const told = [...new Set([source.namespace, home].map((name) => `UndeclaredFlowDenied ${ownerOf(name)} warning`))];
  const beside = (minutes: number): InputSeries[] => [
    drops(ends[0][0], ends[0][1], counter([50, minutes]), "POLICY_DENIED", "ICMPv4"),
    drops(stranger, outside, counter([4, minutes]), "POLICY_DENY"),
    drops(outside, hidden, counter([4, minutes]), "POLICY_DENY"),
  ];
  const outwards = monitoring.pairs.find((row) => row.destination.name === outside.name && row.source.namespace !== "");
  return [
    {
      title: "ICMP and explicit denies beside a few denials make them no more: half an hour has to see enough",
      about: ["UndeclaredFlowDenied"],
      evaluation: "2m",
      series: [
        ...healthy(40),
        ...beside(40),
        ...ends.map(([from, to]) => drops(from, to, counter([0, 5], [0.3125, 35]))),
      ],
      moments: [
        { at: "26m", firing: explicit },
        { at: "39m", firing: [...explicit, ...told].sort() },
      ],
    },
    {
      title: "ICMP and explicit denies after a burst of denials do not make it go on",
      about: ["UndeclaredFlowDenied"],
      evaluation: "2m",
      series: [...healthy(26), ...beside(26), ...ends.map(([from, to]) => drops(from, to, counter([20, 2], [0, 24])))],
      moments: [{ at: "25m", firing: explicit }],
    },
    {
      title: "what never passed out of the cluster is not cut: another host may be meant",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied", "DeclaredPairPartlyDenied"],
      evaluation: "2m",
      series: [
        ...healthy(30, "cilium_policy_change_total"),
        policyChanges(`${constant(7, 4)} ${constant(9, 26)}`),
        ...(outwards === undefined ? [] : [drops(outwards.source, outside, counter([0, 4], [4, 26]))]),
      ],
      moments: [
        { at: "8m", firing: [] },
        { at: "16m", firing: [] },
        {
          at: "28m",
          firing:
            outwards === undefined ? [] : [`DeclaredPairPartlyDenied ${ownerOf(outwards.source.namespace)} warning`],
        },
      ],
    },
  ];
}

/** Pairs that a row for a whole namespace declares: the same conditions hold for them. */
function wide({ monitoring }: Watched): readonly Scenario[] {
  const pairs = widePairs(monitoring);
  if (pairs.length === 0) return [];
  const ownerOf = (name: string): string => monitoring.owners.get(name) ?? "platform";
  const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)].sort();
  const partly = unique(pairs.map(({ source }) => `DeclaredPairPartlyDenied ${ownerOf(source.namespace)} warning`));
  const denied = unique(
    pairs.flatMap((pair) => flowOwners(monitoring, pair)).map((owner) => `DeclaredFlowDenied ${owner} critical`),
  );
  const series = (passed: string, dropped: string): InputSeries[] =>
    pairs.flatMap(({ source, destination }) => [
      ...passes(source, destination, passed),
      drops(source, destination, dropped),
    ]);
  return [
    {
      title: "pairs of whole namespaces that are denied now and then: half an hour has to see enough",
      about: ["DeclaredPairPartlyDenied"],
      evaluation: "2m",
      series: [...healthy(40), ...series(counter([6, 40]), counter([0, 5], [0.3125, 35]))],
      moments: [
        { at: "26m", firing: [] },
        { at: "39m", firing: partly },
      ],
    },
    {
      title: "pairs of whole namespaces that are denied once in many minutes are silent",
      about: ["DeclaredPairPartlyDenied"],
      evaluation: "2m",
      series: [...healthy(40), ...series(counter([6, 40]), counter([0.2, 40]))],
      moments: [{ at: "39m", firing: [] }],
    },
    {
      title: "pairs of whole namespaces that are cut are not denied in part as well",
      about: ["DeclaredFlowDenied", "DeclaredPairPartlyDenied"],
      evaluation: "2m",
      series: [...healthy(32), ...series(counter([6, 4], [0, 28]), counter([0, 4], [4, 28]))],
      moments: [{ at: "30m", firing: denied }],
    },
  ];
}
