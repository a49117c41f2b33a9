/** What can happen to everything that a plan declares, all at once: scenarios out of the plan alone. */
import type { Plan, PlannedPeer } from "../../../sdk/plan/index";
import { Entity, Tier } from "../../../sdk/plan/index";
import type { MetricEnd } from "../../../sdk/monitoring/table";
import type { Watched } from "../declarations";
import type { Scenario } from "../promtool";
import { constant, counter, drops, healthy, passes, policyChanges, within } from "./series";

const outside: MetricEnd = { namespace: "", name: "reserved:world" };
const appLabels = ["app.kubernetes.io/name", "app", "k8s-app"];

/** How Hubble names a peer; `*` as the name stands for each pod of a namespace. Undefined: no pods and not the world. */
function endOf(plan: Plan, peer: PlannedPeer): MetricEnd | undefined {
  switch (peer.kind) {
    case "workload": {
      const found = plan.workloads.find(({ namespace, name }) => namespace === peer.namespace && name === peer.name);
      if (found?.hostNetwork === true) return undefined;
      const key = appLabels.find((each) => found?.labels[each] !== undefined);
      return { namespace: peer.namespace, name: key === undefined ? "" : (found?.labels[key] ?? "") };
    }
    case "namespace":
      return { namespace: peer.namespace, name: "*" };
    case "cidr":
    case "fqdn":
      return outside;
    case "entity":
      return peer.entity === Entity.Internet ? outside : undefined;
    case "metadata":
      return undefined;
  }
}

/** A flow's two ends, and who owns it. */
interface Row {
  readonly source: MetricEnd;
  readonly destination: MetricEnd;
  readonly owner: string;
}

function rowsOf(plan: Plan): readonly Row[] {
  const { namespace, labels, closedTo } = plan.dns;
  const key = appLabels.find((each) => labels[each] !== undefined);
  const servers: MetricEnd = { namespace, name: key === undefined ? "*" : (labels[key] ?? "*") };
  const asking = plan.namespaces.filter(({ name, tier }) => tier !== Tier.Platform && !closedTo.includes(name));
  return [
    ...flowRows(plan),
    ...asking.map(({ name }) => ({
      source: { namespace: name, name: "*" },
      destination: servers,
      owner: "platform",
    })),
  ];
}

function flowRows(plan: Plan): readonly Row[] {
  return plan.flows.flatMap(({ from, to, owner }) => {
    const [source, destination] = [endOf(plan, from), endOf(plan, to)];
    return source === undefined || destination === undefined ? [] : [{ source, destination, owner }];
  });
}

/** Pairs of pods, each once: a row for a whole namespace stands for a pod of it. */
function pairsOf(plan: Plan): readonly Pick<Row, "source" | "destination">[] {
  const concrete = ({ namespace, name }: MetricEnd): MetricEnd => ({
    namespace,
    name: name === "*" ? "some-pod" : name,
  });
  const all = rowsOf(plan).map(({ source, destination }) => ({
    source: concrete(source),
    destination: concrete(destination),
  }));
  return [...new Map(all.map((pair) => [JSON.stringify(pair), pair])).values()];
}

/** Owners of whatever is declared between two ends. Of flows of whole namespaces between the same ends the first owner stands for all. */
function ownersOf(plan: Plan, { source, destination }: Pick<Row, "source" | "destination">): readonly string[] {
  const fits = (end: MetricEnd, row: MetricEnd): boolean =>
    end.namespace === row.namespace && (row.name === "*" || row.name === end.name);
  const own = rowsOf(plan).filter((row) => fits(source, row.source) && fits(destination, row.destination));
  const wide = new Map<string, string>();
  const owners = new Set<string>();
  for (const row of own) {
    if (row.source.name !== "*" && row.destination.name !== "*") owners.add(row.owner);
    else {
      const key = JSON.stringify([row.source, row.destination]);
      const before = wide.get(key);
      if (before === undefined || row.owner < before) wide.set(key, row.owner);
    }
  }
  return [...new Set([...owners, ...wide.values()])].sort();
}

