/** Denied connections on Cilium, judged by what is declared: cut, tried, or undeclared. */
import type { Plan } from "../../plan";
import type { MonitoringSettings } from "../settings";
import { world } from "../table";
import type { Alert, RecordingRule, RuleSet } from "../types";
import { asPair, declared, pairLabels, undeclared, withFlow, withNamespaceOwner } from "./pairs";

/**
 * Events a second: three a minute. One attempt is recorded as a verdict and as a drop, and its SYN is sent again after 1,
 * 3, 7, 15 and 31 seconds, so that one attempt a minute is above it.
 */
const someAttempts = 0.05;
/** One attempt in five minutes. */
const fewAttempts = 0.02;

/** Metrics have no port. ICMP is no traffic that a declaration knows, and its bursts would page. */
const transport = 'protocol=~"TCP|UDP"';
const explicit = `hubble_drop_total{reason="POLICY_DENY",${transport}}`;

const name = {
  drops: (window: string) => `cluster_security:drops:rate${window}`,
  denied: (window: string) => `cluster_security:denied:rate${window}`,
  passed: (window: string) => `cluster_security:passed:rate${window}`,
  cut: (window: string) => `cluster_security:cut:rate${window}`,
  tried: "cluster_security:tried:increase10m",
  undeclared: "cluster_security:undeclared_denied:rate5m",
  beside: "cluster_security:declared_denied:rate5m",
};

const windows = ["1m", "5m", "30m"] as const;

/** The rules about denials. */
export function denialRules(plan: Plan, settings: MonitoringSettings): RuleSet {
  const recordings: RecordingRule[] = [
    ...windows.map((window) => dropsIn(window)),
    ...windows.map((window) => deniedIn(window)),
    ...["1m", "5m"].map((window) => passedIn(window, plan)),
    { record: "cluster_security:passed_before:rate5m", expr: `max_over_time(${name.passed("5m")}[6h]) > 0` },
    cutIn("1m", `${name.denied("1m")} > ${someAttempts}`),
    cutIn("5m", `${name.denied("5m")} > ${fewAttempts} and ${name.denied("1m")} > 0`),
    { record: name.tried, expr: triedExpression },
    {
      record: name.undeclared,
      expr: undeclared(`${name.denied("5m")} > ${fewAttempts} and ${name.denied("30m")} > ${fewAttempts / 4}`),
    },
    {
      record: name.beside,
      expr: declared(
        `(${name.denied("5m")} > ${fewAttempts} and ${name.denied("30m")} > ${fewAttempts / 4}) ` +
          `unless on (${pairLabels}) ${name.cut("5m")}`,
      ),
    },
    ...successRecordings,
  ];
  return {
    name: "cluster-security-denials",
    interval: `${settings.scrapeInterval}s`,
    recordings,
    alerts: [...cutAlerts, ...triedAlerts(plan, settings), ...besideAlerts(settings)],
  };
}

function dropsIn(window: string): RecordingRule {
  const selected = `rate(hubble_drop_total{reason=~"POLICY_DENIED|POLICY_DENY",${transport}}[${window}])`;
  return { record: name.drops(window), expr: `sum by (reason, namespace, ${pairLabels}) (\n  ${asPair(selected)}\n)` };
}

/**
 * What no policy allows, and between pods also what one denies explicitly. Towards the world an explicit deny is not held
 * against a declared flow: the metadata endpoints and a declared host have the same name there.
 */
function deniedIn(window: string): RecordingRule {
  const between = 'reason="POLICY_DENY",source_namespace!="",destination_namespace!=""';
  const drops = name.drops(window);
  return {
    record: name.denied(window),
    expr: `sum by (namespace, ${pairLabels}) (\n  ${drops}{reason="POLICY_DENIED"} or ${drops}{${between}}\n)`,
  };
}

/**
 * A connection between pods passes once it is let in, since its egress verdict comes first; out of the cluster, and into namespaces
 * without policies, once it is let out.
 */
function passedIn(window: string, { exemptNamespaces }: Plan): RecordingRule {
  const passes = 'action=~"forwarded|redirected",match!~"l7/.*"';
  const open = ["", ...exemptNamespaces].join("|");
  const verdicts = (rest: string): string => `rate(hubble_policy_verdicts_total{${passes},${rest}}[${window}])`;
  const into = asPair(verdicts(`direction="ingress",destination_namespace!~"${open}"`));
  const out = asPair(verdicts(`direction="egress",destination_namespace=~"${open}"`));
  return { record: name.passed(window), expr: `sum by (namespace, ${pairLabels}) (\n  ${into}\n  or\n  ${out}\n)` };
}