const firing = (alert: string, labels: string): string =>
  `group by (${labels}) (ALERTS{alertname="${alert}",alertstate="firing"})`;

/** Labels as promtool prints a sample, those without a value left out. */
function sample(labels: Readonly<Record<string, string>>): { labels: string; value: number } {
  const given = Object.entries(labels).filter(([, value]) => value !== "");
  return { labels: `{${given.map(([key, value]) => `${key}="${value}"`).join(", ")}}`, value: 1 };
}

function unique<T extends { readonly labels: string }>(samples: readonly T[]): readonly T[] {
  return [...new Map(samples.map((each) => [each.labels, each])).values()];
}

const pairLabels = "source_namespace, source, destination_namespace, destination, owner";

/** Scenarios in which every declared pair, every namespace and every boundary of a plan has its turn. */
export function planScenarios(example: Watched): readonly Scenario[] {
  const all = [
    everyFlowCut(example),
    everyFlowDenied(example),
    everyPairPartly(example),
    everyNamespaceTries(example),
    everyBoundary(example),
    everyNeighbour(example),
    everyNeighbourTries(example),
    everyNeighbourCut(example),
    noiseEverywhere(example),
  ];
  return within(["table", "denials"], all);
}

/** Every pair, and the samples and alerts that its owners get. */
function cutPairs({ plan }: Watched, alert: string) {
  const pairs = pairsOf(plan);
  const samples = pairs.flatMap(({ source, destination }) =>
    ownersOf(plan, { source, destination }).map((owner) =>
      sample({
        source_namespace: source.namespace,
        source: source.name,
        destination_namespace: destination.namespace,
        destination: destination.name,
        owner,
      }),
    ),
  );
  const owners = [...new Set(pairs.flatMap((pair) => ownersOf(plan, pair)))].sort();
  return {
    pairs,
    told: owners.map((owner) => `${alert} ${owner} critical`),
    records: { [firing(alert, pairLabels)]: unique(samples) },
  };
}

/** A policy cuts all that is declared: each owner hears of each pair, and of no other, until it is over. */
function everyFlowCut(example: Watched): Scenario {
  const { pairs, told, records } = cutPairs(example, "DeclaredFlowCut");
  return {
    title: `${example.name}: a change cuts each of ${pairs.length} declared pairs`,
    about: ["DeclaredFlowCut"],
    series: [
      ...healthy(14, "cilium_policy_change_total"),
      policyChanges(`${constant(7, 8)} ${constant(9, 6)}`),
      ...pairs.flatMap(({ source, destination }) => [
        ...passes(source, destination, counter([6, 8], [0, 6])),
        drops(source, destination, counter([0, 8], [4, 6])),
      ]),
    ],
    moments: [
      { at: "7m", firing: [] },
      { at: "10m", firing: told },
    ],
    records,
  };
}

/** The same without a change of policies: after some minutes. */
function everyFlowDenied(example: Watched): Scenario {
  const { pairs, told, records } = cutPairs(example, "DeclaredFlowDenied");
  return {
    title: `${example.name}: nothing passes of each of ${pairs.length} declared pairs, and no policy was changed`,
    about: ["DeclaredFlowDenied", "OtherTenantTried", "ClosedPathTried"],
    evaluation: "2m",
    series: [
      ...healthy(20),
      ...pairs.flatMap(({ source, destination }) => [
        ...passes(source, destination, counter([6, 4], [0, 16])),
        // between pods an explicit deny cuts like any other, and is no attempt
        drops(
          source,
          destination,
          counter([0, 4], [4, 16]),
          source.namespace === "" || destination.namespace === "" ? "POLICY_DENIED" : "POLICY_DENY",
        ),
      ]),
    ],
    moments: [
      { at: "8m", firing: [] },
      { at: "19m", firing: told },
    ],
    records,
  };
}