/** Denied while nothing passes. What leads out of the cluster must have passed before: another host may be what is denied. */
function cutIn(window: string, denied: string): RecordingRule {
  const before = `cluster_security:passed_before:rate5m`;
  const outside = `destination="${world.name}"`;
  return {
    record: name.cut(window),
    expr: [
      `(${denied})`,
      `  unless on (${pairLabels}) ${name.passed(window)} > 0`,
      `  unless on (${pairLabels}) (${name.denied(window)}{${outside}} unless on (${pairLabels}) ${before})`,
    ].join("\n"),
  };
}

/**
 * A counter that did not exist ten minutes ago began at nothing, which `increase` cannot know. It counts only where its
 * agent was scraped then.
 */
const triedExpression = [
  `sum by (namespace, ${pairLabels}) (`,
  `  ${asPair(
    `increase(${explicit}[10m]) > 0 or ${explicit} unless ${explicit} offset 10m and on (instance) (up offset 10m == 1)`,
  )}`,
  ")",
].join("\n");

/** How many of all connections come about, in the cluster and by namespace. */
const successRecordings: readonly RecordingRule[] = [
  {
    record: "cluster_security:connection_success:ratio5m",
    expr: `sum(${name.passed("5m")}) / (sum(${name.passed("5m")}) + (sum(${name.denied("5m")}) or vector(0)))`,
  },
  {
    record: "cluster_security:connection_success:by_namespace:ratio5m",
    expr:
      `sum by (namespace) (${name.passed("5m")})\n  / (sum by (namespace) (${name.passed("5m")})` +
      ` + (sum by (namespace) (${name.denied("5m")}) or sum by (namespace) (${name.passed("5m")}) * 0))`,
  },
  {
    record: "cluster_security:policy_change_success:ratio1h",
    expr:
      `sum(increase(cilium_policy_change_total{outcome="success"}[1h]))` +
      ` / (sum(increase(cilium_policy_change_total[1h])) > 0)`,
  },
];

const pairWords =
  "{{ $labels.source_namespace }}/{{ $labels.source }} → {{ $labels.destination_namespace }}/{{ $labels.destination }}";
const observe =
  "hubble observe --verdict DROPPED --from-namespace $source_namespace --to-namespace $destination_namespace --last 50";
const observeFrom = "hubble observe --verdict DROPPED --from-namespace $source_namespace --last 50";
const policiesAtDestination = "kubectl get ciliumnetworkpolicies,networkpolicies -n $destination_namespace";
const clusterwidePolicies = "kubectl get ciliumclusterwidenetworkpolicies";

const cutAlerts: readonly Alert[] = [
  {
    name: "DeclaredFlowCut",
    severity: "critical",
    scope: "flow",
    source: "hubble",
    expr: `(\n${withFlow(name.cut("1m"))}\n)\nand on () sum(increase(cilium_policy_change_total{outcome="success"}[15m])) > 0`,
    keepFiringFor: "5m",
    summary: `A policy cut the declared flow ${pairWords}: it is denied, nothing of it passes, and policies were changed in the last 15 minutes.`,
    meaning:
      "The flow is declared, connections between its ends are denied, none passes, and a policy was changed shortly before.",
    impact: "The source cannot reach the destination at all. What depends on it is down.",
    commands: [observe, policiesAtDestination, "kubectl get ciliumendpoints -n $destination_namespace"],
    confirm:
      "The denied connections go to a declared port: Hubble shows the port, which the metrics do not have. `cluster-security explain` names the rule that is missing.",
    mitigate:
      "Apply the policies of the last version that worked. Where that takes long, open a bypass for the workload; it closes by itself on its last day.",
    rollBack: "Revert the change in the declaration and run `pulumi up`; the alert ends within five minutes.",
  },
  {
    name: "DeclaredFlowDenied",
    severity: "critical",
    scope: "flow",
    source: "hubble",
    expr: withFlow(name.cut("5m")),
    for: "5m",
    keepFiringFor: "5m",
    summary: `The declared flow ${pairWords} has been denied for more than five minutes and nothing of it passes.`,
    meaning:
      "The flow is declared, and for more than five minutes all connections between its ends have been denied. No policy needs to have changed: labels of pods or of a namespace, or an identity that did not arrive, have the same effect.",
    impact: "The source cannot reach the destination at all. What depends on it is down.",
    commands: [observe, policiesAtDestination, "kubectl get pods -n $source_namespace --show-labels"],
    confirm:
      "The pods still carry the labels that the declaration selects them by, and the denied port is one of the declared ones.",
    mitigate:
      "Restore the labels, or restart the pods whose identity is stale. Otherwise open a bypass for the workload.",
    rollBack: "Deploy the last version of the workload whose labels the declaration knows.",
  },
];

function triedAlerts({ tenants }: Plan, { securityOwner }: MonitoringSettings): readonly Alert[] {
  const tried = (rest: string): string => `${name.tried}{${rest}}`;
  const common = { severity: "critical", scope: "namespace", source: "hubble", owner: securityOwner } as const;
  const outOfBounds = "An explicit deny held: nothing was reached.";
  return [
    {
      ...common,
      name: "MetadataEndpointTried",
      expr: `${tried('source_namespace!="",destination_namespace=""')} > 1`,
      keepFiringFor: "15m",
      summary: `${pairWords}: an explicit deny stopped a pod on its way to a metadata endpoint or another closed address.`,
      meaning:
        "A pod tried an address that an explicit deny closes to it. Those of this package are the metadata endpoints of the cloud, from which credentials of the node can be had.",
      impact: `${outOfBounds} The pod, or who controls it, looked for credentials that are not its own.`,
      commands: [
        observeFrom,
        "kubectl get pods -n $source_namespace -o wide",
        "kubectl get events -n $source_namespace --sort-by=.lastTimestamp",
      ],
      confirm:
        "Hubble shows 169.254.169.254 or another metadata address. Libraries of a cloud's SDK ask for it by themselves: then the workload needs `metadataAccess` or a setting that turns it off.",
      mitigate: "Where no SDK explains it, isolate the pod and keep it for the investigation.",
      rollBack: "Nothing was opened, so nothing goes back.",
    },
    {
      ...common,
      name: "ClosedWorkloadTried",
      expr: `${tried(`source="${world.name}"`)} > 4\n  and on (${pairLabels}) ${name.drops("1m")}{reason="POLICY_DENY"} > 0`,
      for: "5m",
      keepFiringFor: "15m",
      summary: `${pairWords}: something outside the cluster keeps trying a workload that is closed to it (denyExternal).`,
      meaning:
        "Connections from outside the cluster to a workload with `denyExternal` have been denied for more than five minutes. Shorter bursts are pods whose identity has not arrived everywhere yet.",
      impact: `${outOfBounds} A way from outside to the workload exists: a Service, a node port or a route.`,
      commands: [
        "hubble observe --verdict DROPPED --to-namespace $destination_namespace --last 50",
        "kubectl get services -n $destination_namespace -o wide",
        "kubectl get ingresses --all-namespaces",
      ],
      confirm: "The source address in Hubble is neither a pod's nor a node's.",
      mitigate: "Remove the Service, Ingress or route that leads to the workload.",
      rollBack: "Nothing was opened, so nothing goes back.",
    },
    {
      ...common,
      name: tenants.length > 0 ? "OtherTenantTried" : "ClosedPathTried",
      // a declared pair that is denied explicitly is a cut, which its owner hears of
      expr: `${undeclared(`${tried('source_namespace!="",destination_namespace!=""')} > 4`)}`,
      keepFiringFor: "15m",
      summary: `${pairWords}: an explicit deny stopped a connection between namespaces that are closed to each other.`,
      meaning:
        "A pod tried another one that an explicit deny closes to it: the boundary of a tenant, or a deny of the user's own.",
      impact: `${outOfBounds} The pod, or who controls it, looks around.`,
      commands: [observe, "kubectl get pods -n $source_namespace -o wide", clusterwidePolicies],
      confirm: "Both namespaces belong to different tenants, and no exception between them is declared.",
      mitigate: "Ask the owner of the source. Isolate the pod where there is no explanation.",
      rollBack: "Nothing was opened, so nothing goes back.",
    },
  ];
}

function besideAlerts({ platformOwner }: MonitoringSettings): readonly Alert[] {
  const common = {
    severity: "warning",
    scope: "namespace",
    source: "hubble",
    for: "15m",
    keepFiringFor: "15m",
  } as const;
  return [
    {
      ...common,
      name: "UndeclaredFlowDenied",
      expr: withNamespaceOwner(name.undeclared, platformOwner),
      summary: `${pairWords} is not declared and has been denied for more than 15 minutes.`,
      meaning: "Connections that nobody declared are denied again and again. The policies do what they are there for.",
      impact:
        "Either a flow is missing in the declaration and something does not work, or a pod does what it is not meant to.",
      commands: [observe, "kubectl get pods -n $source_namespace --show-labels", policiesAtDestination],
      confirm: "The owner of the namespace knows the connection, or does not.",
      mitigate: "Declare the flow with a reason and an owner, or stop the source from trying.",
      rollBack: "Remove the flow from the declaration again.",
    },
    {
      ...common,
      name: "DeclaredPairPartlyDenied",
      expr: withNamespaceOwner(name.beside, platformOwner),
      summary: `${pairWords}: some connections of this declared pair have been denied for more than 15 minutes.`,
      meaning:
        "The two ends have a declared flow that is not cut, and connections between them are denied all the same: to another port, to another host outside the cluster, or from a part of the pods.",
      impact: "A part of what the source does fails.",
      commands: [observe, policiesAtDestination, "kubectl get pods -n $source_namespace --show-labels"],
      confirm: "Hubble shows a port that is not declared, or pods whose labels differ from those of their siblings.",
      mitigate: "Declare the port, or correct the labels.",
      rollBack: "Remove the port from the declaration again.",
    },
  ];
}