/** Bursts that page elsewhere: ICMP, and four minutes of a roll-out, in every pair, namespace and from outside. */
function noiseEverywhere({ name, plan }: Watched): Scenario {
  const pairs = pairsOf(plan);
  const burst = counter([0, 6], [8, 4], [0, 8]);
  const far: MetricEnd = { namespace: "far-away", name: "safe" };
  return {
    title: `${name}: ICMP, and a roll-out of four minutes, in each of ${pairs.length} declared pairs and each namespace`,
    about: ["DeclaredFlowCut", "DeclaredFlowDenied", "DeclaredPairPartlyDenied", "UndeclaredFlowDenied"],
    series: [
      ...healthy(18),
      ...pairs.flatMap(({ source, destination }) => [
        ...passes(source, destination, counter([6, 6], [0, 4], [6, 8])),
        drops(source, destination, burst),
        ...["ICMPv4", "ICMPv6"].map((protocol) =>
          drops(source, destination, counter([50, 18]), "POLICY_DENIED", protocol),
        ),
      ]),
      ...plan.namespaces.flatMap((one) => [
        drops({ namespace: one.name, name: "new" }, far, burst),
        drops(outside, { namespace: one.name, name: "new" }, burst, "POLICY_DENY"),
        drops({ namespace: one.name, name: "new" }, outside, counter([50, 18]), "POLICY_DENY", "ICMPv4"),
      ]),
    ],
    moments: ["8m", "10m", "12m", "17m"].map((at) => ({ at, firing: [] })),
  };
}

/** Each declared pair is denied beside what passes: the owner of the source's namespace hears. */
function everyPairPartly({ name, plan, monitoring }: Watched): Scenario {
  const pairs = pairsOf(plan).filter(({ source }) => source.namespace !== "");
  const ownerOf = (namespace: string): string => monitoring.owners.get(namespace) ?? "platform";
  const told = [...new Set(pairs.map(({ source }) => ownerOf(source.namespace)))].sort();
  return {
    title: `${name}: each of ${pairs.length} declared pairs is denied beside what passes`,
    about: ["DeclaredPairPartlyDenied"],
    evaluation: "5m",
    series: [
      ...healthy(26),
      ...pairs.flatMap(({ source, destination }) => [
        ...passes(source, destination, counter([6, 26])),
        drops(source, destination, counter([4, 26])),
      ]),
    ],
    moments: [
      { at: "14m", firing: [] },
      { at: "25m", firing: told.map((owner) => `DeclaredPairPartlyDenied ${owner} warning`) },
    ],
    records: {
      [firing("DeclaredPairPartlyDenied", "namespace, owner")]: unique(
        pairs.map(({ source }) => sample({ namespace: source.namespace, owner: ownerOf(source.namespace) })),
      ),
    },
  };
}

/** A pod of each namespace tries what nobody declared, and one of the metadata endpoints. */
function everyNamespaceTries({ name, plan, monitoring }: Watched): Scenario {
  const names = [...new Set([...plan.namespaces.map((each) => each.name), ...plan.exemptNamespaces])].sort();
  const ownerOf = (namespace: string): string => monitoring.owners.get(namespace) ?? "platform";
  const far: MetricEnd = { namespace: "far-away", name: "safe" };
  const told = [...new Set(names.map(ownerOf))].map((owner) => `UndeclaredFlowDenied ${owner} warning`);
  const tried = "MetadataEndpointTried security critical";
  return {
    title: `${name}: a pod of each of ${names.length} namespaces tries what is undeclared, and a metadata endpoint`,
    about: ["UndeclaredFlowDenied", "MetadataEndpointTried", "OtherTenantTried", "ClosedPathTried"],
    evaluation: "5m",
    series: [
      ...healthy(26),
      ...names.flatMap((namespace) => [
        drops({ namespace, name: "stranger" }, far, counter([4, 26])),
        drops({ namespace, name: "stranger" }, outside, counter([1, 26]), "POLICY_DENY"),
      ]),
    ],
    moments: [
      { at: "5m", firing: [tried] },
      { at: "25m", firing: [...told, tried].sort() },
    ],
    records: {
      [firing("UndeclaredFlowDenied", "namespace, owner")]: names.map((namespace) =>
        sample({ namespace, owner: ownerOf(namespace) }),
      ),
      [firing("MetadataEndpointTried", "source_namespace, owner")]: names.map((namespace) =>
        sample({ owner: "security", source_namespace: namespace }),
      ),
    },
  };
}

/** Pairs of pods beside those of declared pairs, which nothing declares: the source, the destination or both are another pod. */
function neighboursOf(plan: Plan): readonly Pick<Row, "source" | "destination">[] {
  const beside = (end: MetricEnd): MetricEnd => ({ ...end, name: "beside" });
  const between = pairsOf(plan).filter(
    ({ source, destination }) => source.namespace !== "" && destination.namespace !== "",
  );
  const all = between
    .flatMap(({ source, destination }) => [
      { source: beside(source), destination },
      { source, destination: beside(destination) },
      { source: beside(source), destination: beside(destination) },
    ])
    .filter((pair) => ownersOf(plan, pair).length === 0);
  return [...new Map(all.map((pair) => [JSON.stringify(pair), pair])).values()];
}

const endsLabels = "source_namespace, source, destination_namespace, destination";

const endsSample = ({ source, destination }: Pick<Row, "source" | "destination">) =>
  sample({
    source_namespace: source.namespace,
    source: source.name,
    destination_namespace: destination.namespace,
    destination: destination.name,
  });

/** They are denied explicitly: a row of the table stands for its own pods alone. */
function everyNeighbour({ name, plan, monitoring }: Watched): Scenario {
  const closed = monitoring.alerts.some((alert) => alert.name === "OtherTenantTried")
    ? "OtherTenantTried"
    : "ClosedPathTried";
  const pairs = neighboursOf(plan);
  return {
    title: `${name}: ${pairs.length} pairs of pods beside declared ones are denied explicitly`,
    about: [closed],
    series: [
      ...healthy(8),
      ...pairs.map(({ source, destination }) => drops(source, destination, counter([4, 8]), "POLICY_DENY")),
    ],
    moments: [{ at: "5m", firing: pairs.length === 0 ? [] : [`${closed} security critical`] }],
    records: { [firing(closed, endsLabels)]: pairs.map(endsSample) },
  };
}

/** They are denied beside what passes by policies of others: they are undeclared, and no part of a declared pair. */
function everyNeighbourTries({ name, plan, monitoring }: Watched): Scenario {
  const pairs = neighboursOf(plan);
  const ownerOf = ({ source }: Pick<Row, "source">): string => monitoring.owners.get(source.namespace) ?? "platform";
  return {
    title: `${name}: ${pairs.length} pairs of pods beside declared ones are denied for long`,
    about: ["UndeclaredFlowDenied", "DeclaredPairPartlyDenied"],
    evaluation: "5m",
    series: [
      ...healthy(26),
      ...pairs.flatMap(({ source, destination }) => [
        ...passes(source, destination, counter([6, 26])),
        drops(source, destination, counter([4, 26])),
      ]),
    ],
    moments: [
      { at: "14m", firing: [] },
      {
        at: "25m",
        firing: [...new Set(pairs.map(ownerOf))].sort().map((owner) => `UndeclaredFlowDenied ${owner} warning`),
      },
    ],
    records: { [firing("UndeclaredFlowDenied", endsLabels)]: pairs.map(endsSample) },
  };
}

/** A change, and nothing of them passes: no declared flow is cut by it. */
function everyNeighbourCut({ name, plan }: Watched): Scenario {
  const pairs = neighboursOf(plan);
  return {
    title: `${name}: a change cuts ${pairs.length} pairs of pods beside declared ones`,
    about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
    evaluation: "2m",
    series: [
      ...healthy(18, "cilium_policy_change_total"),
      policyChanges(`${constant(7, 4)} ${constant(9, 14)}`),
      ...pairs.map(({ source, destination }) => drops(source, destination, counter([0, 4], [4, 14]))),
    ],
    moments: ["6m", "10m", "16m"].map((at) => ({ at, firing: [] })),
  };
}

/** What is closed explicitly is tried everywhere: from another tenant, or else from another namespace, and from outside. */
function everyBoundary({ name, plan, monitoring }: Watched): Scenario {
  const closed = monitoring.alerts.some((alert) => alert.name === "OtherTenantTried")
    ? "OtherTenantTried"
    : "ClosedPathTried";
  const homes = plan.tenants.length > 0 ? plan.tenants.map(({ namespaces }) => namespaces) : [["one"], ["two"]];
  const crossings = homes.flatMap((own) =>
    homes.filter((other) => other !== own).flatMap((other) => own.flatMap((a) => other.map((b) => [a, b] as const))),
  );
  const shut = plan.workloads.filter(({ denyExternal, hostNetwork }) => denyExternal && !hostNetwork);
  const closedOnes = shut.flatMap(
    ({ namespace, name: of }) => endOf(plan, { kind: "workload", namespace, name: of }) ?? [],
  );
  // where nothing is declared closed, a policy of somebody else may be
  const [home] = plan.namespaces;
  const targets = closedOnes.length > 0 ? closedOnes : [{ namespace: home?.name ?? "default", name: "closed" }];
  return {
    title: `${name}: ${crossings.length} boundaries and ${targets.length} closed workloads are tried`,
    about: [closed, "ClosedWorkloadTried"],
    evaluation: "3m",
    series: [
      ...healthy(16),
      ...crossings.map(([a, b]) =>
        drops({ namespace: a, name: "stranger" }, { namespace: b, name: "safe" }, counter([4, 16]), "POLICY_DENY"),
      ),
      ...targets.map((target) => drops(outside, target, counter([4, 16]), "POLICY_DENY")),
    ],
    moments: [
      { at: "3m", firing: [`${closed} security critical`] },
      {
        at: "15m",
        firing: ["ClosedWorkloadTried security critical", `${closed} security critical`],
      },
    ],
    records: {
      [firing(closed, "source_namespace, destination_namespace")]: unique(
        crossings.map(([a, b]) => sample({ destination_namespace: b, source_namespace: a })),
      ),
      [firing("ClosedWorkloadTried", "destination_namespace, destination")]: unique(
        targets.map((target) => sample({ destination: target.name, destination_namespace: target.namespace })),
      ),
    },
  };
}

/** Each day on which something of a plan ends, an hour before midnight and an hour after; the days are those of 1970. */
export function endScenarios({ name, plan }: Watched): readonly Scenario[] {
  const ends: readonly { readonly day: string | undefined; readonly firing: string }[] = [
    ...plan.bypasses.map(({ owner, expires }) => ({ day: expires, firing: `BypassOverdue ${owner} critical` })),
    ...plan.exceptions
      .filter(({ state }) => state !== "closed")
      .map(({ owner, expires }) => ({ day: expires, firing: `ExceptionOverdue ${owner} warning` })),
    ...plan.metadataAccess.map(({ owner, expires }) => ({ day: expires, firing: `ExceptionOverdue ${owner} warning` })),
    ...plan.flows
      .filter(({ reviewBy }) => reviewBy !== plan.reviewBy)
      .map(({ owner, reviewBy }) => ({ day: reviewBy, firing: `ReviewOverdue ${owner} warning` })),
    { day: plan.reviewBy, firing: "ReviewOverdue security warning" },
  ];
  const known = ends.flatMap(({ day, firing: text }) =>
    day === undefined ? [] : [{ over: Date.parse(day) / 3_600_000 + 24, text }],
  );
  if (known.length === 0) return [];
  const at = (hour: number): Scenario["moments"][number] => ({
    at: `${hour}h`,
    firing: [...new Set(known.filter(({ over }) => over <= hour).map(({ text }) => text))].sort(),
  });
  return within(
    ["declaration"],
    [
      {
        title: `${name}: each day on which something ends`,
        about: ["BypassOverdue", "ExceptionOverdue", "ReviewOverdue"],
        evaluation: "30m",
        interval: "1m",
        series: healthy(10),
        moments: [...new Set(known.map(({ over }) => over))]
          .sort((a, b) => a - b)
          .flatMap((over) => [at(over - 1), { ...at(over - 1), at: `${over}h` }, at(over + 1)]),
      },
    ],
  );
}
